"""Train a classical model for one fold and write its folder.

The features (features.py) are taken from the task's window. Each point of the model's search is
fitted to the training rows, and the one that the validation rows like best is kept (search.py).
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visitseq.encode.vectors import read_vectors
from visitseq.train.classical import fit_kind, save_classical, score_features
from visitseq.train.features import Features, Matrix, Window
from visitseq.train.fitted import Fitted, Part
from visitseq.train.model_folder import write_card, write_history
from visitseq.train.search import (
    Trial,
    area_under_roc,
    choose_trial,
    grid_points,
    search_json,
)
from visitseq.train.training_data import TrainingData, read_training_data

log = logging.getLogger(__name__)


def train_baseline(
    *,
    visits: Path,
    vocabulary: Path,
    task: Mapping[str, Any],
    model: Mapping[str, Any],
    encoding: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    folder: Path,
    vectors: Path | None = None,
) -> None:
    """Write model.skops, model.json and history.csv of a classical model.

    Parameters
    ----------
    visits, vocabulary
        Files visits.arrow and vocabulary.parquet of one task and encoding.
    task, model, encoding
        Their sections of the configuration, filled; of the task the window's months are read.
    fold, parts
        The fold, and the number of parts of the site.
    seed
        With the fold, decides the initial weights and the batches of an mlp; no other kind draws
        anything at random.
    folder
        Where the files go.
    vectors
        The fold's vectors.safetensors, if the encoding has vectors.

    Raises
    ------
    UserError
        The training parts lack cases or controls.
    """
    data = read_training_data(visits, vocabulary, encoding, fold, parts)
    features = features_of(model, data.known, task, vectors)
    training, validation = parts_of(data, features)
    log.info("%d features of kind %s", training.features.shape[1], model["features"])
    seeds = np.random.SeedSequence([seed, fold])
    fitted, trials, kept = fit_best(model, training, validation, seeds)
    folder.mkdir(parents=True, exist_ok=True)
    save_classical(fitted.model, features, folder / "model.skops")
    write_history(fitted.history, fitted.chosen, folder)
    write_card(
        folder,
        data,
        fitted.history[fitted.chosen - 1] if fitted.history else None,
        model={**model, **trials[kept].settings},
        encoding=encoding,
        seed=seed,
        window=features.window._asdict(),
        search=search_json(trials, kept) if model["search"] else None,
    )


def features_of(
    model: Mapping[str, Any],
    known: npt.NDArray[np.int32],
    task: Mapping[str, Any],
    vectors: Path | None,
) -> Features:
    """Give the features of a model that knows the codes ``known`` (ids, ascending)."""
    summed = read_vectors(vectors, known) if vectors else None
    return Features(model["features"], known, Window.of_task(task), summed)


def parts_of(data: TrainingData, features: Features) -> tuple[Part, Part]:
    """Features and labels of the training rows and of the validation rows."""
    training, validation = (data.sequences.take(rows) for rows in (data.training, data.validation))
    return (
        Part(features.matrix(training), training.label),
        Part(features.matrix(validation), validation.label),
    )


def fit_best(
    model: Mapping[str, Any],
    training: Part,
    validation: Part,
    seeds: np.random.SeedSequence,
    watched: Sequence[Matrix] = (),
) -> tuple[Fitted, list[Trial], int]:
    """Fit every point of the model's grid, and keep the one that the validation part likes best.

    Parameters
    ----------
    model
        The model's section.
    training, validation, seeds, watched
        As in ``fit_kind``.

    Returns
    -------
    fitted, trials, kept
        The model that is kept; all trials in the order of the grid, and its place among them.
    """
    fits, trials = [], []
    for settings in grid_points(model):
        fitted = fit_kind({**model, **settings}, training, validation, seeds, watched)
        scores = score_features(model["kind"], fitted.model, validation.features)
        auroc = area_under_roc(validation.labels, scores)
        loss = fitted.history[fitted.chosen - 1].validation if fitted.history else None
        fits.append(fitted)
        trials.append(Trial(settings, auroc, loss))
        log.info("%s: AUROC of the validation part %s", settings or "fitted", auroc)
    kept = choose_trial(trials)
    return fits[kept], trials, kept
