"""Risk sets against a slow loop that asks every person about every case, criterion by criterion."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from visitseq.cohort.care_sites import commonest_sites
from visitseq.cohort.criteria import Criteria
from visitseq.cohort.day_lists import BEGINNING, NEVER, DayLists
from visitseq.cohort.records import UNKNOWN, Records
from visitseq.cohort.risk_sets import find_risk_sets, latest_birth, pool_order
from visitseq.cohort.windows import completed_years

EPOCH = dt.date(1970, 1, 1)


def number(date: dt.date) -> int:
    return (date - EPOCH).days


@dataclass
class Person:
    """What the slow loop knows of a person; days since 1970-01-01, about 2000 to 2002."""

    birth: dt.date | None
    sex: int | None
    death: int | None
    run: int | None
    visits: list[int]
    periods: list[tuple[int, int]]
    site: int | None
    sites: list[tuple[int, int]] = field(default_factory=list)

    def age(self, day: int) -> int | None:
        if self.birth is None:
            return None
        today = EPOCH + dt.timedelta(day)
        birthday_passed = (today.month, today.day) >= (self.birth.month, self.birth.day)
        return today.year - self.birth.year - (not birthday_passed)

    def observed(self, day: int) -> int:
        inside = [day - start for start, end in self.periods if start <= day <= end]
        return inside[0] if inside else -1

    def within(self, day: int, length: int) -> list[int]:
        return [visit for visit in self.visits if day - length <= visit < day]

    def span(self, day: int, length: int) -> int:
        visits = self.within(day, length)
        return visits[-1] - visits[0] if visits else 0

    def site_at(self, day: int) -> int | None:
        if self.site is not None:
            return self.site
        seen = Counter(site for when, site in self.sites if when < day)
        return min((s for s in seen if seen[s] == max(seen.values())), default=None)


def to_records(persons: list[Person]) -> Records:
    """The same persons as arrays."""
    size = len(persons)

    def lists(values: list[list[int]]) -> DayLists:
        rows = np.repeat(np.arange(size), [len(value) for value in values])
        flat = np.array([day for value in values for day in value], dtype=np.int64)
        return DayLists.from_pairs(rows, flat, size)

    changes = []
    for row, person in enumerate(persons):
        counted = [(row, *key, count) for key, count in sorted(Counter(person.sites).items())]
        columns = np.array(counted, dtype=np.int64).reshape(-1, 4).T
        followed = zip(*(column.tolist() for column in commonest_sites(*columns)), strict=True)
        own = [] if person.site is None else [(row, BEGINNING, person.site)]
        changes.append(own or list(followed))

    def known(values: list[int | None], missing: int) -> Any:
        return np.array([missing if value is None else value for value in values], dtype=np.int64)

    run = known([person.run for person in persons], NEVER)
    return Records(
        subject_id=np.arange(size) * 10,
        part=np.zeros(size, np.int32),
        sex=known([person.sex for person in persons], UNKNOWN),
        birth=known([number(p.birth) if p.birth else None for p in persons], NEVER),
        death=known([person.death for person in persons], NEVER),
        first_qualifying=run,
        run_start=run,
        visits=lists([person.visits for person in persons]),
        period_starts=lists([[start for start, _ in person.periods] for person in persons]),
        period_ends=np.array([e for p in persons for _, e in p.periods], dtype=np.int64),
        site_changes=lists([[day for _, day, _ in change] for change in changes]),
        sites=np.array([site for change in changes for _, _, site in change], dtype=np.int64),
    )


def stepwise(candidate: Person, case: Person, criteria: Criteria) -> list[bool]:
    """Which criteria the candidate meets at the case's index, in the order of attrition.csv."""
    assert case.run is not None
    index, length = case.run, criteria.eligibility_days
    age, case_age = candidate.age(index), case.age(index)
    assert case_age is not None
    youngest, oldest = criteria.age
    seen = candidate.within(index, length)
    verdicts: list[tuple[bool, bool]] = [
        (True, candidate.sex == case.sex or "sex" not in criteria.exact),
        (True, age is not None and youngest <= age <= oldest),
        (
            criteria.age_years is not None,
            age is not None and abs(age - case_age) <= (criteria.age_years or 0),
        ),
        (
            criteria.first_visit_days is not None,
            bool(candidate.visits)
            and abs(candidate.visits[0] - case.visits[0]) <= (criteria.first_visit_days or 0),
        ),
        ("care_site" in criteria.exact, candidate.site_at(index) == case.site_at(index)),
        (
            True,
            candidate.run is None or candidate.run >= index + criteria.free_days_after_index,
        ),
        (True, any(v >= index - criteria.last_contact_days for v in candidate.visits)),
        (True, candidate.death is None or candidate.death >= index),
        (True, candidate.observed(index) >= 0),
        (criteria.washout_days > 0, candidate.observed(index) >= criteria.washout_days),
        (criteria.lookback_days > 0, candidate.observed(index) >= criteria.lookback_days),
        (criteria.min_visits > 0, len(seen) >= criteria.min_visits),
        (
            criteria.visits is not None,
            abs(len(seen) - len(case.within(index, length))) <= (criteria.visits or 0),
        ),
        (
            criteria.span_days is not None,
            abs(candidate.span(index, length) - case.span(index, length))
            <= (criteria.span_days or 0),
        ),
    ]
    return [verdict for used, verdict in verdicts if used]


