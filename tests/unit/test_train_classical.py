"""The classical models, against scikit-learn and LightGBM used by hand on dense counts."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from arrow_visits import Row
from safetensors.numpy import save_file
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from small_training import (
    CLASSICAL,
    CODES,
    ENCODING,
    FOLD,
    KNN,
    LOGISTIC,
    MLP,
    PARTS,
    SVM,
    TASK,
    TREES,
    card_of,
    cohort,
    inputs,
    train,
)

from visitseq.encode.sequences import Sequences, read_sequences
from visitseq.train.baseline import train_baseline
from visitseq.train.trained import load_model

Counts = npt.NDArray[np.float64]

ROWS = cohort()
TRAINING = [row for row in ROWS if row.part not in (FOLD, FOLD + 1)]
VALIDATION = [row for row in ROWS if row.part == FOLD + 1]
TEST = [row for row in ROWS if row.part == FOLD]


def counts(rows: list[Row]) -> Counts:
    return np.array([[sum(code in v for v in r.visits) for code in range(CODES)] for r in rows])


def labels(rows: list[Row]) -> npt.NDArray[np.bool_]:
    return np.array([row.label for row in rows])


def scaled(rows: list[Row]) -> Counts:
    return np.asarray(counts(rows) / counts(TRAINING).std(axis=0))


def test_part(folder: Path) -> Sequences:
    sequences = read_sequences(folder.parent / "visits.arrow")
    return sequences.take(sequences.rows_of_parts([FOLD]))


test_part.__test__ = False  # type: ignore[attr-defined]


def scores_of(tmp_path: Path, model: dict[str, Any]) -> Counts:
    folder = train(ROWS, tmp_path, model)
    assert card_of(folder)["known"] == list(range(CODES))
    return load_model(folder).score(test_part(folder))


def fit(rows: list[Row], folder: Path, **settings: Any) -> None:
    """Train with other arguments than ``train`` gives."""
    given: dict[str, Any] = {"task": TASK, "encoding": ENCODING, "fold": FOLD, "parts": PARTS}
    given |= {"seed": 0, "folder": folder / "model", **inputs(rows, folder), **settings}
    train_baseline(**given)


def test_svm_is_the_one_whose_intercept_is_free(tmp_path: Path) -> None:
    # On centred counts the penalty of the intercept matters little, and the plane is the same.
    scaler = StandardScaler().fit(counts(TRAINING))
    dense = LinearSVC(C=SVM["inverse_penalty"], intercept_scaling=100, dual=False, tol=1e-8)
    dense.fit(scaler.transform(counts(TRAINING)), labels(TRAINING))
    expected = dense.decision_function(scaler.transform(counts(TEST)))
    np.testing.assert_allclose(scores_of(tmp_path, SVM), expected, atol=1e-3)


def test_knn_is_the_share_of_cases_among_the_nearest(tmp_path: Path) -> None:
    distances = np.square(scaled(TEST)[:, None] - scaled(TRAINING)[None]).sum(axis=2)
    shares = scores_of(tmp_path, KNN)
    clear = 0
    for row, share in zip(distances, shares, strict=True):
        nearest = np.argsort(row)
        if row[nearest[9]] - row[nearest[8]] > 1e-9:  # which nine is not a matter of ties
            clear += 1
            assert share == pytest.approx(labels(TRAINING)[nearest[:9]].mean())
    assert clear > len(TEST) / 3
    assert (shares * 9 == np.round(shares * 9)).all()


def test_more_neighbours_than_rows_are_all_of_them(tmp_path: Path) -> None:
    shares = scores_of(tmp_path, {**KNN, "neighbours": 10_000})
    np.testing.assert_allclose(shares, labels(TRAINING).mean())


def test_the_perceptron_is_scikit_learns_stopped_at_its_best_epoch(tmp_path: Path) -> None:
    seed = int(np.random.SeedSequence([0, FOLD]).generate_state(1)[0])
    batch, scaler = len(TRAINING), StandardScaler().fit(counts(TRAINING))
    rows, validation, test = (
        scaler.transform(counts(part)).astype(np.float32) for part in (TRAINING, VALIDATION, TEST)
    )
    network = MLPClassifier((8,), alpha=2 * batch * 1e-4, batch_size=batch, random_state=seed)
    losses, predictions = list[float](), list[Counts]()
    for _ in range(20):
        network.partial_fit(rows, labels(TRAINING), classes=[False, True])
        predicted = network.predict_proba(validation)[:, 1]
        losses.append(log_loss(labels(VALIDATION), predicted))
        predictions.append(network.predict_proba(test)[:, 1])
    scores = scores_of(tmp_path, {**MLP, "patience": 20})
    history = pd.read_csv(tmp_path / "model/history.csv")
    np.testing.assert_allclose(history["validation_loss"], losses, rtol=1e-4)
    best = int(np.argmin(losses))
    assert history.loc[history["chosen"], "epoch"].tolist() == [best + 1]
    np.testing.assert_allclose(scores, predictions[best], rtol=1e-4)


def test_the_perceptron_stops_when_the_validation_loss_falls_no_more(tmp_path: Path) -> None:
    model = {**MLP, "hidden": 64, "epochs": 500, "patience": 4}
    history = pd.read_csv(train(ROWS, tmp_path, model) / "history.csv")
    best = int(history["validation_loss"].argmin()) + 1
    assert len(history) == best + 4 < 500


def test_a_seed_moves_the_perceptron(tmp_path: Path) -> None:
    one, two = (train(ROWS, tmp_path / str(seed), MLP, seed) for seed in (0, 1))
    assert (one / "model.skops").read_bytes() != (two / "model.skops").read_bytes()


def test_trees_are_lightgbms_on_dense_counts(tmp_path: Path) -> None:
    booster = lightgbm.LGBMClassifier(
        n_estimators=50,
        num_leaves=4,
        learning_rate=0.1,
        min_child_samples=5,
        n_jobs=1,
        verbosity=-1,
    )
    booster.fit(
        counts(TRAINING),
        labels(TRAINING),
        eval_X=counts(VALIDATION),
        eval_y=labels(VALIDATION),
        callbacks=[lightgbm.early_stopping(5, verbose=False)],
    )
    expected = np.asarray(booster.predict_proba(counts(TEST)))[:, 1]
    np.testing.assert_allclose(scores_of(tmp_path, TREES), expected, rtol=1e-9)
    history = pd.read_csv(tmp_path / "model/history.csv")
    assert history.loc[history["chosen"], "epoch"].tolist() == [booster.best_iteration_]


@pytest.mark.parametrize("kind", ["svm", "knn"])
def test_what_has_no_log_loss_says_so(tmp_path: Path, kind: str) -> None:
    folder = train(ROWS, tmp_path, CLASSICAL[kind])
    card = card_of(folder)
    for part in ("training", "validation"):
        assert card[part]["loss"] is None
        assert card[part]["reason"] == "scores of this kind are no probabilities"
    assert (folder / "history.csv").read_text() == "epoch,training_loss,validation_loss,chosen\n"
    assert not load_model(folder).gives_probabilities


@pytest.mark.parametrize("features", ["time", "frequency"])
@pytest.mark.parametrize("kind", CLASSICAL)
def test_every_kind_takes_all_features(tmp_path: Path, kind: str, features: str) -> None:
    draw = np.random.default_rng(3)
    # A case's last visit is recent: counts cannot tell, recency and span can.
    rows = [
        Row([[0], [1]], label, part, [400.0, 20.0 if label else 300.0], subject_id=subject)
        for subject, (label, part) in enumerate(
            zip((draw.random(280) < 0.4).tolist(), draw.integers(PARTS, size=280), strict=True)
        )
    ]
    model = {**CLASSICAL[kind], "features": features, "epochs": 100, "patience": 100}
    folder = train(rows, tmp_path, model)
    test = test_part(folder)
    assert roc_auc_score(test.label, load_model(folder).score(test)) == 1
    plain = train(rows, tmp_path / "counts", CLASSICAL[kind])
    assert roc_auc_score(test.label, load_model(plain).score(test_part(plain))) == 0.5


def test_the_bins_are_counted_from_the_end_of_the_tasks_window(tmp_path: Path) -> None:
    later = [replace(row, days_to_index=[183 + day for day in row.to_index]) for row in ROWS]
    gap = {**TASK, "observation_months": 12, "prediction_months": 6}
    model = {**LOGISTIC, "features": "time"}
    scores = []
    for folder, rows, task in ((tmp_path / "now", ROWS, TASK), (tmp_path / "gap", later, gap)):
        fit(rows, folder, model=model, task=task)
        sequences = read_sequences(folder / "visits.arrow")
        seen = sequences.take(np.flatnonzero(sequences.lengths))
        scores.append(load_model(folder / "model").score(seen))
    assert card_of(tmp_path / "gap/model")["window"] == {"days": 366, "gap": 183}
    # Only who was never seen is told apart: by the windows' lengths.
    np.testing.assert_allclose(scores[0], scores[1], atol=0.01)


@pytest.mark.parametrize("kind", CLASSICAL)
def test_vectors_are_in_the_models_folder(tmp_path: Path, kind: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(CODES, 3)).astype(np.float32)
    save_file({"vectors": vectors}, tmp_path / "vectors.safetensors")
    fit(ROWS, tmp_path, model=CLASSICAL[kind], vectors=tmp_path / "vectors.safetensors")
    (tmp_path / "vectors.safetensors").unlink()
    scores = load_model(tmp_path / "model").score(test_part(tmp_path / "model"))
    if kind != "knn":
        return
    scaler = StandardScaler().fit(counts(TRAINING) @ vectors)
    one, two = (scaler.transform(counts(rows) @ vectors) for rows in (TEST, TRAINING))
    nearest = np.argsort(np.square(one[:, None] - two[None]).sum(axis=2), kind="stable")[:, :9]
    some = [len({tuple(row) for row in counts(TRAINING)[n].tolist()}) == 9 for n in nearest]
    np.testing.assert_allclose(scores[some], labels(TRAINING)[nearest[some]].mean(axis=1))


def test_a_search_keeps_what_the_validation_part_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = [1e-6, 0.1, 100.0]
    with caplog.at_level(logging.INFO):
        folder = train(ROWS, tmp_path, {**LOGISTIC, "search": {"inverse_penalty": values}})
    aurocs, losses = [], []
    for place, value in enumerate(values):
        alone = train(ROWS, tmp_path / str(place), {**LOGISTIC, "inverse_penalty": value})
        sequences = read_sequences(tmp_path / "visits.arrow")
        validation = sequences.take(sequences.rows_of_parts([FOLD + 1]))
        aurocs.append(roc_auc_score(validation.label, load_model(alone).score(validation)))
        losses.append(card_of(alone)["validation"]["loss"])
    best = min(range(3), key=lambda place: (-aurocs[place], losses[place]))
    card = card_of(folder)
    assert card["model"]["inverse_penalty"] == values[best]
    assert card["search"]["chosen"] == best
    assert card["search"]["trials"] == [
        {"inverse_penalty": v, "validation_auroc": pytest.approx(a), "validation_loss": loss}
        for v, a, loss in zip(values, aurocs, losses, strict=True)
    ]
    kept = (folder / "model.skops").read_bytes()
    assert kept == (tmp_path / str(best) / "model/model.skops").read_bytes()


def test_the_test_part_has_no_say_in_a_search(tmp_path: Path) -> None:
    model = {**KNN, "search": {"neighbours": [3, 9, 27]}}
    others = [Row([[7]], not row.label, FOLD) if row.part == FOLD else row for row in ROWS]
    one, two = train(ROWS, tmp_path / "one", model), train(others, tmp_path / "two", model)
    for name in ("model.skops", "model.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert len(json.loads((one / "model.json").read_text())["search"]["trials"]) == 3
