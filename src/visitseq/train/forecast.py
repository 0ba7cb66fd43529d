"""Train an encoder-decoder that forecasts visits, for one fold, and read it back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from visitseq.models.encoder_decoder import EncoderDecoder, build_encoder_decoder
from visitseq.train.checkpoint import Checkpoint, training_digest
from visitseq.train.fit import fit
from visitseq.train.forecast_data import ForecastData, read_forecast_data
from visitseq.train.forecasting import Forecasting
from visitseq.train.model_folder import persons_seen, read_card
from visitseq.train.network_files import early_stopping, write_network
from visitseq.train.seeds import seed_sequence
from visitseq.train.trials import Fitted, fit_trials
from visitseq.train.vectors import start_from_vectors, with_vectors


def train_forecast(
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
) -> None:
    """Write model.safetensors, model.json and history.csv of a model of kind seq2seq.

    A call that was killed goes on where it stood.

    Parameters
    ----------
    visits, vocabulary, labels
        Files visits.arrow, vocabulary.parquet and labels.parquet of one task and encoding.
    task, model, encoding
        Their sections of the configuration, filled; of the task ``visits_ahead`` is used.
    fold, parts
        The fold, and the number of parts of the site.
    seed
        With the fold and the model's own seed, decides the initial weights, the dropout and the
        order of the batches.
    folder
        Where the files go.
    vectors
        File vectors.safetensors of the fold, from which the encoder's embedding starts; None where
        the encoding has none.

    Raises
    ------
    UserError
        No training visit has a label, or training diverges.
    """
    files = {"visits": visits, "vocabulary": vocabulary, "labels": labels}
    data = read_forecast_data(files, task["visits_ahead"], encoding["min_count"], fold, parts)
    sections = {"model": dict(model), "encoding": dict(encoding), "seed": seed}
    parameters = {**sections, "task": dict(task), "fold": fold, "parts": parts}
    inputs = [*files.values(), *([vectors] if vectors else [])]
    digest = training_digest(inputs, parameters, __name__)
    checkpoint = Checkpoint(folder / "checkpoint", digest)
    fit_point = partial(_fit, data=data, encoding=encoding, vectors=vectors, seed=seed)
    fitted, search = fit_trials(model, checkpoint, fit_point)
    write_network(fitted.network, fitted.history, fitted.chosen, folder)
    sections["model"] = dict(fitted.model)
    found = {**({"search": search} if search else {}), **_card(data, fitted)}
    card = {"kind": model["kind"], **sections, **found}
    (folder / "model.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    checkpoint.remove()


def _fit(
    model: Mapping[str, Any],
    checkpoint: Checkpoint,
    *,
    data: ForecastData,
    encoding: Mapping[str, Any],
    vectors: Path | None,
    seed: int,
) -> Fitted:
    """Train an encoder-decoder with the settings ``model``."""
    codes, asked = len(data.trajectories.known), len(data.trajectories.labels.known)
    for_torch, for_batches = seed_sequence(seed, data.fold, model).spawn(2)
    # Initial weights, cuts and dropout draw from torch's global generator: the caller's is put
    # back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(for_torch.generate_state(1, np.uint64)[0]))
        network = build_encoder_decoder(with_vectors(model, encoding), codes, asked)
        start_from_vectors(network.encoder, vectors, data.trajectories.known)
        rows = (data.training, data.validation)
        objective = Forecasting(network, data.trajectories, *rows, l2=model["l2"])
        objective.start_at_base_rates()
        history, chosen = fit(objective, model, np.random.default_rng(for_batches), checkpoint)
    return Fitted(model, network, history, chosen, _no_auroc)


def _no_auroc() -> None:
    """A forecast has no cases: the validation loss chooses."""


def _card(data: ForecastData, fitted: Fitted) -> dict[str, Any]:
    """What model.json says of a fold's data and training."""
    losses = fitted.losses
    reason = {} if len(data.validation) else {"reason": "this part has no rows"}
    return {
        "visits_ahead": data.trajectories.ahead,
        "fold": data.fold,
        "parts": data.parts,
        "early_stopping": early_stopping(fitted.history, fitted.chosen),
        "training": {"rows": len(data.training), "loss": losses.training},
        "validation": {"rows": len(data.validation), "loss": losses.validation, **reason},
        "persons": persons_seen(data.trajectories.visits, data.training, data.validation),
        "known": data.trajectories.known.tolist(),
        "known_labels": data.trajectories.labels.known.tolist(),
    }


@dataclass(frozen=True, eq=False)
class Forecaster:
    """A trained encoder-decoder.

    Attributes
    ----------
    network
        In evaluation mode.
    known, known_labels
        Ids of the codes and of the labels that it knows, ascending.
    ahead
        How many visits it forecasts.
    """

    network: EncoderDecoder
    known: npt.NDArray[np.int32]
    known_labels: npt.NDArray[np.int32]
    ahead: int


def load_forecaster(folder: Path) -> Forecaster:
    """Rebuild the model of a folder of 4_train from its weights and model.json."""
    card = read_card(folder)
    known, labels = (np.array(card[key], dtype=np.int32) for key in ("known", "known_labels"))
    # Building draws initial weights, soon overwritten, from torch's global generator.
    with torch.random.fork_rng(devices=[]):
        section = with_vectors(card["model"], card["encoding"])
        network = build_encoder_decoder(section, len(known), len(labels))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return Forecaster(network.eval(), known, labels, card["visits_ahead"])
