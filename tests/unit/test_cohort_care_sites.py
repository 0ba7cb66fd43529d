"""A person's commonest care site over time, against counting anew at every date."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visitseq.cohort.care_sites import commonest_sites

visits = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8), st.integers(-1, 2)), max_size=30)


@given(visits)
def test_commonest_before_every_date(events: list[tuple[int, int, int]]) -> None:
    counted = sorted(Counter(events).items())
    columns = np.array([[*key, count] for key, count in counted], dtype=np.int64).reshape(-1, 4)
    rows, days, sites = commonest_sites(*columns.T)
    for person in range(3):
        for date in range(11):
            before = Counter(site for row, day, site in events if row == person and day < date)
            most = max(before.values(), default=0)
            expected = min((site for site in before if before[site] == most), default=None)
            known = sites[(rows == person) & (days < date)]
            assert (known[-1] if len(known) else None) == expected


@given(visits)
def test_only_changes_are_kept(events: list[tuple[int, int, int]]) -> None:
    counted = sorted(Counter(events).items())
    columns = np.array([[*key, count] for key, count in counted], dtype=np.int64).reshape(-1, 4)
    rows, days, sites = commonest_sites(*columns.T)
    order = list(zip(rows, days, strict=True))
    assert order == sorted(set(order))
    again = (rows[1:] == rows[:-1]) & (sites[1:] == sites[:-1])
    assert not again.any()
