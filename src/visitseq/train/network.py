"""Train a recurrent network for one fold and write its folder.

One process trains one model. A model that outgrows one device can be shared by several (ranks.py):

    torchrun --standalone --nproc-per-node 2 -m visitseq.train arguments.json

where arguments.json holds the arguments of ``train_model`` by name, paths as strings; or, in a
script of your own that torchrun starts, between ``torch.distributed.init_process_group`` and
``destroy_process_group``, call ``train_model`` in every process with the same arguments. The loss
curve is that of one process with the same ``batch``, which stays the size of the whole batch, but
for dropout's draws and the rounding of sums.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from visitseq.models.recurrent import build_classifier
from visitseq.train.checkpoint import Checkpoint, training_digest
from visitseq.train.classification import Classification
from visitseq.train.fit import fit
from visitseq.train.model_folder import write_card
from visitseq.train.network_files import early_stopping, write_network
from visitseq.train.ranks import Ranks
from visitseq.train.training_data import TrainingData, read_training_data
from visitseq.train.vectors import start_from_vectors, with_vectors


def train_model(
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
    device: str = "cpu",
) -> None:
    """Write model.safetensors, model.json and history.csv of a model of kind recurrent.

    While it runs the state of its last epoch stands in ``folder``/checkpoint, and a call with the
    same arguments goes on from there.

    Parameters
    ----------
    visits, vocabulary
        Files visits.arrow and vocabulary.parquet of one task and encoding.
    model, encoding
        Their sections of the configuration, filled.
    fold, parts
        The fold, and the number of parts of the site.
    seed
        With the fold, decides the initial weights, the dropout and the order of the batches.
    folder
        Where the files go.
    vectors
        File vectors.safetensors of the fold, from which the embedding starts; None where the
        encoding has none.
    device
        Where this process trains: cpu, or cuda with a number.

    Raises
    ------
    UserError
        The training parts lack cases or controls, or training diverges.
    """
    data = read_training_data(visits, vocabulary, encoding, fold, parts)
    ranks, place = Ranks.here(), torch.device(device)
    parameters = {"model": dict(model), "encoding": dict(encoding), "fold": fold, "parts": parts}
    where = {"seed": seed, "world": ranks.world, "device": place.type}
    inputs = [visits, vocabulary, *([vectors] if vectors else [])]
    digest = training_digest(inputs, {**parameters, **where}, __name__)
    checkpoint = Checkpoint(folder / "checkpoint", digest)
    for_torch, for_batches = np.random.SeedSequence([seed, fold]).spawn(2)
    # Initial weights and dropout draw from torch's global generators: the caller's are put back.
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        seeds = for_torch.generate_state(1 + ranks.world, np.uint64).tolist()
        objective = _start(with_vectors(model, encoding), data, vectors, place, seeds)
        history, chosen = fit(objective, model, np.random.default_rng(for_batches), checkpoint)
    if not ranks.leads:
        return
    write_network(objective.network, history, chosen, folder)
    write_card(
        folder,
        data,
        history[chosen - 1],
        model=model,
        encoding=encoding,
        seed=seed,
        early_stopping=early_stopping(history, chosen),
    )
    checkpoint.remove()


def _start(
    model: Mapping[str, Any],
    data: TrainingData,
    vectors: Path | None,
    device: torch.device,
    seeds: Sequence[int],
) -> Classification:
    """Make the network as it is before its first step.

    ``seeds`` are the initial weights', which all ranks share, and the dropout's of each rank.
    """
    torch.manual_seed(seeds[0])
    network = build_classifier(model, len(data.known))
    start_from_vectors(network, vectors, data.known)
    network = network.to(device)
    torch.manual_seed(seeds[1 + Ranks.here().rank])
    objective = Classification(network, data, l2=model["l2"], class_weights=model["class_weights"])
    objective.start_at_base_rate()
    return objective
