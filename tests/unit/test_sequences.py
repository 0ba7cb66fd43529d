from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from arrow_visits import Row, cohorts, in_memory, record_batch, write_batch, write_visits
from hypothesis import given
from hypothesis import strategies as st

from visitseq.encode.sequences import (
    Sequences,
    code_positions,
    count_matrix,
    drop_unknown,
    gather_lists,
    known_codes,
    read_sequences,
)
from visitseq.errors import UserError

ROWS = [
    Row([[2, 5], [0]], True, part=0, days_to_index=[30, 4], subject_id=11, set_id=7),
    Row([], False, part=2, subject_id=12),
    Row([[5]], False, part=1, days_to_index=[9], subject_id=13, set_id=7),
    Row([[], [1, 2, 5]], False, part=2, days_to_index=[8, 1], subject_id=14),
]


def visits_of(sequences: Sequences) -> list[list[list[int]]]:
    """The rows' visits as plain lists, from the definition of the offsets."""
    rows = []
    for row in range(len(sequences)):
        first, end = sequences.visit_offsets[row], sequences.visit_offsets[row + 1]
        bounds = [sequences.code_offsets[v : v + 2] for v in range(first, end)]
        rows.append([sequences.codes[a:b].tolist() for a, b in bounds])
    return rows


def test_read_gives_every_row_back(tmp_path: Path) -> None:
    sequences = read_sequences(write_visits(ROWS, tmp_path / "visits.arrow"))
    assert len(sequences) == 4
    assert visits_of(sequences) == [[[2, 5], [0]], [], [[5]], [[], [1, 2, 5]]]
    assert sequences.set_id.to_pylist() == [7, None, 7, None]
    assert sequences.subject_id.tolist() == [11, 12, 13, 14]
    assert sequences.label.tolist() == [True, False, False, False]
    assert sequences.part.tolist() == [0, 2, 1, 2]
    assert sequences.days.tolist() == [0, 26, 0, 0, 7]
    assert sequences.days_to_index.tolist() == [30, 4, 9, 8, 1]
    assert sequences.lengths.tolist() == [2, 0, 1, 2]
    assert sequences.index_time.dtype == np.dtype("datetime64[us]")
    assert sequences.index_time[0].astype(datetime) == datetime(2020, 1, 1)
    assert sequences.rows_of_parts([2, 0]).tolist() == [0, 1, 3]
    assert sequences.rows_of_parts([5]).tolist() == []


def test_nothing_is_copied(tmp_path: Path) -> None:
    path = write_visits(ROWS * 1000, tmp_path / "visits.arrow")
    before = pa.total_allocated_bytes()
    sequences = read_sequences(path)
    read = pa.total_allocated_bytes() - before  # the file's footer
    assert read < path.stat().st_size / 50
    names = "subject_id index_time part visit_offsets code_offsets codes days days_to_index"
    for name in names.split():
        array = getattr(sequences, name)
        assert not array.flags.owndata, name
        assert not array.flags.writeable, name
    # All of them lie within one mapping of the file.
    addresses = [getattr(sequences, name).ctypes.data for name in names.split()]
    assert max(addresses) - min(addresses) < path.stat().st_size


def test_a_slice_of_a_longer_batch_reads_as_its_own_rows(tmp_path: Path) -> None:
    batch = record_batch(ROWS).slice(2, 2)
    sequences = read_sequences(write_batch(batch, tmp_path / "visits.arrow"))
    assert visits_of(sequences) == [[[5]], [[], [1, 2, 5]]]
    assert sequences.days_to_index.tolist() == [9, 8, 1]
    assert sequences.label.tolist() == [False, False]


def test_rows_without_label_are_refused(tmp_path: Path) -> None:
    rows = [Row([[1]], None), Row([[1]], True)]
    path = write_visits(rows, tmp_path / "visits.arrow")
    with pytest.raises(UserError, match=r"1 of 2 rows have no label"):
        read_sequences(path)


def test_days_that_do_not_fit_the_visits_are_refused(tmp_path: Path) -> None:
    batch = record_batch(ROWS)
    column = batch.schema.get_field_index("days")
    batch = batch.set_column(column, "days", pa.array([[0.0]] * 4, pa.list_(pa.float32())))
    with pytest.raises(ValueError, match="days has not one entry a visit"):
        read_sequences(write_batch(batch, tmp_path / "visits.arrow"))


@given(cohorts, st.data())
def test_take_equals_picking_rows_from_a_list(
    cohort: list[list[list[int]]], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.integers(0, len(cohort) - 1), max_size=8))
    taken = in_memory(cohort).take(np.array(rows, dtype=np.intp))
    assert visits_of(taken) == [cohort[row] for row in rows]
    assert taken.subject_id.tolist() == rows
    starts = np.cumsum([0, *map(len, cohort)])
    days = [float(starts[row] + place) for row in rows for place in range(len(cohort[row]))]
    assert taken.days.tolist() == days
    assert taken.days_to_index.tolist() == days
    assert len(taken.set_id) == len(taken.label) == len(taken.part) == len(rows)


@given(cohorts, st.sets(st.integers(0, 8), max_size=5))
def test_counts_equal_counting_one_by_one(cohort: list[list[list[int]]], known: set[int]) -> None:
    columns = np.array(sorted(known), dtype=np.int32)
    matrix = count_matrix(in_memory(cohort), columns)
    counts = [[sum(code in visit for visit in row) for code in columns] for row in cohort]
    assert matrix.shape == (len(cohort), len(columns))
    np.testing.assert_array_equal(matrix.toarray(), np.reshape(counts, matrix.shape))
    assert matrix.has_canonical_format


@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_positions_are_places_among_the_known(codes: list[int], known: set[int]) -> None:
    ascending = sorted(known)
    positions = code_positions(np.array(codes, np.int32), np.array(ascending, np.int32))
    assert positions.tolist() == [ascending.index(code) if code in known else -1 for code in codes]


def test_unknown_codes_leave_their_lists() -> None:
    kept, offsets = drop_unknown(np.array([4, -1, 0, -1, 2]), np.array([0, 2, 2, 4, 5]))
    assert kept.tolist() == [4, 0, 2]
    assert offsets.tolist() == [0, 1, 1, 2, 3]


def test_gather_lists_by_hand() -> None:
    entries, offsets = gather_lists(np.array([0, 2, 2, 5], np.int32), np.array([2, 1, 0, 2]))
    assert entries.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert offsets.tolist() == [0, 3, 3, 5, 8]


def test_known_codes_count_the_named_parts_alone() -> None:
    vocabulary = pa.table(
        {
            "id": pa.array([0, 1, 2, 3], pa.int32()),
            "part_0": [9, 0, 9, 0],
            "part_1": [3, 2, 0, 1],
            "part_2": [2, 3, 0, 3],
        }
    )
    assert known_codes(vocabulary, [1, 2], 5).tolist() == [0, 1]
    assert known_codes(vocabulary, [0], 5).tolist() == [0, 2]
    assert known_codes(vocabulary, [1, 2], 5).dtype == np.int32
