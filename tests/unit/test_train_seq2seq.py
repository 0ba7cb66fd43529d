"""Training of the encoder-decoder: what it learns, from whom, and what of it comes back."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from arrow_visits import Row, write_visits, write_vocabulary
from chains import (
    AHEAD,
    CODES,
    ENCODING,
    FOLD,
    PARTS,
    SEQ2SEQ,
    chains,
    forecast_files,
    train,
    train_on,
)
from safetensors.torch import load_file, save
from sklearn import metrics

from visitseq.encode.sequences import read_sequences
from visitseq.errors import UserError
from visitseq.models.encoder_decoder import build_encoder_decoder, classifier_section
from visitseq.models.forecast_batches import collate_forecast
from visitseq.models.recurrent import build_classifier
from visitseq.train import pretrained
from visitseq.train.checkpoint import Checkpoint
from visitseq.train.forecast import load_forecaster
from visitseq.train.forecast_data import read_forecast_data
from visitseq.train.forecasting import random_ends
from visitseq.train.losses import Losses
from visitseq.train.pretraining import pretrain, start_from
from visitseq.train.trained import load_model
from visitseq.train.training_data import read_training_data


def poisoned(rows: Sequence[Row], parts: set[int]) -> list[Row]:
    """Replace all that is known of the persons of ``parts`` but their number."""
    visits = [[1, 7], [7], [], [0, 1], [7], [7], [7], [7], [7]]
    return [
        replace(row, visits=visits, label=not row.label, subject_id=row.subject_id + 10_000)
        if row.part in parts
        else row
        for row in rows
    ]


def card_of(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return card


def assert_same_bytes(one: Path, two: Path, names: Sequence[str]) -> None:
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


# Pre-training, as a start for the onset of a disease.


def pretrained_weights(rows: Sequence[Row], folder: Path) -> bytes:
    data = read_training_data(
        write_visits(rows, folder / "visits.arrow"),
        write_vocabulary(rows, CODES, PARTS, folder / "vocabulary.parquet"),
        ENCODING,
        FOLD,
        PARTS,
    )
    torch.manual_seed(0)
    network, _ = pretrain(data, SEQ2SEQ, np.random.default_rng(0))
    weights: bytes = save(network.state_dict())
    return weights


def test_pretraining_sees_no_validation_and_no_test_person(tmp_path: Path) -> None:
    rows = chains()
    weights = pretrained_weights(rows, tmp_path / "as_they_are")
    others = poisoned(rows, {FOLD, FOLD + 1})
    assert pretrained_weights(others, tmp_path / "poisoned") == weights
    without = [row for row in rows if row.part not in (FOLD, FOLD + 1)]
    assert pretrained_weights(without, tmp_path / "without") == weights
    # The measure itself: one part more or less of the training parts is seen.
    seen = poisoned(rows, {FOLD + 2})
    assert pretrained_weights(seen, tmp_path / "seen") != weights


def test_model_json_says_whom_pretraining_saw(tmp_path: Path) -> None:
    rows = [
        replace(row, visits=row.visits[:2]) if n % 5 == 0 else row for n, row in enumerate(chains())
    ]
    training = [row for row in rows if row.part not in (FOLD, FOLD + 1)]
    seen = [row.subject_id for row in training if len(row.visits) > 2]
    ids = b"".join(person.to_bytes(8, "little") for person in sorted(seen))
    said = card_of(train(rows, tmp_path))["pretraining"]
    assert said.pop("loss") < 2
    assert said == {
        "epochs": 3,
        "visits_ahead": 2,
        "rows": len(seen),
        "left_out": len(training) - len(seen),
        "persons": len(seen),
        "persons_digest": hashlib.sha256(ids).hexdigest(),
    }


def test_the_test_part_teaches_nothing(tmp_path: Path) -> None:
    rows = chains()
    one = train(rows, tmp_path / "one")
    two = train(poisoned(rows, {FOLD}), tmp_path / "two")
    assert_same_bytes(one, two, ["model.safetensors", "model.json", "history.csv"])


def test_the_encoder_starts_the_classifier_and_the_head_is_fresh() -> None:
    classifier = build_classifier(classifier_section(SEQ2SEQ), CODES)
    head = classifier.head.weight.clone()
    network = build_encoder_decoder(SEQ2SEQ, CODES, CODES)
    start_from(classifier, network)
    weights = classifier.state_dict()
    for name, weight in network.encoder.state_dict().items():
        assert torch.equal(weights[name], weight), name
    assert torch.equal(classifier.head.weight, head)
    with pytest.raises(ValueError, match="weights"):
        start_from(build_classifier({**classifier_section(SEQ2SEQ), "layers": 2}, CODES), network)


def test_training_goes_on_from_the_pretrained_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the classifier takes no step, what is saved is what pre-training left."""
    left: list[dict[str, Any]] = []

    def watched(*arguments: Any, **more: Any) -> Any:
        network, summary = pretrain(*arguments, **more)
        left.append(network.encoder.state_dict())
        return network, summary

    monkeypatch.setattr(pretrained, "pretrain", watched)
    monkeypatch.setattr(pretrained, "fit", lambda *_, **__: ([Losses(1.0, 1.0)], 1))
    weights = load_file(train(chains(), tmp_path) / "model.safetensors")
    assert set(weights) == {*left[0], "head.weight", "head.bias"}
    for name, weight in left[0].items():
        assert torch.equal(weights[name], weight), name


