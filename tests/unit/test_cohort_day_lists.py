"""Searches in many lists of days at once, against plain Python lists."""

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visitseq.cohort.day_lists import BEGINNING, NEVER, DayLists

days = st.one_of(st.integers(-40, 40), st.sampled_from([BEGINNING, NEVER - 1]))
lists = st.lists(st.lists(days, max_size=5).map(sorted), min_size=1, max_size=6)


def day_lists(values: list[list[int]]) -> DayLists:
    rows = np.repeat(np.arange(len(values)), [len(value) for value in values])
    flat = np.array([day for value in values for day in value], dtype=np.int64)
    return DayLists.from_pairs(rows, flat, len(values))


@given(lists, st.integers(-41, 41))
def test_position_and_last_before(values: list[list[int]], day: int) -> None:
    found = day_lists(values)
    rows = np.arange(len(values))
    position = found.position(rows, day) - found.offsets[:-1]
    assert list(position) == [sum(entry < day for entry in value) for value in values]
    last, exists = found.last_before(rows, np.full(len(rows), day))
    for row, value in enumerate(values):
        earlier = [entry for entry in value if entry < day]
        assert exists[row] == bool(earlier)
        assert not earlier or found.days[last[row]] == earlier[-1]


@given(lists)
def test_first_and_last(values: list[list[int]]) -> None:
    found = day_lists(values)
    assert list(found.first()) == [value[0] if value else NEVER for value in values]
    assert list(found.last()) == [value[-1] if value else BEGINNING for value in values]


@given(lists, st.randoms(use_true_random=False))
def test_take(values: list[list[int]], random: Random) -> None:
    rows = list(range(len(values)))
    random.shuffle(rows)
    rows = rows[: max(1, len(rows) - 1)]
    found = day_lists(values)
    taken, source = found.take(np.array(rows))
    expected = day_lists([values[row] for row in rows])
    assert (taken.offsets == expected.offsets).all()
    assert (taken.days == expected.days).all()
    assert (found.days[source] == taken.days).all()
