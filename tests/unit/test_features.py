"""The features of classical models, against patients counted by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from arrow_visits import Row, write_visits
from scipy import sparse

from visitseq.encode.sequences import Sequences, read_sequences
from visitseq.train.features import Features, Window

GAP = 183  # 6 months
WINDOW = Window.of_task({"observation_months": 18, "prediction_months": 6})
KNOWN = np.array([1, 3], dtype=np.int32)

#: Days before the window's end: 600 and 367 in the open bin, 366 and 184 in the third, 183 and 93
#: in the second, 92 and 1 in the first.
DAYS = [600, 367, 366, 184, 183, 93, 92, 1]
PATIENT = Row(
    visits=[[1], [1, 2], [3], [1, 3], [2], [3], [1], [1, 3]],
    days_to_index=[GAP + day for day in DAYS],
)
NOBODY = Row(visits=[])
ONCE = Row(visits=[[2]], days_to_index=[GAP + 30.0])


def sequences(tmp_path: Path, *rows: Row) -> Sequences:
    return read_sequences(write_visits(rows, tmp_path / "visits.arrow"))


def dense(features: Features, rows: Sequences) -> npt.NDArray[np.float64]:
    matrix: Any = features.matrix(rows)
    return np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix)


def test_a_window_is_whole_days() -> None:
    assert Window(days=548, gap=183) == WINDOW


def test_time_bins_of_a_patient_by_hand(tmp_path: Path) -> None:
    rows = sequences(tmp_path, PATIENT, NOBODY, ONCE)
    found = dense(Features("time", KNOWN, WINDOW), rows)
    # Codes 1 and 3 up to 3, 6 and 12 months before the end and before that; recency; visits.
    patient = [2, 1, 0, 1, 1, 2, 2, 0, np.log(1 + 1), np.log(1 + 8)]
    nobody = [0] * 8 + [np.log(1 + 548), 0]
    once = [0] * 8 + [np.log(1 + 30), np.log(1 + 1)]
    np.testing.assert_allclose(found, [patient, nobody, once], rtol=1e-12)


def test_counts_and_frequency_of_a_patient_by_hand(tmp_path: Path) -> None:
    rows = sequences(tmp_path, PATIENT, NOBODY, ONCE)
    assert dense(Features("counts", KNOWN, WINDOW), rows).tolist() == [[5, 4], [0, 0], [0, 0]]
    frequency = dense(Features("frequency", KNOWN, WINDOW), rows)
    expected = [[8, 11, 599], [0, 0, 0], [1, 1, 0]]
    np.testing.assert_allclose(frequency, np.log1p(expected), rtol=1e-12)


def test_a_step_a_code_has_the_frequency_and_the_counts_of_a_step_a_visit(tmp_path: Path) -> None:
    visit = sequences(tmp_path / "visit", PATIENT)
    steps = [(code, day) for codes, day in zip(PATIENT.visits, DAYS, strict=True) for code in codes]
    by_code = Row([[code] for code, _ in steps], days_to_index=[GAP + day for _, day in steps])
    code = sequences(tmp_path / "code", by_code)
    for kind in ("counts", "time", "frequency"):
        features = Features(kind, KNOWN, WINDOW)
        np.testing.assert_array_equal(dense(features, visit), dense(features, code))


def test_vectors_are_summed_in_each_bin(tmp_path: Path) -> None:
    rows = sequences(tmp_path, PATIENT, NOBODY)
    vectors = np.array([[1, 0, 2], [0.5, -1, 0]], dtype=np.float32)
    counts = Features("counts", KNOWN, WINDOW, vectors).matrix(rows)
    assert counts.tolist() == [[5 + 2, -4, 10], [0, 0, 0]]
    time = Features("time", KNOWN, WINDOW, vectors).matrix(rows)
    assert time[0, :12].tolist() == [2.5, -1, 4, 0.5, -1, 0, 2, -2, 2, 2, 0, 4]
    assert time.shape == (2, 14)
    np.testing.assert_allclose(time[:, 12], np.log1p([1, 548]))


def test_without_known_codes_there_is_a_column_and_nothing_in_it(tmp_path: Path) -> None:
    rows, none = sequences(tmp_path, PATIENT), np.array([], dtype=np.int32)
    vectors = np.empty((0, 4), dtype=np.float32)
    assert dense(Features("counts", none, WINDOW), rows).tolist() == [[0]]
    assert dense(Features("counts", none, WINDOW, vectors), rows).tolist() == [[0] * 4]
    assert dense(Features("time", none, WINDOW), rows).shape == (1, 2)
    assert dense(Features("time", none, WINDOW, vectors), rows).shape == (1, 18)


def test_every_day_has_its_bin(tmp_path: Path) -> None:
    days = list(range(700, 0, -1))
    row = Row([[3]] * len(days), days_to_index=[GAP + day for day in days])
    time = dense(Features("time", KNOWN, WINDOW), sequences(tmp_path, row))[0, :8]
    assert time.tolist() == [0, 92, 0, 183 - 92, 0, 366 - 183, 0, 700 - 366]
