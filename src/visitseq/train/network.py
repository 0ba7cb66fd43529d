"""Train a network for one fold and write its folder.

One process trains one model. A model that outgrows one device can be shared by several (ranks.py):

    torchrun --standalone --nproc-per-node 2 -m visitseq.train arguments.json

where arguments.json holds the arguments of ``train_model`` by name, paths as strings; or, in a
script of your own that torchrun starts, between ``torch.distributed.init_process_group`` and
``destroy_process_group``, call ``train_model`` in every process with the same arguments. The loss
curve is that of one process with the same ``batch``, which stays the size of the whole batch, but
for dropout's draws and the rounding of sums.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from visitseq.models.networks import build_network
from visitseq.train.checkpoint import Checkpoint, training_digest
from visitseq.train.classification import Classification
from visitseq.train.fit import Watch, fit
from visitseq.train.model_folder import write_card
from visitseq.train.network_files import early_stopping, write_network
from visitseq.train.ranks import Ranks
from visitseq.train.seeds import seed_sequence
from visitseq.train.training_data import TrainingData, read_training_data
from visitseq.train.trials import Fitted, auroc_of, fit_trials
from visitseq.train.vectors import start_from_vectors, with_vectors
from visitseq.train.visits_read import visits_read

CPU = torch.device("cpu")


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
    """Write model.safetensors, model.json and history.csv of a network that scores each row.

    While it runs the state of its last epoch stands in ``folder``/checkpoint, and a call with the
    same arguments goes on from there. With a search the weights and the history are those of the
    settings that were chosen; model.json has the settings and all that were tried.

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
        order of the batches; with the subject, the order of shuffled visits.
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
    fit_point = partial(
        fit_network, data=data, encoding=encoding, vectors=vectors, seed=seed, device=place
    )
    fitted, search = fit_trials(model, checkpoint, fit_point)
    if not ranks.leads:
        return
    write_network(fitted.network, fitted.history, fitted.chosen, folder)
    write_card(
        folder,
        data,
        fitted.losses,
        model=fitted.model,
        encoding=encoding,
        seed=seed,
        early_stopping=early_stopping(fitted.history, fitted.chosen),
        search=search,
    )
    checkpoint.remove()


def fit_network(
    model: Mapping[str, Any],
    checkpoint: Checkpoint | None,
    *,
    data: TrainingData,
    encoding: Mapping[str, Any],
    vectors: Path | None,
    seed: int,
    device: torch.device = CPU,
    arm: Sequence[int] = (),
    watch: Watch | None = None,
    shown: bool = True,
) -> Fitted:
    """Train a network with the settings ``model``.

    Parameters
    ----------
    model, encoding
        Sections of the configuration.
    checkpoint, watch, shown
        As in ``fit``.
    data
        The rows, and the codes that the network knows.
    vectors, seed, device
        As in ``train_model``.
    arm
        What sets the seeds apart from those of the model at home (``seed_sequence``).
    """
    data = replace(data, sequences=visits_read(data.sequences, model, seed))
    for_torch, for_batches = seed_sequence(seed, data.fold, model, arm).spawn(2)
    generator = np.random.default_rng(for_batches)
    # Initial weights and dropout draw from torch's global generators: the caller's are put back.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seeds = for_torch.generate_state(1 + Ranks.here().world, np.uint64).tolist()
        objective = _start(with_vectors(model, encoding), data, vectors, device, seeds)
        history, chosen = fit(objective, model, generator, checkpoint, watch=watch, shown=shown)
    network = objective.network
    return Fitted(model, network, history, chosen, partial(auroc_of, network, data))


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
    network = build_network(model, len(data.known))
    start_from_vectors(network, vectors, data.known)
    network = network.to(device)
    torch.manual_seed(seeds[1 + Ranks.here().rank])
    objective = Classification(network, data, l2=model["l2"], class_weights=model["class_weights"])
    objective.start_at_base_rate()
    return objective
