import json
import logging
import math
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from arrow_visits import Row, write_visits, write_vocabulary
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from visitseq import tables
from visitseq.encode.sequences import Sequences
from visitseq.errors import UserError
from visitseq.evaluate import evaluate as stage
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.evaluate.evaluate import evaluate_model
from visitseq.evaluate.folds import mean_over_folds
from visitseq.evaluate.metrics import METRICS
from visitseq.evaluate.platt import fit_platt
from visitseq.evaluate.threshold import choose_threshold
from visitseq.train.baseline import train_baseline
from visitseq.train.trained import TrainedModel

PARTS, FOLD = 7, 2  # fold 2 tests on part 2 and validates on part 3
TASK = {"observation_months": 18, "prediction_months": 6}
INDEX = datetime(2015, 7, 1)


def row(
    subject: int, set_id: int | None, label: bool, part: int, codes: Sequence[int] = (1,)
) -> Row:
    return Row(
        visits=[list(codes)] if codes else [],
        label=label,
        part=part,
        subject_id=subject,
        set_id=set_id,
        index_time=INDEX,
    )


#: Two sets in the test part, one person of a set in the validation part and so on.
TEST = [row(11, 1, True, 2), row(12, 1, False, 2, []), row(13, 2, True, 2), row(14, 2, False, 2)]
VALIDATION = [row(21, 3, True, 3), row(22, 3, False, 3), row(23, 3, False, 3)]
OTHERS = [row(31, 4, True, 0), row(32, 4, False, 4)]
SCORES = {11: 0.8, 12: 0.3, 13: 0.4, 14: 0.6, 21: 0.7, 22: 0.5, 23: 0.1, 31: 0.5, 32: 0.5}


