"""Forecasts of a model whose numbers are written down here, and of one that was trained."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from arrow_visits import Row, write_histories
from chains import AHEAD, FOLD, PARTS, chains, train_on

from visitseq import tables
from visitseq.errors import UserError
from visitseq.evaluate import evaluate_forecast
from visitseq.evaluate import forecast as stage
from visitseq.models.forecast_batches import ForecastBatch
from visitseq.train.forecast import Forecaster

#: What the network below says of the labels 1, 3, 4 and 6, which the fold knows.
NUMBERS = {1: [0.5, 2.0, 0.5, 0.0], 2: [1.0, 1.0, 1.0, 9.0]}
KNOWN_LABELS = np.array([1, 3, 4, 6], dtype=np.int32)
ROWS = [
    Row([[0, 2], [5], [1, 3]], None, 2, subject_id=30),
    Row([[4], [4], [4], [4]], None, 0, subject_id=31),
    Row([[2], [0], [9], [3, 6, 8], []], None, 2, subject_id=32),
    Row([[1], [1], [6]], None, 3, subject_id=33),
]


class Written:
    """Says the same of every row, by how many visits ahead."""

    def forecast(self, batch: ForecastBatch) -> torch.Tensor:
        numbers = torch.tensor([NUMBERS[1], NUMBERS[2]])
        return numbers.unsqueeze(1).expand(2, batch.rows, 4)


def evaluate(folder: Path, monkeypatch: pytest.MonkeyPatch, network: Any) -> dict[str, Any]:
    known = np.array([0, 5], dtype=np.int32)
    model = Forecaster(network, known, KNOWN_LABELS, 2)
    monkeypatch.setattr(stage, "load_forecaster", lambda _: model)
    evaluate_forecast(
        visits=write_histories(ROWS, folder / "visits.arrow"),
        trained=folder,
        fold=2,
        parts=7,
        seed=0,
        draws=100,
        folder=folder / "out",
    )
    content: dict[str, Any] = json.loads((folder / "out/metrics.json").read_text())
    return content


def test_predictions_and_metrics_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = evaluate(tmp_path, monkeypatch, Written())
    predictions = pq.read_table(tmp_path / "out/predictions.parquet")
    assert predictions.schema.equals(tables.FORECASTS)
    assert predictions.to_pydict() == {
        "subject_id": [30, 30, 32, 32],
        "ahead": [1, 2, 1, 2],
        "labels": [[5], [1, 3], [3, 6, 8], []],
        # Ties by id.
        "top": [[3, 1, 4, 6], [6, 1, 3, 4], [3, 1, 4, 6], [6, 1, 3, 4]],
    }
    validation = pq.read_table(tmp_path / "out/validation.parquet")
    assert validation["labels"].to_pylist() == [[1], [6]]
    # Of six labels 1, 3, 3 and 6 are named, 5 and 8 are known to nobody.
    assert content["recall_at_10"]["value"] == pytest.approx(4 / 6)
    assert content["recall_at_10_ahead_1"]["value"] == pytest.approx(2 / 4)
    assert content["recall_at_30_ahead_2"]["value"] == 1.0
    assert content["unknown_labels"] == pytest.approx(2 / 6)
    # Read are 0, 2 and 2, 0, 9.
    assert content["unknown_codes"] == pytest.approx(3 / 5)
    assert {key: content[key] for key in ("n", "visits", "empty")} == {
        "n": 2,
        "visits": 4,
        "empty": 0,
    }


def test_numbers_that_are_not_finite_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NUMBERS, 2, [1.0, float("nan"), 1.0, 1.0])
    with pytest.raises(UserError, match=r"labels of 2 visits no finite number"):
        evaluate(tmp_path, monkeypatch, Written())


def test_a_part_without_persons_has_no_recall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("test_evaluate_forecast.ROWS", ROWS[1:2])
    content = evaluate(tmp_path, monkeypatch, Written())
    reason = "no visit with a label in the test part"
    assert content["recall_at_20"] == {"value": None, "low": None, "high": None, "reason": reason}
    assert (content["n"], content["unknown_codes"]) == (0, 0.0)
    assert pq.read_table(tmp_path / "out/predictions.parquet").num_rows == 0


def test_a_trained_network_from_its_folder(tmp_path: Path) -> None:
    rows = chains()
    folder = train_on(rows, tmp_path, epochs=12, learning_rate=0.03, dropout=0.0)
    written = []
    for out in (tmp_path / "first", tmp_path / "second"):
        evaluate_forecast(
            visits=tmp_path / "visits.arrow",
            trained=folder,
            fold=FOLD,
            parts=PARTS,
            seed=0,
            draws=200,
            folder=out,
        )
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"predictions.parquet", "validation.parquet", "metrics.json"}
    table = pq.read_table(tmp_path / "first/predictions.parquet")
    tested = [row for row in rows if row.part == FOLD]
    assert table["labels"].to_pylist() == [visit for row in tested for visit in row.visits[-AHEAD:]]
    # All eight labels stand among the first ten; the first of them is mostly right.
    assert json.loads(written[0]["metrics.json"])["recall_at_10"]["value"] == 1.0
    top = table["top"].to_pylist()
    first = [
        own[0] == labels[0] for own, labels in zip(top, table["labels"].to_pylist(), strict=True)
    ]
    assert np.mean(first) > 0.5


def test_a_row_is_forecast_alike_in_any_company(tmp_path: Path) -> None:
    rows = chains()
    folder = train_on(rows, tmp_path, attention="dot", bidirectional=True)
    tops = []
    for own in (rows, [row for row in rows if row.part == FOLD][::3]):
        evaluate_forecast(
            visits=write_histories(own, tmp_path / "visits.arrow"),
            trained=folder,
            fold=FOLD,
            parts=PARTS,
            seed=0,
            draws=100,
            folder=tmp_path / "out",
        )
        table = pq.read_table(tmp_path / "out/predictions.parquet").to_pylist()
        tops.append({(row["subject_id"], row["ahead"]): row["top"] for row in table})
    assert tops[1]
    assert {key: tops[0][key] for key in tops[1]} == tops[1]
