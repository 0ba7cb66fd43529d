"""The criteria of a case-control cohort, each defined once.

``Criteria`` is the configuration of a cohort in days. A ``Check`` is one criterion at an index
date: its words for attrition.csv, and a function of the persons' rows and index day. Cases and
controls share the checks of ``observed_checks``; what a case alone or a control alone has to meet
stands in ``case_checks`` and ``control_checks``. How a control has to resemble its case is in
risk_sets.py.

Source: Choi et al., JAMIA 2017, Methods; Choi et al., NIPS 2016 (RETAIN), appendix B.4.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from visitseq.cohort.attrition import number_of
from visitseq.cohort.day_lists import NEVER, Ints
from visitseq.cohort.records import Bools, Records
from visitseq.cohort.windows import months_to_days


@dataclass(frozen=True)
class Criteria:
    """Configuration of a cohort; the keys are described in the configuration's schema.

    ``months`` in a key became ``days`` (rounded up); calipers are None where they are not used.
    """

    age: tuple[int, int]
    eligibility_days: int
    min_visits: int
    washout_days: int
    free_days_after_index: int
    last_contact_days: int
    lookback_days: int
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


def age_check(criteria: Criteria) -> Check:
    """Of age: completed years at the index date within the range, both ends included."""
    youngest, oldest = criteria.age

    def holds(records: Records, rows: Ints, day: Ints | int) -> Bools:
        age = records.age(rows, np.asarray(day))
        return (age >= youngest) & (age <= oldest)

    return Check(f"age {youngest} to {oldest} at the index date", holds)


def case_checks(criteria: Criteria) -> list[Check]:
    """List what a case has to meet at its index date, in the order of attrition.csv."""

    def birth_known(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.birth[rows] < NEVER

    def washed_out(records: Records, rows: Ints, day: Ints | int) -> Bools:
        first = records.first_qualifying[rows]
        return records.observed_days(rows, first) >= criteria.washout_days

    washout = f"observed {criteria.washout_days} days before the first qualifying day"
    return [
        Check("birth date known", birth_known),
        age_check(criteria),
        *observed_checks(criteria, Check(washout, washed_out)),
    ]


def control_checks(criteria: Criteria) -> list[Check]:
    """List what any control has to meet at its case's index date, its age aside."""

    def free(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.run_start[rows] >= day + criteria.free_days_after_index

    def in_contact(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.last_visit[rows] >= day - criteria.last_contact_days

    def washed_out(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return records.observed_days(rows, day) >= criteria.washout_days

    free_days, contact_days = criteria.free_days_after_index, criteria.last_contact_days
    washout = f"observed {criteria.washout_days} days (the washout) before the index date"
    return [
        Check(f"no qualifying run before {free_days} days after the index date", free),
        Check(f"a visit from {contact_days} days before the index date on", in_contact),
        *observed_checks(criteria, Check(washout, washed_out)),
    ]


def observed_checks(criteria: Criteria, washout: Check) -> list[Check]:
    """List what cases and controls both have to meet, criteria of 0 days or visits left out."""

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
    checks = [
        (True, Check("alive at the index date", alive)),
        (True, Check("observed at the index date", observed)),
        (criteria.washout_days > 0, washout),
        (lookback > 0, Check(f"observed {lookback} days before the index date", looked_back)),
        (criteria.min_visits > 0, Check(f"at least {visits}", visited)),
    ]
    return [check for used, check in checks if used]
