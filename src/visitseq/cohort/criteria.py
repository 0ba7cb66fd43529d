"""The criteria of a cohort with an outcome, each defined once.

``Criteria`` is the configuration of a case-control cohort in days, ``Eligibility`` what of it any
cohort with an outcome has. A ``Check`` is one criterion at an index date: its words for
attrition.csv, and a function of the persons' rows and index day. Everybody has to meet those of
``observed_checks``; what a case alone or a control alone has to meet stands in ``case_checks`` and
``control_checks``. How a control has to resemble its case is in risk_sets.py, and what the rows of
a landmark cohort have to meet in landmark.py.

Source: Choi et al., JAMIA 2017, Methods; Choi et al., NIPS 2016 (RETAIN), appendix B.4.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from visitseq.cohort.attrition import number_of
from visitseq.cohort.day_lists import NEVER, Ints
from visitseq.cohort.records import Bools, Records
from visitseq.cohort.windows import months_to_days


@dataclass(frozen=True)
class Eligibility:
    """What any cohort with an outcome asks; the keys are described in the configuration's schema.

    ``months`` in a key became ``days`` (rounded up).
    """

    age: tuple[int, int]
    eligibility_days: int
    min_visits: int
    lookback_days: int


@dataclass(frozen=True)
class Criteria(Eligibility):
    """Configuration of a case-control cohort; calipers are None where they are not used."""

    washout_days: int
    free_days_after_index: int
    last_contact_days: int
    method: str
    ratio: int
    exact: tuple[str, ...]
    age_years: int | None
    first_visit_days: int | None
    visits: int | None
    span_days: int | None
    reuse_controls: bool

    @classmethod
    def from_configuration(cls, cohort: Mapping[str, Any]) -> "Criteria":
        """Take the criteria from the filled configuration of a cohort of kind case_control."""
        matching = dict(cohort["matching"])
        youngest, oldest = cohort["age"]
        return cls(
            age=(youngest, oldest),
            eligibility_days=months_to_days(cohort["eligibility_months"]),
            min_visits=cohort["min_visits"],
            washout_days=months_to_days(cohort["washout_months"]),
            free_days_after_index=cohort["free_days_after_index"],
            last_contact_days=cohort["last_contact_days"],
            lookback_days=months_to_days(cohort["lookback_months"]),
            exact=tuple(matching.pop("exact")),
            **matching,
        )


@dataclass(frozen=True)
class Check:
    """A criterion: its words, and which of the persons ``rows`` meet it at the index ``day``."""

    criterion: str
    holds: Callable[[Records, Ints, Ints | int], Bools]


def birth_check() -> Check:
    """Check that the birth date is known."""

    def birth_known(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.birth[rows] < NEVER

    return Check("birth date known", birth_known)


def age_check(criteria: Eligibility) -> Check:
    """Of age: completed years at the index date within the range, both ends included."""
    youngest, oldest = criteria.age

    def holds(records: Records, rows: Ints, day: Ints | int) -> Bools:
        age = records.age(rows, np.asarray(day))
        return (age >= youngest) & (age <= oldest)

    return Check(f"age {youngest} to {oldest} at the index date", holds)


def case_checks(criteria: Criteria) -> list[Check]:
    """List what a case has to meet at its index date, in the order of attrition.csv."""

    def washed_out(records: Records, rows: Ints, day: Ints | int) -> Bools:
        first = records.first_qualifying[rows]
        return records.observed_days(rows, first) >= criteria.washout_days

    washout = f"observed {criteria.washout_days} days before the first qualifying day"
    return [
        birth_check(),
        age_check(criteria),
        *observed_checks(criteria, [Check(washout, washed_out)] if criteria.washout_days else []),
    ]


def free_check(days: int) -> Check:
    """Check that no qualifying run begins before so many days after the index date."""

    def free(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.run_start[rows] >= day + days

    until = f"{days} days after the index date" if days else "the index date"
    return Check(f"no qualifying run before {until}", free)


def control_checks(criteria: Criteria) -> list[Check]:
    """List what any control has to meet at its case's index date, its age aside."""

    def in_contact(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.last_visit[rows] >= day - criteria.last_contact_days

    def washed_out(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.observed_days(rows, day) >= criteria.washout_days

    contact_days = criteria.last_contact_days
    washout = f"observed {criteria.washout_days} days (the washout) before the index date"
    return [
        free_check(criteria.free_days_after_index),
        Check(f"a visit from {contact_days} days before the index date on", in_contact),
        *observed_checks(criteria, [Check(washout, washed_out)] if criteria.washout_days else []),
    ]


def observed_checks(criteria: Eligibility, washout: Sequence[Check] = ()) -> list[Check]:
    """List what everybody has to meet, criteria of 0 days or visits left out.

    ``washout`` is the check of the days before the disease, where there is one.
    """

    def alive(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.death[rows] >= day

    def observed(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.observed_days(rows, day) >= 0

    def looked_back(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.observed_days(rows, day) >= criteria.lookback_days

    def visited(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.has_visits(rows, day, criteria.eligibility_days, criteria.min_visits)

    lookback, days = criteria.lookback_days, criteria.eligibility_days
    visits = f"{number_of(criteria.min_visits, 'visit')} in the {days} days before the index date"
    back = Check(f"observed {lookback} days before the index date", looked_back)
    return [
        Check("alive at the index date", alive),
        Check("observed at the index date", observed),
        *washout,
        *([back] if lookback else []),
        *([Check(f"at least {visits}", visited)] if criteria.min_visits else []),
    ]