def test_a_reloaded_classifier_has_the_losses_that_were_written(tmp_path: Path) -> None:
    folder = train(chains(), tmp_path)
    card, history = card_of(folder), pd.read_csv(folder / "history.csv")
    sequences = read_sequences(tmp_path / "visits.arrow")
    validation = sequences.take(sequences.rows_of_parts([FOLD + 1]))
    loss = metrics.log_loss(validation.label, load_model(folder).score(validation))
    assert card["validation"]["loss"] == pytest.approx(loss, rel=1e-6)
    assert card["kind"] == card["model"]["kind"] == "seq2seq"
    assert history.loc[history["chosen"], "validation_loss"].tolist() == [
        card["validation"]["loss"]
    ]


def test_windows_without_visits_enough_are_said(tmp_path: Path) -> None:
    rows = [replace(row, visits=row.visits[:2]) for row in chains()]
    with pytest.raises(UserError, match=r"None of the 200 training rows of fold 2 .* visits_ahead"):
        train(rows, tmp_path)


# Forecasts.


def test_a_chain_is_learned_for_all_visits_ahead(tmp_path: Path) -> None:
    rows = chains()
    sizes = {"hidden": 24, "embedding": 16, "batch": 16, "epochs": 40}
    folder = train_on(rows, tmp_path, **sizes, learning_rate=0.02, dropout=0.0, l2=0.0)
    forecaster = load_forecaster(folder)
    data = read_forecast_data(forecast_files(rows, tmp_path), AHEAD, 1, FOLD, PARTS).trajectories
    tested = data.visits.rows_of_parts([FOLD])
    batch = collate_forecast(data, tested, data.visits.visit_offsets[tested + 1])
    with torch.inference_mode():
        first = forecaster.network.forecast(batch).argmax(dim=-1)
    expected = [
        [rows[row].visits[len(rows[row].visits) - AHEAD + step][0] for row in tested]
        for step in range(AHEAD)
    ]
    assert (first.numpy() == np.array(expected)).mean() > 0.95


