import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from arrow_visits import Row, in_memory
from safetensors.numpy import load_file
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from small_training import (
    CLASSICAL,
    CODES,
    ENCODING,
    FOLD,
    GRU,
    LOGISTIC,
    MLP,
    PARTS,
    RETAIN,
    SVM,
    TASK,
    TRANSFORMER,
    TREES,
    card_of,
    cohort,
    inputs,
    train,
)

from visitseq.encode.sequences import Sequences, read_sequences
from visitseq.errors import UserError
from visitseq.models.recurrent import build_classifier
from visitseq.train.losses import log_loss
from visitseq.train.scoring import score_logits
from visitseq.train.shuffled_batches import shuffled_batches
from visitseq.train.skops_archive import load_archive, save_archive
from visitseq.train.trained import load_model


def order_only(n: int = 420) -> list[Row]:
    """Cases have code 0 before code 1, controls after it, among visits that say nothing."""
    draw = np.random.default_rng(5)
    rows = []
    for subject in range(n):
        label = bool(draw.integers(2))
        visits = [[int(draw.integers(2, CODES))] for _ in range(6)]
        early, late = sorted(draw.choice(6, size=2, replace=False))
        visits[early], visits[late] = ([0], [1]) if label else ([1], [0])
        rows.append(Row(visits, label, subject % PARTS, subject_id=subject))
    return rows


def part_of(folder: Path, part: int) -> Sequences:
    sequences = read_sequences(folder.parent / "visits.arrow")
    return sequences.take(sequences.rows_of_parts([part]))


def auroc(folder: Path) -> float:
    test = part_of(folder, FOLD)
    return float(metrics.roc_auc_score(test.label, load_model(folder).score(test)))


def test_gru_learns_the_order_and_counts_cannot(tmp_path: Path) -> None:
    rows = order_only()
    model = {**GRU, "hidden": 16, "learning_rate": 0.02, "epochs": 30, "dropout": 0.0}
    assert auroc(train(rows, tmp_path / "gru", model)) > 0.95
    assert auroc(train(rows, tmp_path / "logistic", LOGISTIC)) < 0.7


@pytest.mark.parametrize(
    ("kind", "rate"), [(RETAIN, 0.02), (TRANSFORMER, 0.005)], ids=["retain", "transformer"]
)
def test_the_other_networks_learn_the_order_too(
    tmp_path: Path, kind: dict[str, Any], rate: float
) -> None:
    model = {**kind, "hidden": 16, "learning_rate": rate, "epochs": 15, "dropout": 0.0}
    assert auroc(train(order_only(), tmp_path, model)) > 0.95


def test_nothing_is_learnt_where_the_order_is_taken_away(tmp_path: Path) -> None:
    model = {**GRU, "hidden": 16, "learning_rate": 0.02, "visits": "shuffled"}
    assert auroc(train(order_only(), tmp_path, model)) < 0.7


NETWORKS = {
    "gru": GRU,
    "gru_shuffled": {**GRU, "visits": "shuffled"},
    "retain": RETAIN,
    "transformer": {**TRANSFORMER, "longest": 3},
}
KINDS = pytest.mark.parametrize(
    "kind", [*NETWORKS.values(), *CLASSICAL.values()], ids=[*NETWORKS, *CLASSICAL]
)


PROBABILITIES = {**NETWORKS, "logistic": LOGISTIC, "mlp": MLP, "trees": TREES}


@pytest.mark.parametrize("kind", PROBABILITIES.values(), ids=PROBABILITIES)
def test_a_reloaded_model_has_the_losses_that_were_written(
    tmp_path: Path, kind: dict[str, Any]
) -> None:
    folder = train(cohort(), tmp_path, kind)
    card, history = card_of(folder), pd.read_csv(folder / "history.csv")
    validation = part_of(folder, FOLD + 1)
    loss = metrics.log_loss(validation.label, load_model(folder).score(validation))
    assert card["validation"]["loss"] == pytest.approx(loss, rel=1e-6)
    assert card["validation"]["rows"] == len(validation)
    assert card["validation"]["cases"] == validation.label.sum()
    chosen = history[history["chosen"]]
    assert chosen["validation_loss"].tolist() == [card["validation"]["loss"]]
    assert chosen["training_loss"].tolist() == [card["training"]["loss"]]
    assert list(history) == ["epoch", "training_loss", "validation_loss", "chosen"]
    assert (card["kind"], card["model"], card["encoding"]) == (kind["kind"], kind, ENCODING)
    assert (card["fold"], card["parts"], card["seed"]) == (FOLD, PARTS, 0)
    assert card["codes"] == [f"condition/{code}" for code in card["known"]]


