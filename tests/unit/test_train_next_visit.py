"""Training at every visit: what it learns, from whom, and what of it comes back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from arrow_visits import Row
from next_visits import CODES, FOLD, PARTS, chains, files, train
from safetensors.torch import load_file

from visitseq.encode.vectors import write_vectors
from visitseq.errors import UserError
from visitseq.models.next_visit_batches import collate_next_visit
from visitseq.train import next_visit as stage
from visitseq.train.checkpoint import Checkpoint
from visitseq.train.forecast_data import read_forecast_data
from visitseq.train.next_visit import load_next_visit

NAMES = ["model.safetensors", "model.json", "history.csv"]


def card_of(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return card


def bytes_of(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in NAMES]


def poisoned(rows: list[Row], part: int) -> list[Row]:
    """Replace all that is known of the persons of ``part``."""
    return [
        replace(row, visits=[[7] for _ in row.visits], days_to_index=None)
        if row.part == part
        else row
        for row in rows
    ]


def test_the_test_part_teaches_nothing_and_the_validation_part_no_weight_alone(
    tmp_path: Path,
) -> None:
    rows = chains(140)
    one = bytes_of(train(rows, tmp_path / "one", epochs=2))
    assert bytes_of(train(poisoned(rows, FOLD), tmp_path / "two", epochs=2)) == one
    # Losses of the validation part differ, and nothing else does where both keep the last epoch.
    three = train(poisoned(rows, FOLD + 1), tmp_path / "three", epochs=1)
    once = train(rows, tmp_path / "four", epochs=1)
    assert (three / NAMES[0]).read_bytes() == (once / NAMES[0]).read_bytes()
    assert bytes_of(three) != bytes_of(once)


def test_the_papers_split_trains_on_the_validation_part_and_keeps_the_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "PAPER_EPOCHS", 4)
    rows = chains(140)
    wild: dict[str, Any] = {
        "optimiser": "sgd",
        "learning_rate": 3.0,
        "epochs": 9,
        "patience": 1,
        "split": "paper",
    }
    folder = train(rows, tmp_path / "one", **wild)
    card, history = card_of(folder), pd.read_csv(folder / "history.csv")
    assert history["validation_loss"].isna().all()
    assert history["chosen"].tolist() == [False, False, False, True]
    # The last epoch is kept though it is not the best.
    assert history["training_loss"].argmin() != 3
    assert card["early_stopping"] == {
        "epochs": 4,
        "chosen_epoch": 4,
        "chosen_by": "the paper's rule: the last epoch, without early stopping",
    }
    assert card["trained_on"] == "the training parts and the validation part, as the paper did"
    assert card["training"]["rows"] == sum(row.part != FOLD for row in rows)
    assert card["validation"] == {"rows": 0, "loss": None, "reason": "this part has no rows"}
    assert not load_next_visit(folder).validated
    other = train(poisoned(rows, FOLD + 1), tmp_path / "two", **wild)
    assert bytes_of(other)[0] != bytes_of(folder)[0]


@pytest.mark.parametrize("loss", ["paper", "multinomial", "sigmoid"])
def test_a_reloaded_network_has_the_validation_loss_that_was_written(
    tmp_path: Path, loss: str
) -> None:
    rows = chains(140)
    folder = train(rows, tmp_path, loss=loss, cell="lstm", epochs=2, embed="tanh")
    model = load_next_visit(folder)
    assert model.network is not None
    data = read_forecast_data(files(rows, tmp_path), 1, 1, FOLD, PARTS)
    losses = [
        model.network.losses(collate_next_visit(data.trajectories, np.array([row]))).item()
        for row in data.validation  # one at a time
    ]
    assert card_of(folder)["validation"]["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_training_starts_at_the_base_rates(tmp_path: Path) -> None:
    rows = chains(140)
    folder = train(rows, tmp_path, learning_rate=1e-12, epochs=1)
    weights = load_file(folder / "model.safetensors")
    training = [row for row in rows if row.part not in (FOLD, FOLD + 1)]
    visits = [visit for row in training for visit in row.visits]
    counts = np.array([sum(code in visit for visit in visits) for code in range(CODES)])
    np.testing.assert_allclose(weights["head.bias"], np.log(counts + 1), rtol=1e-5)
    days = [day for row in training for day in row.days[1:]]
    assert weights["time.bias"].item() == pytest.approx(np.log(days).mean(), rel=1e-5)
    assert card_of(folder)["label_visits"] == counts.tolist()


def test_a_network_starts_from_the_vectors_and_comes_back_with_their_size(tmp_path: Path) -> None:
    start = np.random.default_rng(0).normal(size=(CODES, 3)).astype(np.float32)
    write_vectors(start, tmp_path / "vectors.safetensors", "persons")
    still: dict[str, Any] = {"learning_rate": 1e-12, "epochs": 1}
    folder = train(chains(140), tmp_path, vectors=tmp_path / "vectors.safetensors", **still)
    model = load_next_visit(folder)
    assert model.network is not None
    embedded = model.network.reader.get_parameter("embed.weight").detach().numpy()
    np.testing.assert_allclose(embedded, start[model.known], atol=1e-6)


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_a_model_on_counts_learns_which_code_follows(tmp_path: Path, kind: str) -> None:
    """The last code cannot be told from those before it; among the labels of five it can be."""
    folder = train(chains(), tmp_path, kind=kind, epochs=25, last_visits=1)
    history = pd.read_csv(folder / "history.csv")
    assert history["validation_loss"].min() < 0.3 * history["validation_loss"].iloc[0]
    card = card_of(folder)
    assert card["kind"] == card["model"]["kind"] == kind
    data = read_forecast_data(files(chains(), tmp_path), 1, 1, FOLD, PARTS)
    model = load_next_visit(folder)
    assert model.network is not None
    batch = collate_next_visit(data.trajectories, data.validation)
    assert model.network.losses(batch).mean().item() == pytest.approx(
        card["validation"]["loss"], rel=1e-5
    )


def test_a_model_on_counts_reads_no_test_person_and_draws_the_same_again(tmp_path: Path) -> None:
    rows = chains(140)
    one = bytes_of(train(rows, tmp_path / "one", kind="mlp", epochs=2))
    assert bytes_of(train(poisoned(rows, FOLD), tmp_path / "two", kind="mlp", epochs=2)) == one


def test_a_model_on_counts_reads_the_vectors_and_leaves_them(tmp_path: Path) -> None:
    start = np.random.default_rng(0).normal(size=(CODES, 3)).astype(np.float32)
    write_vectors(start, tmp_path / "vectors.safetensors", "persons")
    vectors = tmp_path / "vectors.safetensors"
    for kind in ("logistic", "mlp"):
        folder = train(chains(140), tmp_path / kind, vectors=vectors, kind=kind, epochs=2)
        model = load_next_visit(folder)
        assert model.network is not None
        embedded = model.network.reader.get_parameter("embed.weight").numpy(force=True)
        np.testing.assert_array_equal(embedded, start[model.known])
        losses = pd.read_csv(folder / "history.csv")["training_loss"]
        assert losses.iloc[1] < losses.iloc[0]


def test_a_killed_training_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = chains(140)
    settings: dict[str, Any] = {"epochs": 3, "dropout": 0.3}
    whole = bytes_of(train(rows, tmp_path / "whole", **settings))
    save = Checkpoint.save

    def killed(self: Checkpoint, *arguments: Any) -> None:
        save(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            train(rows, tmp_path / "killed", **settings)
    assert not (tmp_path / "killed/model/model.json").exists()
    again = train(rows, tmp_path / "killed", **settings)
    assert bytes_of(again) == whole
    assert {path.name for path in again.iterdir()} == set(NAMES)


def test_counts_are_those_of_the_training_parts(tmp_path: Path) -> None:
    rows = chains(140)
    folder = train(rows, tmp_path / "one", kind="most_frequent")
    assert [path.name for path in folder.iterdir()] == ["model.json"]
    model = load_next_visit(folder)
    training = [row for row in rows if row.part not in (FOLD, FOLD + 1)]
    visits = [code for row in training for visit in row.visits for code in visit]
    expected = np.bincount(visits, minlength=CODES)
    assert (model.known_labels.tolist(), model.network) == (np.flatnonzero(expected).tolist(), None)
    assert model.label_visits.tolist() == expected[expected > 0].tolist()
    other = train(poisoned(rows, FOLD), tmp_path / "two", kind="most_frequent")
    assert (other / "model.json").read_bytes() == (folder / "model.json").read_bytes()


def test_what_cannot_be_learned_is_said(tmp_path: Path) -> None:
    nothing = [replace(row, visits=[[] for _ in row.visits]) for row in chains(70)]
    with pytest.raises(UserError, match=r"None of the 50 training rows has a visit with a label"):
        train(nothing, tmp_path)
    with pytest.raises(UserError, match="has read the visits that it is to predict"):
        train(chains(70), tmp_path, bidirectional=True)


def test_the_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(17)
    before = torch.get_rng_state()
    load_next_visit(train(chains(70), tmp_path, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)
