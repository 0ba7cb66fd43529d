"""The search for a network's settings, and the seeds of replicates."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chains import chains, train_on
from chains import train as train_pretrained
from safetensors.numpy import load_file
from sklearn.metrics import roc_auc_score
from small_training import FOLD, GRU, card_of, cohort, train

from visitseq.encode.sequences import read_sequences
from visitseq.train.checkpoint import Checkpoint
from visitseq.train.seeds import seed_sequence
from visitseq.train.trained import load_model

SEARCH = {"learning_rate": [1e-5, 0.02], "hidden": [4, 8]}
NAMES = ["history.csv", "model.json", "model.safetensors"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_best_point_is_written_and_every_trial_recorded(tmp_path: Path) -> None:
    folder = train(cohort(), tmp_path / "search", {**GRU, "search": SEARCH})
    card = card_of(folder)
    trials, chosen = card["search"]["trials"], card["search"]["chosen"]
    assert [(trial["learning_rate"], trial["hidden"]) for trial in trials] == [
        *((1e-5, 4), (1e-5, 8), (0.02, 4), (0.02, 8))
    ]
    assert trials[chosen]["validation_auroc"] == max(t["validation_auroc"] for t in trials)
    assert len({trial["validation_auroc"] for trial in trials}) > 1
    # It is the model of its settings, trained alone.
    point = {name: trials[chosen][name] for name in SEARCH}
    alone = train(cohort(), tmp_path / "alone", {**GRU, **point})
    for name in ("model.safetensors", "history.csv"):
        assert contents(folder)[name] == contents(alone)[name]
    assert card["model"] == {**GRU, **point, "search": SEARCH}
    assert list(contents(folder)) == NAMES
    assert "search" not in card_of(alone)


def test_the_auroc_of_a_trial_is_that_of_the_loaded_model(tmp_path: Path) -> None:
    model = {**GRU, "visits": "shuffled", "search": {"hidden": [8]}}
    folder = train(cohort(), tmp_path, model)
    sequences = read_sequences(tmp_path / "visits.arrow")
    validation = sequences.take(sequences.rows_of_parts([FOLD + 1]))
    auroc = roc_auc_score(validation.label, load_model(folder).score(validation))
    (trial,) = card_of(folder)["search"]["trials"]
    assert trial["validation_auroc"] == pytest.approx(auroc, rel=1e-9)


@pytest.mark.parametrize("killed_after", [3, 5, 7])
def test_a_killed_search_goes_on_where_it_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    """Each point takes five epochs; none of them is run a second time."""
    model = {**GRU, "search": {"hidden": [4, 8]}}
    save, saved = Checkpoint.save, []

    def counted(self: Checkpoint, *arguments: Any) -> None:
        save(self, *arguments)
        saved.append(self.folder.name)
        if len(saved) == killed_after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", counted)
        with pytest.raises(KeyboardInterrupt):
            train(cohort(), tmp_path / "killed", model)
        again = train(cohort(), tmp_path / "killed", model)
    assert saved == ["trial0"] * 5 + ["trial1"] * 5
    assert contents(again) == contents(train(cohort(), tmp_path / "whole", model))


def test_an_encoder_decoder_is_searched_too(tmp_path: Path) -> None:
    search = {"hidden": [4, 6]}
    onset = train_pretrained(chains(), tmp_path / "onset", search=search, epochs=2)
    assert card_of(onset)["search"]["chosen_by"] == "AUROC of the validation part"
    assert card_of(onset)["pretraining"]["epochs"] == 3
    assert np.isfinite(load_model(onset).score(read_sequences(tmp_path / "onset/visits.arrow")))[0]
    forecast = card_of(train_on(chains(), tmp_path / "forecast", search=search, epochs=2))
    losses = [trial["validation_loss"] for trial in forecast["search"]["trials"]]
    assert forecast["search"]["chosen"] == int(np.argmin(losses))
    assert forecast["search"]["chosen_by"].startswith("loss of the validation part")
    assert forecast["model"]["hidden"] == search["hidden"][int(np.argmin(losses))]
    assert forecast["validation"]["loss"] == min(losses)


def test_a_seed_of_0_changes_nothing_and_another_everything(tmp_path: Path) -> None:
    before = [seeds.generate_state(4).tolist() for seeds in np.random.SeedSequence([5, 2]).spawn(3)]
    found = {
        seed: [s.generate_state(4).tolist() for s in seed_sequence(5, 2, {"seed": seed}).spawn(3)]
        for seed in (0, 1)
    }
    assert found[0] == before
    assert all(one != two for one, two in zip(found[1], before, strict=True))
    first = load_file(train(cohort(), tmp_path / "first", GRU) / "model.safetensors")
    other = load_file(train(cohort(), tmp_path / "other", {**GRU, "seed": 1}) / "model.safetensors")
    assert all((weight != other[name]).any() for name, weight in first.items())
