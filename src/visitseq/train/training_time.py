"""How many seconds a network trains on how many patients: Choi et al., JAMIA 2017, Fig. 6.

The patients are nested random subsets of fold 0's training part, whole matched sets until the next
one would be too many: a larger subset holds the smaller ones. Each is trained on for 10 epochs as
in the paper, whatever the model's ``epochs``, from fresh weights and without a validation part. Of
a model with a ``search`` that is the first point of its grid: the study trains that one too, and
not the section's own values. The clock runs over the training loop: the epochs, and one look at the
loss before the first step. A training of an epoch on the smallest subset goes before and is not
counted: what torch and the compiled recurrence do once in a process would else be the first
subset's.

Seconds are those of this machine, and of all that ran beside.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from visitseq.models.networks import build_network
from visitseq.train.classification import Classification
from visitseq.train.fit import fit
from visitseq.train.search import grid_points
from visitseq.train.training_data import TrainingData, read_training_data
from visitseq.train.vectors import start_from_vectors, with_vectors
from visitseq.train.visits_read import visits_read

logger = logging.getLogger(__name__)

FOLD, EPOCHS = 0, 10


def time_training(
    *,
    visits: Path,
    vocabulary: Path,
    model: Mapping[str, Any],
    encoding: Mapping[str, Any],
    parts: int,
    seed: int,
    sizes: Sequence[int],
    table: Path,
    vectors: Path | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Write ``table``: asked (a size), patients (in the subset), hidden, epochs and seconds.

    ``hidden`` is the network's size as it was timed.

    Sizes larger than the training part are left out, and the log says so; so is one that holds no
    case or no control.

    Parameters
    ----------
    visits, vocabulary
        Files visits.arrow and vocabulary.parquet of one task and encoding.
    model, encoding
        Their sections of the configuration, filled; the model's kind is that of a network.
    parts
        The number of parts of the site.
    seed
        Decides the subsets, the initial weights, the dropout and the order of the batches.
    sizes
        Numbers of patients to train on.
    table
        Where the CSV file goes.
    vectors
        File vectors.safetensors of fold 0, from which the embedding starts; None where the
        encoding has none.
    clock
        Gives seconds.

    Raises
    ------
    UserError
        The training parts lack cases or controls, or training diverges.
    """
    model = {**model, **grid_points(model)[0]}
    data = read_training_data(visits, vocabulary, encoding, FOLD, parts)
    data = replace(data, sequences=visits_read(data.sequences, model, seed))
    run = partial(
        _seconds, model=with_vectors(model, encoding), vectors=vectors, seed=seed, clock=clock
    )
    subsets = {size: _subset(data, size, seed) for size in sorted(sizes)}
    timed = {size: rows for size, rows in subsets.items() if rows is not None}
    for rows in list(timed.values())[:1]:
        run(replace(data, training=rows), epochs=1)
    lines = [
        (size, len(rows), model["hidden"], EPOCHS, run(replace(data, training=rows)))
        for size, rows in timed.items()
    ]
    table.parent.mkdir(parents=True, exist_ok=True)
    columns = ["asked", "patients", "hidden", "epochs", "seconds"]
    pd.DataFrame(lines, columns=columns).to_csv(table, index=False, lineterminator="\n")


def _subset(data: TrainingData, size: int, seed: int) -> npt.NDArray[np.intp] | None:
    """Rows of a subset; None, said in the log, where it cannot be had or nothing is learned."""
    rows = nested_rows(data, size, seed)
    if size > len(data.training):
        logger.info("%d patients are left out: there are %d", size, len(data.training))
        return None
    if not 0 < data.sequences.label[rows].sum() < len(rows):
        logger.info("%d patients are left out: they lack cases or controls", size)
        return None
    return rows


def nested_rows(data: TrainingData, size: int, seed: int) -> npt.NDArray[np.intp]:
    """Training rows of at most ``size`` patients, ascending, in whole sets drawn at random.

    Without matching every person is a set.
    """
    sequences = data.sequences
    sets = sequences.subject_id if sequences.set_id.null_count else sequences.set_id.to_numpy()
    names, of_row = np.unique(sets[data.training], return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    taken = order[np.cumsum(np.bincount(of_row)[order]) <= size]
    return data.training[np.isin(of_row, taken)]


def _seconds(
    data: TrainingData,
    *,
    model: Mapping[str, Any],
    vectors: Path | None,
    seed: int,
    clock: Callable[[], float],
    epochs: int = EPOCHS,
) -> float:
    """Seconds of a training on the rows of ``data``."""
    data = replace(data, validation=data.validation[:0])
    settings = {**model, "epochs": epochs, "patience": epochs}
    # Initial weights and dropout draw from torch's global generator: the caller's is put back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(model, len(data.known))
        start_from_vectors(network, vectors, data.known)
        objective = Classification(
            network, data, l2=model["l2"], class_weights=model["class_weights"]
        )
        objective.start_at_base_rate()
        start = clock()
        fit(objective, settings, np.random.default_rng(seed))
        return clock() - start