def test_a_forecast_learns_nothing_from_the_test_part(tmp_path: Path) -> None:
    rows = chains()
    kind: dict[str, Any] = {"attention": "dot", "bidirectional": True}
    one = train_on(rows, tmp_path / "one", **kind)
    two = train_on(poisoned(rows, {FOLD}), tmp_path / "two", **kind)
    assert_same_bytes(one, two, ["model.safetensors", "model.json", "history.csv"])
    other = train_on(rows, tmp_path / "three", seed=1, **kind)
    weights = [load_file(folder / "model.safetensors") for folder in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert all((weight != weights[1][name]).any() for name, weight in weights[0].items())


@pytest.mark.parametrize("loss", ["multinomial", "sigmoid"])
def test_a_reloaded_forecaster_has_the_validation_loss_that_was_written(
    tmp_path: Path, loss: str
) -> None:
    rows = chains()
    folder = train_on(rows, tmp_path, loss=loss, cell="lstm")
    card, history = card_of(folder), pd.read_csv(folder / "history.csv")
    forecaster = load_forecaster(folder)
    data = read_forecast_data(forecast_files(rows, tmp_path), AHEAD, 1, FOLD, PARTS).trajectories
    total, rows_seen = 0.0, 0
    for row in data.visits.rows_of_parts([FOLD + 1]):  # one at a time
        batch = collate_forecast(data, np.array([row]), data.visits.visit_offsets[[row + 1]])
        total, rows_seen = total + forecaster.network.losses(batch).item(), rows_seen + 1
    assert card["validation"]["loss"] == pytest.approx(total / rows_seen, rel=1e-5)
    best = int(history["validation_loss"].argmin()) + 1
    assert card["early_stopping"]["chosen_epoch"] == best
    assert history.loc[best - 1, "validation_loss"] == card["validation"]["loss"]
    assert history.loc[best - 1, "training_loss"] == card["training"]["loss"]
    assert (card["visits_ahead"], card["known_labels"]) == (AHEAD, list(range(CODES)))


def test_every_cut_of_a_row_is_learned_from_and_none_beyond(tmp_path: Path) -> None:
    """Row 0 can be cut before its fourth … seventh visit, row 1 in one place."""
    rows = [Row([[0]] * 7, None, 0), Row([[0]] * 4, None, 1)]
    data = read_forecast_data(forecast_files(rows, tmp_path), AHEAD, 1, FOLD, PARTS).trajectories
    torch.manual_seed(0)
    ends = [random_ends(data, np.array([0, 1])).tolist() for _ in range(200)]
    assert {end for end, _ in ends} == {4, 5, 6, 7}
    assert {end for _, end in ends} == {11}
    batch = collate_forecast(data, np.array([0, 1]), np.array([5, 11]))
    assert batch.read.batch_sizes.tolist() == [2, 1]
    assert len(batch.offsets) == 2 * (AHEAD + 1) + 1


def test_early_stopping_waits_for_patience(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "learning_rate": 0.1,
        "epochs": 60,
        "patience": 3,
        "dropout": 0.0,
        "l2": 0.0,
    }
    noise = np.random.default_rng(1)
    rows = [
        replace(
            row, visits=[sorted({int(c) for c in noise.integers(CODES, size=2)}) for _ in range(6)]
        )
        for row in chains()
    ]
    history = pd.read_csv(train_on(rows, tmp_path, **changes) / "history.csv")
    assert len(history) == int(history["validation_loss"].argmin()) + 1 + 3 < 60


def test_training_starts_at_the_base_rates(tmp_path: Path) -> None:
    rows = [*chains(), Row([[0, 7], [], [7], [0], [0]], None, 0, subject_id=1)]
    training = [row for row in rows if row.part not in (FOLD, FOLD + 1)]
    visits = [visit for row in training for visit in row.visits if visit]
    counts = np.array([sum(code in visit for visit in visits) for code in range(CODES)])
    for loss, odds in (
        ("multinomial", counts + 1),
        ("sigmoid", (counts + 1) / (len(visits) - counts + 1)),
    ):
        still: dict[str, Any] = {"learning_rate": 1e-12, "epochs": 1, "dropout": 0.0, "loss": loss}
        folder = train_on(rows, tmp_path / loss, **still)
        bias = load_file(folder / "model.safetensors")["head.bias"]
        np.testing.assert_allclose(bias, np.log(odds), rtol=1e-5)


def test_without_validation_rows_the_training_loss_serves(tmp_path: Path) -> None:
    folder = train_on([row for row in chains() if row.part != FOLD + 1], tmp_path)
    card, history = card_of(folder), pd.read_csv(folder / "history.csv")
    expected = {"rows": 0, "loss": None, "reason": "this part has no rows"}
    assert card["validation"] == expected
    assert card["early_stopping"]["chosen_by"] == "training loss"
    best = int(history["training_loss"].argmin()) + 1
    assert card["early_stopping"]["chosen_epoch"] == best


def test_what_cannot_be_learned_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"diverged: .* lower the model's learning_rate"):
        train_on(chains(), tmp_path / "wild", learning_rate=1e30)
    nothing = [replace(row, visits=[[] for _ in row.visits]) for row in chains()]
    with pytest.raises(UserError, match=r"None of the 200 training rows has a visit with a label"):
        train_on(nothing, tmp_path / "nothing")


def test_the_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(17)
    before = torch.get_rng_state()
    load_forecaster(train_on(chains(), tmp_path / "forecast", epochs=1))
    load_model(train(chains(), tmp_path / "onset", epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("run", [train, train_on], ids=["pretrained", "forecast"])
@pytest.mark.parametrize("killed_after", [1, 2, 4])
def test_a_killed_training_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any, killed_after: int
) -> None:
    """Of the pre-trained start, the first three epochs are pre-training."""
    whole = run(chains(), tmp_path / "whole")
    save, saved = Checkpoint.save, []

    def killed(self: Checkpoint, *arguments: Any) -> None:
        save(self, *arguments)
        saved.append(1)
        if len(saved) == killed_after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            run(chains(), tmp_path / "killed")
    assert not (tmp_path / "killed/model/model.json").exists()
    again = run(chains(), tmp_path / "killed")
    assert {path.name for path in again.iterdir()} == {path.name for path in whole.iterdir()}
    assert_same_bytes(whole, again, ["model.safetensors", "model.json", "history.csv"])


def test_a_bidirectional_lstm_starts_from_its_encoder_too(tmp_path: Path) -> None:
    folder = train(chains(), tmp_path, cell="lstm", bidirectional=True, attention="dot")
    sequences = read_sequences(tmp_path / "visits.arrow")
    validation = sequences.take(sequences.rows_of_parts([FOLD + 1]))
    loss = metrics.log_loss(validation.label, load_model(folder).score(validation))
    assert card_of(folder)["validation"]["loss"] == pytest.approx(loss, rel=1e-6)
