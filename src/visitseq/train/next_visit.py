"""Train a network that predicts the next visit at every visit, for one fold, and read it back.

A model of kind most_frequent or last_visit has no weights: all that it learns is in how many
training visits each label stands, which ``count_labels`` writes to model.json.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from visitseq.errors import UserError
from visitseq.grid import COUNTED_KINDS, refusal
from visitseq.models.next_visit import NextVisitNetwork, build_next_visit, network_section
from visitseq.train.checkpoint import Checkpoint, training_digest
from visitseq.train.fit import BEST, LAST, LAST_OF_TRAINED, START, Watch, fit
from visitseq.train.forecast_data import ForecastData, read_forecast_data
from visitseq.train.forecasting import label_counts
from visitseq.train.losses import Losses
from visitseq.train.model_folder import persons_seen, read_card
from visitseq.train.network_files import early_stopping, write_network
from visitseq.train.next_visits import NextVisits
from visitseq.train.ranks import Ranks
from visitseq.train.seeds import seed_sequence
from visitseq.train.vectors import start_from_vectors, with_vectors

#: Epochs of Doctor AI, which had no validation part.
PAPER_EPOCHS = 20

CPU = torch.device("cpu")

#: Sets the weights of a network as it is made to those before the first step.
Begin = Callable[[NextVisitNetwork, NextVisits], None]


def train_next_visit(
    *,
    visits: Path,
    vocabulary: Path,
    labels: Path,
    task: Mapping[str, Any],
    model: Mapping[str, Any],
    encoding: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    folder: Path,
    vectors: Path | None = None,
    device: str = "cpu",
) -> None:
    """Write model.safetensors, model.json and history.csv of a network or a model on counts.

    A call that was killed goes on where it stood. Several processes can share it (network.py).

    Parameters
    ----------
    visits, vocabulary, labels
        Files visits.arrow, vocabulary.parquet and labels.parquet of one task and encoding.
    task, model, encoding
        Their sections of the configuration, filled; of the task ``split`` is used.
    fold, parts
        The fold, and the number of parts of the site.
    seed
        With the fold and the model's own seed, decides the initial weights, the dropout and the
        order of the batches.
    folder
        Where the files go.
    vectors
        File vectors.safetensors of the fold, from which a network's embedding starts and whose sums
        a model on counts reads; None where the encoding has none.
    device
        Where this process trains: cpu, or cuda with a number.

    Raises
    ------
    UserError
        Task and model do not go together, no training visit has a label, or training diverges.
    """
    _require(task, encoding, model)
    files = {"visits": visits, "vocabulary": vocabulary, "labels": labels}
    split, least = task["split"], encoding["min_count"]
    data = read_forecast_data(files, 1, least, fold, parts, split=split)
    sections = {"model": dict(model), "encoding": dict(encoding), "task": dict(task), "seed": seed}
    ranks, place = Ranks.here(), torch.device(device)
    where = {"fold": fold, "parts": parts, "world": ranks.world, "device": place.type}
    parameters = {**sections, **where}
    inputs = [*files.values(), *([vectors] if vectors else [])]
    checkpoint = Checkpoint(folder / "checkpoint", training_digest(inputs, parameters, __name__))
    built = with_vectors(network_section(model), encoding)
    network, history, chosen = fit_next_visit(
        data,
        built,
        split,
        begin=partial(begin_fresh, vectors=vectors, known=data.trajectories.known),
        seeds=seed_sequence(seed, fold, built),
        checkpoint=checkpoint,
        device=place,
    )
    if not ranks.leads:
        return
    write_network(network, history, chosen, folder)
    training = _card_of_training(data, history, chosen, split)
    _write_card(folder, sections | _card_of_data(data, split) | training)
    checkpoint.remove()


def count_labels(
    *,
    visits: Path,
    vocabulary: Path,
    labels: Path,
    task: Mapping[str, Any],
    model: Mapping[str, Any],
    encoding: Mapping[str, Any],
    fold: int,
    parts: int,
    folder: Path,
) -> None:
    """Write model.json of a model of kind most_frequent or last_visit; as ``train_next_visit``."""
    _require(task, encoding, model)
    files = {"visits": visits, "vocabulary": vocabulary, "labels": labels}
    split, least = task["split"], encoding["min_count"]
    data = read_forecast_data(files, 1, least, fold, parts, split=split)
    sections = {"model": dict(model), "encoding": dict(encoding), "task": dict(task)}
    folder.mkdir(parents=True, exist_ok=True)
    _write_card(folder, sections | _card_of_data(data, split))


def _require(
    task: Mapping[str, Any], encoding: Mapping[str, Any], model: Mapping[str, Any]
) -> None:
    """Raise where the sections do not go together."""
    reason = refusal(task, encoding, model)
    if reason is not None:
        raise UserError(f"The task, the encoding and the model do not go together: {reason}.")


def _write_card(folder: Path, card: Mapping[str, Any]) -> None:
    text = json.dumps({"kind": card["model"]["kind"], **card}, indent=2)
    (folder / "model.json").write_text(text + "\n", encoding="utf-8")


def fit_next_visit(
    data: ForecastData,
    model: Mapping[str, Any],
    split: str,
    *,
    begin: Begin,
    seeds: np.random.SeedSequence,
    checkpoint: Checkpoint | None = None,
    device: torch.device = CPU,
    trained: bool = False,
    watch: Watch | None = None,
    shown: bool = True,
) -> tuple[NextVisitNetwork, list[Losses], int]:
    """Train a network; its losses by epoch, and the epoch that was kept.

    Parameters
    ----------
    data
        The rows, and the codes and labels that the network knows.
    model
        Section of ``network_section``, with the size of the vectors (``with_vectors``).
    split
        With ``paper`` the last epoch is kept, and there are at most ``PAPER_EPOCHS``.
    begin
        Sets the weights before the first step.
    trained
        Whether that makes it a network which was trained before, and may stay as it came.
    seeds
        Of the initial weights and the dropout, and of the order of the batches.
    checkpoint, watch, shown
        As in ``fit``.
    device
        Where this process trains.

    Raises
    ------
    UserError
        Training diverges.
    """
    codes, asked = len(data.trajectories.known), len(data.trajectories.labels.known)
    keep = START if trained else BEST
    if split == "paper":
        keep = LAST_OF_TRAINED if trained else LAST
        model = {**model, "epochs": min(model["epochs"], PAPER_EPOCHS)}
    for_torch, for_batches = seeds.spawn(2)
    ranks = Ranks.here()
    # Initial weights and dropout draw from torch's global generators: the caller's are put back.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        # All ranks share the initial weights; the dropout of all but the first is their own.
        initial, *of_ranks = for_torch.generate_state(ranks.world, np.uint64).tolist()
        torch.manual_seed(initial)
        network = build_next_visit(model, codes, asked).to(device)
        if ranks.rank:
            torch.manual_seed(of_ranks[ranks.rank - 1])
        rows = (data.training, data.validation)
        objective = NextVisits(network, data.trajectories, *rows, l2=model["l2"])
        begin(network, objective)
        generator = np.random.default_rng(for_batches)
        history, chosen = fit(
            objective, model, generator, checkpoint, keep, watch=watch, shown=shown
        )
    return network, history, chosen


def begin_fresh(
    network: NextVisitNetwork,
    objective: NextVisits,
    *,
    vectors: Path | None,
    known: npt.NDArray[np.int32],
) -> None:
    """Begin with the vectors of the codes, if there are any, and the labels' base rates."""
    start_from_vectors(network.reader, vectors, known)
    objective.start_at_base_rates()


