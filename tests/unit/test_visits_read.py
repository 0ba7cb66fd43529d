"""What a network reads of a record that is shuffled or cut."""

import logging
from typing import Any

import numpy as np
import pytest
from arrow_visits import cohorts, in_memory
from hypothesis import given, settings
from small_training import GRU, TRANSFORMER

from visitseq.encode.sequences import Sequences
from visitseq.train.visits_read import visits_read

RECORD = [[0, 1], [2], [], [3, 5, 6]]


def visits_of(sequences: Sequences) -> list[list[list[int]]]:
    rows = []
    for row in range(len(sequences)):
        places = range(sequences.visit_offsets[row], sequences.visit_offsets[row + 1])
        bounds = [(sequences.code_offsets[v], sequences.code_offsets[v + 1]) for v in places]
        rows.append([sequences.codes[first:end].tolist() for first, end in bounds])
    return rows


def read(rows: list[list[list[int]]], seed: int = 0, **changes: Any) -> Sequences:
    return visits_read(in_memory(rows), {**GRU, **changes}, seed)


def test_the_last_visit_alone() -> None:
    found = read([RECORD, [], [[4]]], visits="last")
    assert visits_of(found) == [[[3, 5, 6]], [], [[4]]]
    assert found.lengths.tolist() == [1, 0, 1]
    assert found.days_to_index.tolist() == [3, 4]  # in_memory numbers them from 0


def test_with_one_step_a_code_the_last_visit_is_all_of_its_codes() -> None:
    """A visit of codes 3 and 5, one of 0, 2 and 6; steps of one visit share its day."""
    by_code = in_memory([[[5], [3], [6], [0], [2]], [], [[4]]])
    by_code.days_to_index[:] = [30, 30, 10, 10, 10, 8]
    found = visits_read(by_code, {**GRU, "visits": "last"}, 0)
    assert visits_of(found) == [[[6], [0], [2]], [], [[4]]]
    assert found.days_to_index.tolist() == [10, 10, 10, 8]


def test_the_most_recent_visits_are_read_and_the_others_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sequences = in_memory([RECORD, [], [[4]]])
    with caplog.at_level(logging.INFO):
        found = visits_read(sequences, {**TRANSFORMER, "longest": 2}, 0)
    assert visits_of(found) == [[[], [3, 5, 6]], [], [[4]]]
    assert found.days_to_index.tolist() == [2, 3, 4]
    assert "2 of 5 visits are not read: 1 rows have more than 2" in caplog.text
    assert visits_read(sequences, {**TRANSFORMER, "longest": 4}, 0) is sequences
    assert visits_read(sequences, GRU, 0) is sequences


def test_shuffling_moves_whole_visits_and_leaves_the_durations() -> None:
    orders = set()
    for seed in range(200):
        found = read([RECORD, [[4], [4]]], seed, visits="shuffled")
        first, second = visits_of(found)
        assert sorted(first) == sorted(RECORD)
        assert second == [[4], [4]]
        assert found.days_to_index.tolist() == [0, 1, 2, 3, 4, 5]
        orders.add(tuple(map(tuple, first)))
    assert len(orders) == 24  # every order of four visits


@settings(deadline=None, max_examples=25)
@given(rows=cohorts)
def test_a_rows_order_hangs_on_its_subject_and_not_on_its_company(
    rows: list[list[list[int]]],
) -> None:
    model = {**GRU, "visits": "shuffled"}
    sequences = in_memory(rows)
    sequences.subject_id[:] = np.arange(len(rows)) * 7
    whole = visits_of(visits_read(sequences, model, 1))
    backwards = np.arange(len(rows))[::-1]
    assert visits_of(visits_read(sequences.take(backwards), model, 1)) == whole[::-1]


def test_two_subjects_with_the_same_record_are_shuffled_apart() -> None:
    sequences = in_memory([RECORD] * 20)
    sequences.subject_id[:] = np.arange(20)
    found = visits_of(visits_read(sequences, {**GRU, "visits": "shuffled"}, 0))
    assert len({str(row) for row in found}) > 5


def test_a_cut_comes_before_the_shuffling() -> None:
    sequences = in_memory([RECORD])
    model = {**TRANSFORMER, "longest": 2, "visits": "shuffled"}
    found = {str(sorted(visits_of(visits_read(sequences, model, seed))[0])) for seed in range(9)}
    assert found == {str([[], [3, 5, 6]])}