def known_scores(sequences: Sequences) -> npt.NDArray[np.float64]:
    return np.array([SCORES[subject] for subject in sequences.subject_id.tolist()])


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Evaluate rows with a model whose scores are written down above."""

    def run(
        rows: Sequence[Row],
        scores: Any = known_scores,
        gives_probabilities: bool = True,
        home: Path | None = None,
    ) -> dict[str, Any]:
        model = TrainedModel(
            card={"training": {"rows": 20, "cases": 5}},
            known=np.array([1], dtype=np.int32),
            score=scores,
            gives_probabilities=gives_probabilities,
        )
        monkeypatch.setattr(stage, "load_model", lambda folder: model)
        write_visits(rows, tmp_path / "visits.arrow")
        evaluate_model(
            visits=tmp_path / "visits.arrow",
            trained=tmp_path,
            task=TASK,
            fold=FOLD,
            parts=PARTS,
            seed=0,
            draws=100,
            folder=tmp_path / "out",
            home=home,
        )
        content: dict[str, Any] = json.loads((tmp_path / "out/metrics.json").read_text())
        return content

    return run


def test_predictions_by_hand(evaluate: Any, tmp_path: Path) -> None:
    content = evaluate([TEST[2], *VALIDATION, *TEST[:2], *OTHERS, TEST[3]])
    predictions = pq.read_table(tmp_path / "out/predictions.parquet")
    assert predictions.schema.equals(tables.PREDICTIONS)
    # The window ends ceil(6 x 30.4375) = 183 days before 1 July 2015: on 30 December 2014.
    moment = datetime(2014, 12, 29, 23, 59, 59, 999_999)
    assert predictions.to_pydict() == {
        "set_id": [2, 1, 1, 2],
        "score": [0.4, 0.8, 0.3, 0.6],
        "subject_id": [13, 11, 12, 14],
        "prediction_time": [moment] * 4,
        "boolean_value": [True, True, False, False],
        # Youden's J is largest at 0.7 in the validation part: the case is found, no control is.
        "predicted_boolean_value": [False, True, False, False],
        "predicted_boolean_probability": [np.float32(x) for x in (0.4, 0.8, 0.3, 0.6)],
    }
    validation = pq.read_table(tmp_path / "out/validation.parquet")
    assert validation["subject_id"].to_pylist() == [21, 22, 23]
    assert content["threshold"] == {"value": 0.7, "chosen": "Youden's J on the validation part"}


def test_the_log_says_the_auroc_in_words(evaluate: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="visitseq")
    auroc = evaluate([*TEST, *VALIDATION])["auroc"]  # 0.8, 0.4 against 0.3, 0.6
    words = f"0.750 ({auroc['low']:.3f} to {auroc['high']:.3f})"
    assert caplog.messages == [f"4 rows with 2 cases scored; AUROC {words}"]
    evaluate([*TEST[:2], *VALIDATION])
    evaluate([TEST[0], *VALIDATION])
    assert caplog.messages[1:] == [
        "2 rows with 1 cases scored; AUROC 1.000 (no interval: fewer than two sets or persons in "
        "the test part)",
        "1 rows with 1 cases scored; AUROC undefined (no control in the test part)",
    ]


def test_metrics_json(evaluate: Any) -> None:
    content = evaluate([*TEST, *VALIDATION, row(15, None, False, 2, [2, 1, 0])])
    described = ["auroc_delong", "threshold", "n", "cases", "unknown_codes", "empty"]
    assert list(content) == [*METRICS, *described]
    assert (content["n"], content["cases"], content["empty"]) == (5, 2, 1)
    # Codes 0 and 2 are unknown; the codes of the test part are 1, 1, 1 and 0, 1, 2.
    assert content["unknown_codes"] == pytest.approx(2 / 6)
    # Case 0.8 beats all of 0.3, 0.6, 0.9; case 0.4 beats 0.3 alone.
    assert content["concordance_within_sets"]["value"] == 0.5
    assert content["auroc_delong"]["assumes"].startswith("rows are independent")
    assert content["auroc_delong"]["value"] == content["auroc"]["value"]


SCORES[15] = 0.9


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([*VALIDATION], "no row in the test part"),
        ([*VALIDATION, TEST[1]], "no case in the test part"),
        ([*VALIDATION, TEST[0]], "no control in the test part"),
    ],
)
def test_undefined_metrics_are_null_and_the_run_goes_on(
    evaluate: Any, rows: list[Row], reason: str
) -> None:
    content = evaluate(rows)
    null = {"value": None, "low": None, "high": None, "reason": reason}
    assert content["auroc"] == null
    assert content["auroc_delong"] == {**null, "assumes": content["auroc_delong"]["assumes"]}
    assert content["n"] == len(rows) - 3


@pytest.mark.parametrize(
    ("validation", "lacks"),
    [(VALIDATION[:1], "control"), (VALIDATION[1:], "case"), ([], "row")],
)
def test_without_both_classes_the_threshold_is_a_half(
    evaluate: Any, tmp_path: Path, validation: list[Row], lacks: str
) -> None:
    content = evaluate([*TEST, *validation])
    expected = {"value": 0.5, "reason": f"no {lacks} in the validation part"}
    assert content["threshold"] == expected
    table = pq.read_table(tmp_path / "out/predictions.parquet")
    assert table["predicted_boolean_value"].to_pylist() == [True, False, False, True]


def test_scores_that_are_no_probabilities_get_some_from_the_validation_part(
    evaluate: Any, tmp_path: Path
) -> None:
    rows = [*TEST, *VALIDATION, *OTHERS]
    plain = evaluate(rows)
    content = evaluate(rows, gives_probabilities=False)
    table = pq.read_table(tmp_path / "out/predictions.parquet")
    assert table["score"].to_pylist() == [0.8, 0.3, 0.4, 0.6]
    sigmoid = fit_platt(np.array([True, False, False]), np.array([0.7, 0.5, 0.1]), 0.25)
    assert content["platt"] == sigmoid.to_json()
    expected = sigmoid.probabilities(table["score"].to_numpy()).astype(np.float32)
    assert table["predicted_boolean_probability"].to_pylist() == expected.tolist()
    assert content["auroc"] == plain["auroc"]
    assert content["threshold"] == plain["threshold"]
    labels = np.array([True, False, True, False])
    assert content["brier"]["value"] == pytest.approx(np.mean((labels - expected) ** 2.0))
    assert "platt" not in plain
    assert "row" in evaluate(TEST, gives_probabilities=False)["platt"]["reason"]


@pytest.mark.parametrize("gives_probabilities", [True, False])
def test_a_model_brings_its_threshold_and_its_sigmoid_along(
    evaluate: Any, tmp_path: Path, gives_probabilities: bool
) -> None:
    first = evaluate([*TEST, *VALIDATION], gives_probabilities=gives_probabilities)
    at_home = (tmp_path / "out/metrics.json").read_bytes()
    predicted = (tmp_path / "out/predictions.parquet").read_bytes()
    home = tmp_path / "home.json"
    home.write_bytes(at_home)
    again = [*TEST, *VALIDATION]
    evaluate(again, gives_probabilities=gives_probabilities, home=home)
    assert (tmp_path / "out/metrics.json").read_bytes() == at_home
    assert (tmp_path / "out/predictions.parquet").read_bytes() == predicted
    # Nobody validates here, and the threshold stays what it was there.
    abroad = evaluate(TEST, gives_probabilities=gives_probabilities, home=home)
    assert abroad["threshold"] == first["threshold"]
    assert abroad.get("platt") == first.get("platt")
    assert (tmp_path / "out/predictions.parquet").read_bytes() == predicted


def test_scores_that_are_not_finite_are_an_error(evaluate: Any) -> None:
    with pytest.raises(UserError, match=r"2 of 4 rows no finite score.*smaller learning rate"):
        evaluate(TEST, lambda rows: np.array([0.1, math.nan, math.inf, 0.2])[: len(rows)])


def test_a_trained_baseline_from_its_folder(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = []
    for subject in range(280):
        label = bool(subject % 4 == 0)
        codes = sorted(
            {int(generator.integers(0, 6)), 6 if generator.random() < 0.3 + 0.4 * label else 5}
        )
        rows.append(row(subject, subject // 4, label, subject // 4 % PARTS, codes))
    write_visits(rows, tmp_path / "visits.arrow")
    write_vocabulary(rows, 7, PARTS, tmp_path / "vocabulary.parquet")
    common: dict[str, Any] = {"visits": tmp_path / "visits.arrow", "fold": FOLD, "parts": PARTS}
    train_baseline(
        vocabulary=tmp_path / "vocabulary.parquet",
        task=TASK,
        model={"kind": "logistic", "inverse_penalty": 1.0, "features": "counts", "search": {}},
        encoding={"vocabulary": "codes", "sequence": "visit", "min_count": 1, "vectors": "none"},
        seed=0,
        folder=tmp_path / "model",
        **common,
    )
    outputs = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        evaluate_model(
            trained=tmp_path / "model", task=TASK, seed=0, draws=200, folder=folder, **common
        )
        outputs.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert outputs[0] == outputs[1]
    assert set(outputs[0]) == {"predictions.parquet", "validation.parquet", "metrics.json"}
    auroc = json.loads(outputs[0]["metrics.json"])["auroc"]
    table = pq.read_table(tmp_path / "first/predictions.parquet")
    labels, scores = table["boolean_value"].to_numpy(), table["score"].to_numpy()
    assert auroc["value"] == pytest.approx(roc_auc_score(labels, scores))
    assert auroc["low"] < auroc["value"] < auroc["high"]


def test_metrics_are_imported_without_torch_or_scikit_learn() -> None:
    program = (
        "import sys, visitseq.evaluate; print(*{'torch', 'sklearn', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=20))
def test_threshold_maximises_youdens_j_and_is_the_smallest(rows: list[tuple[bool, int]]) -> None:
    labels = np.array([label for label, _ in rows])
    scores = np.array([float(score) for _, score in rows])
    threshold = choose_threshold(labels, scores)
    if labels.all() or not labels.any():
        assert threshold.value == 0.5
        return
    j = {
        cut: round(np.mean(scores[labels] >= cut) + np.mean(scores[~labels] < cut), 9)
        for cut in sorted(set(scores))
    }
    assert threshold.value == min(cut for cut, gain in j.items() if gain == max(j.values()))


def test_mean_over_folds() -> None:
    generator = np.random.default_rng(0)
    draws = [0.7 + generator.normal(size=500) / 20, 0.8 + generator.normal(size=500) / 20]
    folds = [Estimate(0.7, 0.6, 0.8), Estimate(0.8, 0.7, 0.9)]
    mean = mean_over_folds(folds, draws)
    low, high = np.quantile((draws[0] + draws[1]) / 2, [0.025, 0.975])
    assert mean == pytest.approx(Estimate(0.75, low, high))
    # Two folds are two samples: their mean is surer than either.
    assert mean.high - mean.low < 0.8 * 0.2
    assert mean_over_folds(folds[:1], []) == folds[0]


def test_mean_over_folds_is_null_where_a_fold_is() -> None:
    folds = [Estimate(0.7, 0.6, 0.8), undefined("no case in the test part")]
    mean = mean_over_folds(folds, [])
    assert math.isnan(mean.value)
    assert mean.reason == "undefined in 1 of 2 folds: no case in the test part"
    reason = "no interval: fewer than two sets or persons"
    unsure = mean_over_folds([folds[0], Estimate(0.9, math.nan, math.nan, reason)], [])
    assert unsure.value == pytest.approx(0.8)
    assert (math.isnan(unsure.low), unsure.reason) == (True, reason)
