"""Visits in a window: the short way to ask for some against counting them all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visitseq.cohort.day_lists import DayLists
from visitseq.cohort.records import Records


def with_visits(persons: list[list[int]]) -> Records:
    """Persons of whom nothing but the visits is known."""
    rows = np.repeat(np.arange(len(persons)), [len(days) for days in persons])
    days = np.array([day for person in persons for day in person], dtype=np.int64)
    zero, none = np.zeros(len(persons), np.int64), np.array([], np.int64)
    nothing = DayLists.from_pairs(none, none, len(persons))
    return Records(
        subject_id=np.arange(len(persons)),
        part=zero.astype(np.int32),
        sex=zero,
        birth=zero,
        death=zero,
        first_qualifying=zero,
        run_start=zero,
        visits=DayLists.from_pairs(rows, days, len(persons)),
        period_starts=nothing,
        period_ends=none,
        site_changes=nothing,
        sites=none,
    )


@given(
    st.lists(st.lists(st.integers(0, 30), unique=True, min_size=1).map(sorted), min_size=1),
    st.integers(0, 31),
    st.integers(1, 20),
    st.integers(1, 3),
)
def test_visits_in_a_window(persons: list[list[int]], day: int, length: int, least: int) -> None:
    records, rows = with_visits(persons), np.arange(len(persons))
    seen = [[d for d in person if day - length <= d < day] for person in persons]
    count, span = records.visits_within(rows, day, length)
    assert count.tolist() == [len(days) for days in seen]
    assert span.tolist() == [days[-1] - days[0] if days else 0 for days in seen]
    found = records.has_visits(rows, day, length, least)
    assert found.tolist() == [len(days) >= least for days in seen]


def test_nobody_is_observed_or_has_a_site_where_nothing_is_known() -> None:
    records = with_visits([[1], [2]])
    assert records.observed_days(np.arange(2), 5).tolist() == [-1, -1]
    assert len(set(records.site_at(np.arange(2), 5).tolist())) == 1