def test_early_stopping_keeps_the_epoch_of_the_smallest_validation_loss(tmp_path: Path) -> None:
    model = {**GRU, "learning_rate": 0.1, "epochs": 40, "patience": 3, "dropout": 0.0, "l2": 0.0}
    folder = train(cohort(), tmp_path, model)
    history = pd.read_csv(folder / "history.csv")
    best = int(history["validation_loss"].argmin()) + 1
    assert history.loc[history["chosen"], "epoch"].tolist() == [best]
    assert len(history) == best + 3 < 40
    assert card_of(folder)["early_stopping"] == {
        "epochs": best + 3,
        "chosen_epoch": best,
        "chosen_by": "validation loss",
    }


@pytest.mark.parametrize("kind", [GRU, LOGISTIC], ids=["gru", "logistic"])
def test_without_validation_rows_the_training_loss_serves_and_it_is_said(
    tmp_path: Path, kind: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row for row in cohort() if row.part != FOLD + 1]
    with caplog.at_level(logging.INFO):
        folder = train(rows, tmp_path, kind)
    assert ", 0 validation rows" in caplog.text
    card, history = card_of(folder), pd.read_csv(folder / "history.csv")
    assert card["validation"] == {
        "rows": 0,
        "cases": 0,
        "loss": None,
        "reason": "this part has no rows",
    }
    assert history["validation_loss"].isna().all()
    best = int(history["training_loss"].argmin()) + 1
    assert history.loc[history["chosen"], "epoch"].tolist() == [best]
    if kind is GRU:
        assert card["early_stopping"]["chosen_by"] == "training loss"
        assert "the training loss chooses the epoch" in caplog.text


