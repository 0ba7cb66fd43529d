"""Recall at k against a plain loop, and its intervals against draws made one by one."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visitseq import tables
from visitseq.evaluate import recall_at_k
from visitseq.evaluate.bootstrap import resampling_groups, set_draws
from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.recall import (
    RankedVisits,
    estimate_recalls,
    recall_draws,
    recall_metrics,
)

ids = st.lists(st.integers(0, 40), unique=True, max_size=35)
#: Person, visits ahead, labels of the visit, its predictions.
visits = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 2), ids, ids), max_size=12)
Visits = list[tuple[int, int, list[int], list[int]]]


def plain_recall(rows: Visits, k: int) -> float:
    """Take every visit and every label, one at a time."""
    hits, labels = 0, 0
    for _, _, held, top in rows:
        for label in held:
            labels += 1
            for place, predicted in enumerate(top):
                if predicted == label and place < k:
                    hits += 1
    return hits / labels if labels else math.nan


def table_of(rows: Visits) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * 4
    arrays = zip(tables.FORECASTS.names, map(list, columns), strict=True)
    return pa.table(dict(arrays), schema=tables.FORECASTS)


@given(visits, st.integers(1, 35))
@settings(deadline=None)
def test_recall_is_that_of_a_plain_loop(rows: Visits, k: int) -> None:
    found = recall_at_k([row[2] for row in rows], [row[3] for row in rows], k, draws=100)
    assert found.value == pytest.approx(plain_recall(rows, k), nan_ok=True)


@given(visits)
@settings(deadline=None)
def test_recall_by_visits_ahead_is_that_of_the_visits_alone(rows: Visits) -> None:
    found = estimate_recalls(RankedVisits.from_predictions(table_of(rows)), 2, 100, 0, 0)
    assert list(found)[:3] == ["recall_at_10", "recall_at_20", "recall_at_30"]
    assert len(found) == 9
    for k in (10, 20, 30):
        assert found[f"recall_at_{k}"].value == pytest.approx(plain_recall(rows, k), nan_ok=True)
        for ahead in (1, 2):
            own = [row for row in rows if row[1] == ahead]
            expected = pytest.approx(plain_recall(own, k), nan_ok=True)
            assert found[f"recall_at_{k}_ahead_{ahead}"].value == expected


def random_visits(n: int = 60, seed: int = 0) -> Visits:
    draw = np.random.default_rng(seed)
    return [
        (
            int(draw.integers(20)),
            1 + row % 2,
            draw.choice(50, draw.integers(0, 6), replace=False).tolist(),
            draw.choice(50, 30, replace=False).tolist(),
        )
        for row in range(n)
    ]


def test_draws_take_all_visits_of_a_person() -> None:
    rows = random_visits()
    ranked = RankedVisits.from_predictions(table_of(rows))
    found = recall_draws(ranked, 2, 150, seed=3, fold=1)
    persons = sorted({row[0] for row in rows})
    groups = resampling_groups(
        pa.chunked_array([pa.nulls(len(rows), pa.int64())]), table_of(rows)["subject_id"]
    )
    counts = np.concatenate([*set_draws(groups.ids, 150, 3, 1, len(persons))])
    for draw in (0, 77, 149):
        copies = [row for row in rows for _ in range(counts[draw, persons.index(row[0])])]
        assert found["recall_at_10"][draw] == pytest.approx(plain_recall(copies, 10))
        own = [row for row in copies if row[1] == 2]
        assert found["recall_at_20_ahead_2"][draw] == pytest.approx(plain_recall(own, 20))
    estimate = estimate_recalls(ranked, 2, 150, 3, 1)["recall_at_10"]
    low, high = np.quantile(found["recall_at_10"], [0.025, 0.975])
    assert estimate == pytest.approx(Estimate(plain_recall(rows, 10), low, high))
    assert set(found) == set(recall_metrics(2))


def test_groups_widen_the_interval_of_visits_that_are_alike() -> None:
    """Ten persons, each with twenty visits that are all hit or all missed."""
    labels = [[0]] * 200
    top = [[0] if row // 20 % 2 else [1] for row in range(200)]
    by_visit = recall_at_k(labels, top, 10)
    by_person = recall_at_k(labels, top, 10, groups=np.arange(200) // 20)
    assert by_visit.value == by_person.value == 0.5
    assert by_person.high - by_person.low > 2 * (by_visit.high - by_visit.low)


def test_without_labels_it_is_undefined() -> None:
    found = recall_at_k([[], []], [[1], [2]], 10)
    assert math.isnan(found.value)
    assert found.reason == "no visit with a label"
    assert recall_at_k([], [], 10).reason == "no visit with a label"
    nobody = estimate_recalls(RankedVisits.from_predictions(table_of([])), 1, 100, 0, 0)
    assert {estimate.reason for estimate in nobody.values()} == {"no visit with a label"}
    one = recall_at_k([[1]], [[1]], 10)
    assert (one.value, one.reason) == (1.0, "no interval: fewer than two sets or persons")


def test_lists_of_unlike_number_are_refused() -> None:
    with pytest.raises(ValueError, match="2 visits have 1 predictions and 2 groups"):
        recall_at_k([[1], [2]], [[1]], 10)
