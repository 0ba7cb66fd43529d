"""Qualifying runs, against the restart rule applied day by day."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visitseq.cohort.day_lists import NEVER
from visitseq.cohort.qualifying_runs import first_runs


@pytest.mark.parametrize(
    ("days", "encounters", "start"),
    [
        ([0, 100, 366], 3, 0),
        ([0, 100, 367], 3, None),
        ([0, 367, 400, 733], 3, 367),
        ([0, 300, 400, 650], 3, 300),
        ([0, 300], 3, None),
        ([7], 1, 7),
        ([], 1, None),
        ([0, 366], 2, 0),
        ([0, 367], 2, None),
    ],
)
def test_by_hand(days: list[int], encounters: int, start: int | None) -> None:
    found = first_runs(np.zeros(len(days), np.int64), np.array(days, np.int64), encounters, 366, 1)
    assert list(found) == [NEVER if start is None else start]


def by_restart(days: list[int], encounters: int, within: int) -> int:
    """Take days into a run until one lies too far from its first, which is then given up."""
    run: list[int] = []
    for day in days:
        run.append(day)
        while day - run[0] > within:
            run.pop(0)
        if len(run) == encounters:
            return run[0]
    return NEVER


histories = st.lists(
    st.lists(st.integers(-30, 60), unique=True, max_size=8).map(sorted), max_size=4
)


@given(histories, st.integers(1, 4), st.integers(0, 40))
def test_against_the_restart_rule(persons: list[list[int]], encounters: int, within: int) -> None:
    rows = np.repeat(np.arange(len(persons)), [len(person) for person in persons])
    days = np.array([day for person in persons for day in person], dtype=np.int64)
    found = first_runs(rows, days, encounters, within, len(persons))
    assert list(found) == [by_restart(person, encounters, within) for person in persons]
