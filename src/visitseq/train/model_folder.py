"""The files beside the weights: model.json, from which the model is rebuilt, and history.csv."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from visitseq.cohort.parts import digest_of_persons
from visitseq.encode.sequences import VisitLists
from visitseq.train.losses import Losses
from visitseq.train.training_data import TrainingData


def write_history(history: Sequence[Losses], chosen: int, folder: Path) -> None:
    """Write history.csv: epoch (from 1), training_loss, validation_loss, chosen.

    An epoch of trees is a tree; what is fitted in one go has one epoch, or none without a loss.
    ``validation_loss`` is empty where the validation part has no rows; ``chosen`` is the number
    of the epoch whose weights were kept.
    """
    table = pd.DataFrame(
        {
            "epoch": range(1, len(history) + 1),
            "training_loss": [losses.training for losses in history],
            "validation_loss": [losses.validation for losses in history],
            "chosen": [epoch == chosen for epoch in range(1, len(history) + 1)],
        }
    )
    table.to_csv(folder / "history.csv", index=False, lineterminator="\n")


def write_card(
    folder: Path,
    data: TrainingData,
    losses: Losses | None,
    *,
    model: Mapping[str, Any],
    encoding: Mapping[str, Any],
    seed: int,
    early_stopping: Mapping[str, Any] | None = None,
    pretraining: Mapping[str, Any] | None = None,
    search: Mapping[str, Any] | None = None,
    window: Mapping[str, int] | None = None,
) -> None:
    """Write model.json: with the weights, all that is needed to score new sequences.

    Its keys are kind, model and encoding (their sections of the configuration), fold, parts, seed,
    early_stopping (of a network), pretraining and search (where there was any), window (of a
    classical model), training and validation (rows, cases, loss and, where the loss is null, the
    reason), persons (``persons_seen``), known (vocabulary ids, ascending) and codes (their names).
    Searched settings stand in model with the values kept.

    Parameters
    ----------
    folder
        Where model.json goes.
    data
        The fold's rows and codes.
    losses
        Losses of the model as it is saved; None where its scores are no probabilities.
    model, encoding, seed, early_stopping, pretraining, search, window
        Written as they are.
    """
    labels = data.sequences.label
    card = {
        "kind": model["kind"],
        "model": dict(model),
        "encoding": dict(encoding),
        "fold": data.fold,
        "parts": data.parts,
        "seed": seed,
        **({"early_stopping": dict(early_stopping)} if early_stopping else {}),
        **({"pretraining": dict(pretraining)} if pretraining else {}),
        **({"search": dict(search)} if search else {}),
        **({"window": dict(window)} if window else {}),
        "training": _part(labels[data.training], losses.training if losses else None),
        "validation": _part(labels[data.validation], losses.validation if losses else None),
        "persons": persons_seen(data.sequences, data.training, data.validation),
        "known": data.known.tolist(),
        "codes": data.codes,
    }
    (folder / "model.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def persons_seen(
    visits: VisitLists, training: npt.NDArray[np.intp], validation: npt.NDArray[np.intp]
) -> dict[str, str]:
    """Digests of the persons of the training rows and of the validation rows."""
    rows = {"training": training, "validation": validation}
    return {part: digest_of_persons(visits.subject_id[own]) for part, own in rows.items()}


def read_card(folder: Path) -> dict[str, Any]:
    """Read model.json."""
    card: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return card


def _part(labels: npt.NDArray[np.bool_], loss: float | None) -> dict[str, Any]:
    part = {"rows": len(labels), "cases": int(labels.sum()), "loss": loss}
    if loss is not None:
        return part
    no_loss = "scores of this kind are no probabilities" if len(labels) else "this part has no rows"
    return {**part, "reason": no_loss}
