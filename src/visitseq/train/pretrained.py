"""Train a recurrent classifier that starts from a pre-trained encoder, for one fold."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from visitseq.models.encoder_decoder import classifier_section
from visitseq.models.recurrent import build_classifier
from visitseq.train.checkpoint import Checkpoint, training_digest
from visitseq.train.classification import Classification
from visitseq.train.fit import Watch, fit
from visitseq.train.model_folder import write_card
from visitseq.train.network_files import early_stopping, write_network
from visitseq.train.pretraining import pretrain, start_from
from visitseq.train.seeds import seed_sequence
from visitseq.train.training_data import TrainingData, read_training_data
from visitseq.train.trials import Fitted, auroc_of, fit_trials
from visitseq.train.vectors import with_vectors


def train_pretrained(
    *,
    visits: Path,
    vocabulary: Path,
    model: Mapping[str, Any],
    encoding: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    folder: Path,
    vectors: Path | None = None,
) -> None:
    """Write model.safetensors, model.json and history.csv of a model of kind seq2seq, for onset.

    The weights are the classifier's; history.csv is that of its own training, and model.json says
    under ``pretraining`` how the encoder was trained. A call that was killed goes on where it
    stood, in either training.

    Parameters
    ----------
    visits, vocabulary
        Files visits.arrow and vocabulary.parquet of one task and encoding.
    model, encoding
        Their sections of the configuration, filled.
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
        The training parts lack cases or controls, none of their rows has visits enough to
        pre-train on, or training diverges.
    """
    data = read_training_data(visits, vocabulary, encoding, fold, parts)
    parameters = {"model": dict(model), "encoding": dict(encoding), "fold": fold, "parts": parts}
    inputs = [visits, vocabulary, *([vectors] if vectors else [])]
    digest = training_digest(inputs, {**parameters, "seed": seed}, __name__)
    checkpoint = Checkpoint(folder / "checkpoint", digest)
    fit_point = partial(fit_pretrained, data=data, encoding=encoding, vectors=vectors, seed=seed)
    fitted, search = fit_trials(model, checkpoint, fit_point)
    write_network(fitted.network, fitted.history, fitted.chosen, folder)
    write_card(
        folder,
        data,
        fitted.losses,
        model=fitted.model,
        encoding=encoding,
        seed=seed,
        early_stopping=early_stopping(fitted.history, fitted.chosen),
        pretraining=fitted.pretraining,
        search=search,
    )
    checkpoint.remove()


def fit_pretrained(
    model: Mapping[str, Any],
    checkpoint: Checkpoint | None,
    *,
    data: TrainingData,
    encoding: Mapping[str, Any],
    vectors: Path | None,
    seed: int,
    arm: Sequence[int] = (),
    watch: Watch | None = None,
    shown: bool = True,
) -> Fitted:
    """Pre-train an encoder with the settings ``model``, and a classifier from it.

    The parameters are those of ``train.network.fit_network``; the classifier's training is watched.
    """
    before = checkpoint.within("pretraining") if checkpoint else None
    for_torch, *for_batches = seed_sequence(seed, data.fold, model, arm).spawn(3)
    built = with_vectors(model, encoding)
    section = classifier_section(built)
    # Initial weights, cuts and dropout draw from torch's global generator: the caller's is put
    # back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(for_torch.generate_state(1, np.uint64)[0]))
        generator = np.random.default_rng(for_batches[0])
        start, pretraining = pretrain(data, built, generator, before, vectors, shown=shown)
        network = build_classifier(section, len(data.known))
        start_from(network, start)
        objective = Classification(network, data, l2=model["l2"], class_weights="none")
        objective.start_at_base_rate()
        generator = np.random.default_rng(for_batches[1])
        history, chosen = fit(objective, section, generator, checkpoint, watch=watch, shown=shown)
    return Fitted(model, network, history, chosen, partial(auroc_of, network, data), pretraining)