def test_every_epoch_is_a_line_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        history = pd.read_csv(train(cohort(), tmp_path, GRU) / "history.csv")
    lines = [line for line in caplog.messages if line.startswith("epoch ")]
    assert len(lines) == len(history) == 5
    losses = history.loc[1, ["training_loss", "validation_loss"]]
    assert lines[1].startswith(
        f"epoch 2: training loss {losses.iloc[0]:.4f}, validation loss {losses.iloc[1]:.4f}"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_shown_on_a_terminal_alone(
    tmp_path: Path,
    terminal: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    train(cohort(), tmp_path, GRU)
    assert ("epoch 1/5: " in capsys.readouterr().err) == terminal


def test_logistic_equals_a_fit_on_dense_counts(tmp_path: Path) -> None:
    rows = cohort()
    folder = train(rows, tmp_path, LOGISTIC)
    known = card_of(folder)["known"]

    def counts(chosen: list[Row]) -> Any:
        return np.array([[sum(c in v for v in row.visits) for c in known] for row in chosen])

    training = [row for row in rows if row.part not in (FOLD, FOLD + 1)]
    test = [row for row in rows if row.part == FOLD]
    scale = counts(training).std(axis=0)
    dense = LogisticRegression(C=0.1, max_iter=1000, tol=1e-8, solver="newton-cholesky")
    dense.fit(counts(training) / scale, [row.label for row in training])
    expected = dense.predict_proba(counts(test) / scale)[:, 1]
    scores = load_model(folder).score(part_of(folder, FOLD))
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("kind", [GRU, *CLASSICAL.values()], ids=itemgetter("kind"))
def test_the_test_part_teaches_nothing(tmp_path: Path, kind: dict[str, Any]) -> None:
    rows = cohort()
    others = [
        Row([[1, 7]] * 9, not row.label, row.part) if row.part == FOLD else row for row in rows
    ]
    one, two = train(rows, tmp_path / "one", kind), train(others, tmp_path / "two", kind)
    weights = "model.safetensors" if kind is GRU else "model.skops"
    assert_same_files(one, two, {weights, "model.json", "history.csv"})


def test_seed_and_fold_decide_the_weights(tmp_path: Path) -> None:
    first = load_file(train(cohort(), tmp_path / "a", GRU, seed=1) / "model.safetensors")
    again = load_file(train(cohort(), tmp_path / "b", GRU, seed=1) / "model.safetensors")
    other = load_file(train(cohort(), tmp_path / "c", GRU, seed=2) / "model.safetensors")
    for name, weight in first.items():
        np.testing.assert_array_equal(weight, again[name])
        assert (weight != other[name]).any(), name


SCRIPT = """
import json, sys
from pathlib import Path
from visitseq.train import {rule}
assert "{foreign}" not in sys.modules
arguments = json.loads(sys.argv[1])
paths = {{name: Path(arguments.pop(name)) for name in ("visits", "vocabulary")}}
folder = Path(arguments.pop("folder"))
for model in arguments.pop("models"):
    {rule}(**paths, **arguments, model=model, folder=folder / model["kind"])
assert "{foreign}" not in sys.modules
"""


def train_in_fresh_processes(
    script: str, models: Sequence[dict[str, Any]], files: dict[str, Path], folders: list[Path]
) -> None:
    """Run ``script`` in a process a folder, each with other hashes and other addresses."""
    settings = {"models": models, "encoding": ENCODING, "fold": FOLD, "parts": PARTS, "seed": 0}
    if models[0]["kind"] in CLASSICAL:
        settings["task"] = TASK
    paths = {name: str(path) for name, path in files.items()}
    threads = str(torch.get_num_threads())  # sums are rounded differently with more threads
    processes = []
    for hash_seed, folder in enumerate(folders, start=1):
        arguments = json.dumps({**paths, **settings, "folder": str(folder)})
        command = [sys.executable, "-W", "error", "-c", script, arguments]
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "OMP_NUM_THREADS": threads}
        processes.append(subprocess.Popen(command, env=environment))
    assert [process.wait() for process in processes] == [0] * len(folders)


def assert_same_files(one: Path, two: Path, names: set[str]) -> None:
    for folder in (one, two):
        assert {path.name for path in folder.iterdir()} == names
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_two_processes_write_the_same_baselines_and_import_no_torch(tmp_path: Path) -> None:
    files = inputs(cohort(), tmp_path)
    script = SCRIPT.format(rule="train_baseline", foreign="torch")
    models = list(CLASSICAL.values())
    train_in_fresh_processes(script, models, files, [tmp_path / "one", tmp_path / "two"])
    names = {"model.skops", "model.json", "history.csv"}
    for kind in CLASSICAL:
        assert_same_files(tmp_path / "one" / kind, tmp_path / "two" / kind, names)


def test_a_fresh_process_writes_the_same_network_and_imports_no_sklearn(tmp_path: Path) -> None:
    here = train(cohort(), tmp_path, GRU)
    script = SCRIPT.format(rule="train_model", foreign="sklearn")
    train_in_fresh_processes(script, [GRU], inputs(cohort(), tmp_path), [tmp_path / "fresh"])
    names = {"model.safetensors", "model.json", "history.csv"}
    assert_same_files(here, tmp_path / "fresh/recurrent", names)


@KINDS
def test_scores_depend_neither_on_the_order_nor_on_the_company(
    tmp_path: Path, kind: dict[str, Any]
) -> None:
    folder = train(cohort(), tmp_path, kind)
    model, sequences = load_model(folder), read_sequences(tmp_path / "visits.arrow")
    scores = model.score(sequences)
    assert scores.dtype == np.float64
    order = np.random.default_rng(0).permutation(len(sequences))
    np.testing.assert_allclose(model.score(sequences.take(order)), scores[order], atol=1e-6)
    alone = [model.score(sequences.take(np.array([row])))[0] for row in range(30)]
    np.testing.assert_allclose(alone, scores[:30], atol=1e-6)
    assert model.score(sequences.take(np.array([], dtype=np.intp))).shape == (0,)


def test_logits_are_the_same_in_batches_of_any_size() -> None:
    draw = np.random.default_rng(1)
    lengths = draw.integers(0, 40, size=100)
    sequences = in_memory([[[int(draw.integers(CODES))] for _ in range(n)] for n in lengths])
    known = np.arange(CODES, dtype=np.int32)
    torch.manual_seed(0)
    network = build_classifier({**GRU, "hidden": 32, "layers": 2}, CODES)
    rows = np.arange(100)
    whole = score_logits(network, sequences, rows, known, batch=100)
    for batch in (1, 7, 64):
        by_batch = score_logits(network, sequences, rows, known, batch=batch)
        np.testing.assert_allclose(by_batch, whole, rtol=1e-5, atol=1e-6)


def numpy_state() -> Any:
    return np.random.get_state(legacy=False)["state"]["key"]  # noqa: NPY002


def test_the_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(17)
    np.random.seed(17)  # noqa: NPY002
    before, numpy_before = torch.get_rng_state(), numpy_state()
    load_model(train(cohort(), tmp_path, GRU))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(numpy_state(), numpy_before)


@pytest.mark.parametrize("kind", [GRU, *CLASSICAL.values()], ids=itemgetter("kind"))
@pytest.mark.parametrize("label", [True, False])
def test_a_training_part_of_one_class_is_refused(
    tmp_path: Path, kind: dict[str, Any], label: bool
) -> None:
    rows = [Row([[0]] * 3, label, part) for part in (0, 1, 4)]
    rows += [Row([[0]] * 3, not label, part) for part in (FOLD, FOLD + 1)]
    cases = 3 if label else 0
    with pytest.raises(UserError, match=rf"of fold 2 hold 3 rows with {cases} cases"):
        train(rows, tmp_path, kind)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("kind", [GRU, *CLASSICAL.values()], ids=itemgetter("kind"))
def test_a_fold_that_knows_no_code_learns_the_base_rate(
    tmp_path: Path, kind: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    rows = [Row([[0], []], False, 0), Row([[1]], True, 1), Row([[0], [0]], True, FOLD)]
    folder = train(rows, tmp_path, {**kind, "duration": False} if kind is GRU else kind)
    assert "none of the 8 codes stands in 2 visits" in caplog.text
    assert card_of(folder)["known"] == []
    # One case among the two training rows; a margin is then 0.
    scores = load_model(folder).score(in_memory([row.visits for row in rows]))
    assert scores == pytest.approx([0.0 if kind is SVM else 0.5] * 3, abs=0.1)


def test_divergence_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"diverged: .* lower the model's learning_rate"):
        train(cohort(), tmp_path, {**GRU, "learning_rate": 1e30})


def test_training_starts_at_the_base_rate(tmp_path: Path) -> None:
    standing_still = {**GRU, "learning_rate": 1e-12, "epochs": 1, "dropout": 0.0}
    folder = train(cohort(), tmp_path, standing_still)
    part = card_of(folder)["training"]
    bias = load_file(folder / "model.safetensors")["head.bias"].item()
    assert bias == pytest.approx(np.log(part["cases"] / (part["rows"] - part["cases"])))


def test_the_penalty_shrinks_the_head_alone(tmp_path: Path) -> None:
    plain = {**GRU, "l2": 0.0, "learning_rate": 0.05, "epochs": 10, "patience": 10}
    free = load_file(train(cohort(), tmp_path / "free", plain) / "model.safetensors")
    penal = {**plain, "l2": 100.0}
    bound = load_file(train(cohort(), tmp_path / "bound", penal) / "model.safetensors")
    norms = {name: np.abs(bound[name]).mean() / np.abs(free[name]).mean() for name in free}
    assert norms["head.weight"] < 0.2
    assert min(norms["embed.weight"], norms["recur.weight_hh_l0"]) > 0.5


def test_a_model_says_what_it_does_not_know(tmp_path: Path) -> None:
    model = load_model(train(cohort(), tmp_path, LOGISTIC))
    assert model.known.tolist() == list(range(CODES))
    assert model.unknown_share(in_memory([[[0, 99]], [[98], [1]]])) == 0.5
    assert model.unknown_share(in_memory([[[]]])) == 0.0
    known = model.score(in_memory([[[0]]]))
    np.testing.assert_array_equal(model.score(in_memory([[[0, 99]]])), known)


def test_batches_hold_every_row_once_and_waste_little() -> None:
    lengths = np.random.default_rng(0).geometric(1 / 40, size=10_000)
    batches = shuffled_batches(lengths, 128, np.random.default_rng(3))
    assert sorted(np.concatenate(batches)) == list(range(10_000))
    assert sorted(map(len, batches)) == [10_000 % 128] + [128] * (10_000 // 128)
    steps = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert lengths.sum() / steps > 0.65
    # Unsorted, as a control of the measure itself:
    plain = sum(len(batch) * lengths[batch].max() for batch in np.split(np.arange(9984), 78))
    assert lengths.sum() / plain < 0.3


def test_batches_follow_their_generator_and_change_from_epoch_to_epoch() -> None:
    lengths = np.arange(300) % 5
    one, two = np.random.default_rng(3), np.random.default_rng(3)
    first, second = (np.concatenate(shuffled_batches(lengths, 16, one)) for _ in range(2))
    np.testing.assert_array_equal(first, np.concatenate(shuffled_batches(lengths, 16, two)))
    assert (first != second).any()


def test_log_loss_is_scikit_learns_and_survives_large_logits() -> None:
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(size=50) * 3, draw.random(50) < 0.3
    expected = metrics.log_loss(labels, 1 / (1 + np.exp(-logits)))
    assert log_loss(logits, labels) == pytest.approx(expected)
    assert log_loss(np.array([1e4, -1e4]), np.array([True, True])) == pytest.approx(5000)


def test_an_archive_gives_the_model_back(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(40, 3)), draw.integers(2, size=40)
    model = LogisticRegression(C=0.01).fit(StandardScaler().fit_transform(x), y)
    save_archive(model, tmp_path / "one.skops")
    loaded = load_archive(tmp_path / "one.skops")
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    save_archive(loaded, tmp_path / "two.skops")
    assert (tmp_path / "one.skops").read_bytes() == (tmp_path / "two.skops").read_bytes()


def test_an_archive_of_types_that_nobody_named_is_refused(tmp_path: Path) -> None:
    save_archive(FunctionTransformer(subprocess.getoutput), tmp_path / "model.skops")
    with pytest.raises(UserError, match="types that a model of this project never has"):
        load_archive(tmp_path / "model.skops")