START = number(dt.date(2000, 1, 1))
day = st.integers(START, START + 60)
births = st.sampled_from(
    [
        *(dt.date(1958, 2, 27) + dt.timedelta(days) for days in range(5)),
        *(dt.date(1960, 2, 27) + dt.timedelta(days) for days in range(5)),
        *(dt.date(1962, 1, 1) + dt.timedelta(days) for days in range(0, 60, 7)),
    ]
)
visit_days = st.lists(day, unique=True, max_size=6).map(sorted)
sites = st.sampled_from([-3, 7, 8])


@st.composite
def people(draw: st.DrawFn, case: bool) -> Person:
    visits = draw(visit_days)
    run = draw(day if case else st.one_of(st.none(), day))
    cuts = sorted(draw(st.sets(st.integers(START - 9, START + 69), min_size=2, max_size=4)))
    return Person(
        birth=draw(births if case else st.one_of(births, st.none())),
        sex=draw(st.sampled_from([8507, 8532, None])),
        death=draw(st.one_of(st.none(), day)),
        run=run,
        visits=sorted({*visits, run}) if case and run is not None else visits,
        periods=list(zip(cuts[::2], cuts[1::2], strict=False)),
        site=draw(st.one_of(st.none(), sites)),
        sites=sorted(draw(st.lists(st.tuples(day, sites), max_size=4))),
    )


caliper = st.one_of(st.none(), st.integers(0, 30))
criteria_sets = st.builds(
    Criteria,
    age=st.sampled_from([(0, 150), (38, 40), (39, 42)]),
    eligibility_days=st.integers(1, 40),
    min_visits=st.integers(0, 2),
    washout_days=st.sampled_from([0, 0, 5]),
    free_days_after_index=st.integers(0, 20),
    last_contact_days=st.integers(0, 60),
    lookback_days=st.sampled_from([0, 0, 9]),
    method=st.just("random"),
    ratio=st.just(3),
    exact=st.sampled_from([(), ("sex",), ("care_site",), ("sex", "care_site")]),
    age_years=st.one_of(st.none(), st.integers(0, 2)),
    first_visit_days=caliper,
    visits=st.one_of(st.none(), st.integers(0, 2)),
    span_days=caliper,
    reuse_controls=st.booleans(),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(people(case=True), min_size=1, max_size=3),
    st.lists(people(case=False), max_size=12),
    criteria_sets,
)
def test_against_a_slow_loop(
    candidates: list[Person], others: list[Person], criteria: Criteria
) -> None:
    youngest, oldest = criteria.age
    cases = [
        person
        for person in candidates
        if person.run is not None and youngest <= (person.age(person.run) or -1) <= oldest
    ]
    persons = [*candidates, *others]
    records = to_records(persons)
    order = pool_order(records, np.arange(len(persons)), criteria)
    place = {id(persons[row]): number for number, row in enumerate(order.tolist())}
    rows = np.array(sorted(place[id(person)] for person in cases), dtype=np.int64)
    eligible, steps = find_risk_sets(records.take(order), rows, criteria)

    met: list[set[int]] = [set() for _ in steps]
    for row, found in zip(rows.tolist(), eligible, strict=True):
        case = persons[order[row]]
        expected = set()
        for person in persons:
            verdicts = stepwise(person, case, criteria) if person is not case else [False]
            passed = verdicts.index(False) if False in verdicts else len(verdicts)
            for step in range(passed):
                met[step].add(id(person))
            if passed == len(verdicts) == len(steps):
                expected.add(place[id(person)])
        assert found.tolist() == sorted(expected)
    assert [step.left for step in steps] == [len(ids) for ids in met]


@example(day=dt.date(2024, 2, 29), birth=dt.date(2023, 3, 1), age=1)
@example(day=dt.date(2023, 2, 28), birth=dt.date(2020, 2, 29), age=3)
@example(day=dt.date(2023, 3, 1), birth=dt.date(2020, 2, 29), age=3)
@given(
    st.dates(dt.date(1890, 1, 1), dt.date(2100, 12, 31)),
    st.dates(dt.date(1800, 1, 1), dt.date(2100, 12, 31)),
    st.integers(0, 120),
)
def test_latest_birth_is_the_bound_of_completed_years(
    day: dt.date, birth: dt.date, age: int
) -> None:
    bound = latest_birth(np.array([number(day)]), age)[0]
    births = np.array([birth, EPOCH + dt.timedelta(int(bound))], dtype="datetime64[D]")
    births = np.append(births, births[-1] + 1)
    old_enough = completed_years(births, np.array([day], dtype=births.dtype)) >= age
    assert list(old_enough) == [number(birth) <= bound, True, False]