def trained_on(split: str) -> str:
    """Parts that a split trains on, in words."""
    if split == "paper":
        return "the training parts and the validation part, as the paper did"
    return "the training parts"


def _card_of_data(data: ForecastData, split: str) -> dict[str, Any]:
    """What model.json says of a fold's data."""
    counts, _ = label_counts(data.trajectories, data.training)
    known_labels = data.trajectories.labels.known
    return {
        "fold": data.fold,
        "parts": data.parts,
        "trained_on": trained_on(split),
        "persons": persons_seen(data.trajectories.visits, data.training, data.validation),
        "known": data.trajectories.known.tolist(),
        "known_labels": known_labels.tolist(),
        "label_visits": counts[: len(known_labels)].astype(int).tolist(),
    }


def _card_of_training(
    data: ForecastData, history: list[Losses], chosen: int, split: str
) -> dict[str, Any]:
    """What model.json says of a network's training."""
    losses = history[chosen - 1]
    stopping = early_stopping(history, chosen)
    if split == "paper":
        stopping["chosen_by"] = "the paper's rule: the last epoch, without early stopping"
    reason = {} if len(data.validation) else {"reason": "this part has no rows"}
    return {
        "early_stopping": stopping,
        "training": {"rows": len(data.training), "loss": losses.training},
        "validation": {"rows": len(data.validation), "loss": losses.validation, **reason},
    }


@dataclass(frozen=True, eq=False)
class NextVisitModel:
    """What was trained to predict the next visit.

    Attributes
    ----------
    kind
        Of the model.
    known, known_labels
        Ids of the codes and of the labels that it knows, ascending.
    label_visits
        In how many visits of the training rows each known label stands, shape (known_labels,).
    trained_on
        The parts that it was trained on, in words.
    validated
        Whether there is a part that was not trained on besides the test part.
    network
        In evaluation mode; None of a model without one.
    """

    kind: str
    known: npt.NDArray[np.int32]
    known_labels: npt.NDArray[np.int32]
    label_visits: npt.NDArray[np.int64]
    trained_on: str
    validated: bool
    network: NextVisitNetwork | None


def load_next_visit(folder: Path) -> NextVisitModel:
    """Rebuild the model of a folder of 4_train from model.json and its weights."""
    card = read_card(folder)
    known, labels = (np.array(card[key], dtype=np.int32) for key in ("known", "known_labels"))
    network = None
    if card["kind"] not in COUNTED_KINDS:
        # Building draws initial weights, soon overwritten, from torch's global generator.
        with torch.random.fork_rng(devices=[]):
            section = with_vectors(network_section(card["model"]), card["encoding"])
            network = build_next_visit(section, len(known), len(labels)).eval()
        network.load_state_dict(load_file(folder / "model.safetensors"))
    counts = np.array(card["label_visits"], dtype=np.int64)
    validated = card["task"]["split"] == "parts"
    return NextVisitModel(
        card["kind"], known, labels, counts, card["trained_on"], validated, network
    )
