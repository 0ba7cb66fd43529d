"""Risk sets: which persons could serve as controls of each case (density sampling).

At a case's index date every other person of its part is looked at who has not got the disease yet
and will not for a while: the person may become a case later, or serve several cases. One part of
the site is searched at a time. Its persons, the pool, are sorted by the sex that they have to share
with a case and by birth, so that those of a case's age are one slice of it: age in completed years
only falls as the birth comes later. The other criteria thin that slice out one after the other,
those that count visits last.

Source: Choi et al., JAMIA 2017, Methods; Choi et al., NIPS 2016 (RETAIN), appendix B.4.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from visitseq.cohort.attrition import Step
from visitseq.cohort.criteria import Criteria, age_check, control_checks
from visitseq.cohort.day_lists import DayLists, Ints, Rows
from visitseq.cohort.records import Bools, Records


@dataclass(frozen=True)
class Case:
    """A case at its index date: row in the pool, days, and what a control may have to resemble."""

    row: int
    index: int
    first_visit: int
    site: int
    visits: int
    span: int


@dataclass(frozen=True)
class PairCheck:
    """A criterion of a control that may depend on its case, and who of ``rows`` meets it."""

    criterion: str
    holds: Callable[[Records, Ints, Case], Bools]


def pool_order(records: Records, rows: Ints, criteria: Criteria) -> Ints:
    """Sort ``rows`` as ``find_risk_sets`` wants its pool: by sex where it is exact, and birth."""
    sex = _strata(records, criteria)
    return rows[np.lexsort((records.subject_id[rows], records.birth[rows], sex[rows]))]


def find_risk_sets(pool: Records, cases: Ints, criteria: Criteria) -> tuple[list[Rows], list[Step]]:
    """Find the eligible controls of each case.

    Parameters
    ----------
    pool
        The persons of one part, in the order of :func:`pool_order`.
    cases
        Rows of the cases in the pool, shape (cases,).
    criteria
        The cohort's criteria.

    Returns
    -------
    eligible
        For each case the rows of its eligible controls in the pool, ascending.
    steps
        Each criterion, and how many persons meet it and all before it for at least one case.
    """
    slices, checks = _slices(pool, cases, criteria), _pair_checks(criteria)
    met = np.zeros((len(slices) + len(checks), len(pool)), dtype=bool)
    eligible = []
    for number, case in enumerate(_at_index(pool, cases, criteria)):
        bounds = [(start[number], end[number]) for _, start, end in slices]
        for seen, (start, end) in zip(met, bounds, strict=False):
            seen[start : case.row] = True
            seen[case.row + 1 : end] = True
        rows = _all_but(case.row, *bounds[-1])
        for seen, check in zip(met[len(slices) :], checks, strict=True):
            rows = rows[check.holds(pool, rows, case)]
            seen[rows] = True
        eligible.append(rows.astype(np.int32))
    criterion_names = [name for name, _, _ in slices] + [check.criterion for check in checks]
    left = met.sum(axis=1).tolist()
    return eligible, [Step(*step) for step in zip(criterion_names, left, strict=True)]


def latest_birth(day: Ints, age: Ints | int) -> Ints:
    """Last day of birth of those who have completed ``age`` years on ``day``.

    Born on 29 February they turn older on 1 March, as in ``windows.completed_years``.
    """
    date = day.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    born = (month - 12 * np.asarray(age)).astype("datetime64[M]")
    same_day = born.astype("datetime64[D]") + (date - month.astype("datetime64[D]"))
    end_of_month = (born + 1).astype("datetime64[D]") - 1
    latest: Ints = np.minimum(same_day, end_of_month).astype(np.int64)
    return latest


def _strata(records: Records, criteria: Criteria) -> Ints:
    return records.sex if "sex" in criteria.exact else np.zeros(len(records), dtype=np.int64)


def _slices(pool: Records, cases: Ints, criteria: Criteria) -> list[tuple[str, Ints, Ints]]:
    """Criteria whose persons are a slice of the pool: words, start and end for each case."""
    number = np.unique(_strata(pool, criteria), return_inverse=True)[1]
    births = DayLists.from_pairs(number, pool.birth, int(number.max()) + 1)
    stratum, index = number[cases], pool.run_start[cases]

    def aged(youngest: Ints | int, oldest: Ints | int) -> tuple[Ints, Ints]:
        first = latest_birth(index, oldest + 1) + 1
        last = latest_birth(index, youngest)
        return births.position(stratum, first), births.position(stratum, last + 1)

    youngest, oldest = criteria.age
    same = "another person of a case's part" + (" and sex" if "sex" in criteria.exact else "")
    slices = [
        (same, births.offsets[stratum], births.offsets[stratum + 1]),
        (age_check(criteria).criterion, *aged(youngest, oldest)),
    ]
    if criteria.age_years is not None:
        age = pool.age(cases, index)
        near = aged(
            np.maximum(age - criteria.age_years, youngest),
            np.minimum(age + criteria.age_years, oldest),
        )
        slices.append((f"age within {criteria.age_years} years of the case's", *near))
    return slices


def _at_index(pool: Records, cases: Ints, criteria: Criteria) -> list[Case]:
    index = pool.run_start[cases]
    visits, span = pool.visits_within(cases, index, criteria.eligibility_days)
    columns = (cases, index, pool.first_visit[cases], pool.site_at(cases, index), visits, span)
    return [Case(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def _all_but(row: int, start: int, end: int) -> Ints:
    return np.concatenate([np.arange(start, row), np.arange(row + 1, end)])


def _pair_checks(criteria: Criteria) -> list[PairCheck]:
    """Criteria of a control after age and sex, in the order of attrition.csv."""
    return [
        *_likeness_checks(criteria),
        *(_at_the_cases_index(check.criterion, check.holds) for check in control_checks(criteria)),
        *_utilisation_checks(criteria),
    ]


def _at_the_cases_index(
    criterion: str, holds: Callable[[Records, Ints, Ints | int], Bools]
) -> PairCheck:
    return PairCheck(criterion, lambda pool, rows, case: holds(pool, rows, case.index))


def _likeness_checks(criteria: Criteria) -> list[PairCheck]:
    """First visit and care site like the case's."""
    checks = []
    days = criteria.first_visit_days
    if days is not None:

        def began_alike(pool: Records, rows: Ints, case: Case) -> Bools:
            alike: Bools = np.abs(pool.first_visit[rows] - case.first_visit) <= days
            return alike

        checks.append(PairCheck(f"first visit within {days} days of the case's", began_alike))
    if "care_site" in criteria.exact:

        def same_site(pool: Records, rows: Ints, case: Case) -> Bools:
            same: Bools = pool.site_at(rows, case.index) == case.site
            return same

        checks.append(PairCheck("care site of the case at the index date", same_site))
    return checks


def _utilisation_checks(criteria: Criteria) -> list[PairCheck]:
    """Visits and span of the eligibility window like the case's."""
    length, visits, span = criteria.eligibility_days, criteria.visits, criteria.span_days
    checks = []
    if visits is not None:

        def as_many(pool: Records, rows: Ints, case: Case) -> Bools:
            return np.abs(pool.visits_within(rows, case.index, length)[0] - case.visits) <= visits

        words = f"visits in the {length} days before the index date within {visits} of the case's"
        checks.append(PairCheck(words, as_many))
    if span is not None:

        def as_long(pool: Records, rows: Ints, case: Case) -> Bools:
            return np.abs(pool.visits_within(rows, case.index, length)[1] - case.span) <= span

        words = f"span of these visits within {span} days of the case's"
        checks.append(PairCheck(words, as_long))
    return checks
