"""Fit an encoder-decoder: for a number of epochs, or until the validation part likes it no more.

An epoch takes every row once, in shuffled batches, and cuts it anew at random: K visits in a row,
anywhere after the first, are written from those before them. What is predicted in use, the last K,
is one of the cuts; a row of n visits teaches n - K of them. Each batch is one step of Adam down

    mean loss of the written visits that have labels + l2 |V|^2      (V: the weights of the head)

with the true labels given to the decoder (teacher forcing). The loss of an epoch is the mean over
all written visits that have labels, never a mean of the batches' means; that of the validation part
likewise, of the last K visits of each row and without dropout. Before the first step the head's
bias b is set to what the training visits say of each label without regard to history,

    multinomial   b_j = log (n_j + 1)
    sigmoid       b_j = log (n_j + 1) / (n - n_j + 1)

with n visits that have labels, n_j of them the label j.
"""

import logging
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from visitseq.encode.sequences import Integers, code_positions, gather_lists
from visitseq.errors import UserError
from visitseq.models.encoder_decoder import EncoderDecoder
from visitseq.models.forecast_batches import Trajectories, collate_forecast
from visitseq.train.losses import Losses
from visitseq.train.shuffled_batches import shuffled_batches

log = logging.getLogger(__name__)

#: Rows whose loss is taken at once outside training.
BATCH = 512

Rows = npt.NDArray[np.intp]


def fit_decoder(
    network: EncoderDecoder,
    data: Trajectories,
    rows: Mapping[str, Rows],
    model: Mapping[str, Any],
    generator: np.random.Generator,
) -> tuple[list[Losses], int]:
    """Train ``network`` in place until the validation loss has not fallen for a while.

    Parameters
    ----------
    network
        The network, with its initial weights; it ends with those of the chosen epoch.
    data
        Visits and labels.
    rows
        ``training``: rows to learn from; ``validation``: rows that choose the epoch, which the
        training loss does where there are none.
    model
        The model's section of the configuration: learning_rate, l2, batch, epochs, patience.
    generator
        Decides the order of the batches. Dropout draws from torch's global generator.

    Returns
    -------
    history, chosen
        Losses of the epochs run, and the number (from 1) of the epoch that was kept.

    Raises
    ------
    UserError
        The loss is no longer finite, or no training visit has a label.
    """
    training, validation = rows["training"], rows["validation"]
    if not len(validation):
        log.warning("the validation part has no rows: the training loss chooses the epoch")
    optimiser = start(network, data, training, model)
    history: list[Losses] = []
    smallest, chosen, weights = math.inf, 0, network.state_dict()
    while len(history) < model["epochs"] and len(history) - chosen < model["patience"]:
        number = len(history) + 1
        loss = run_epoch(
            network, optimiser, data, training, model=model, generator=generator, number=number
        )
        history.append(Losses(loss, taught_loss(network, data, validation)))
        if history[-1].watched < smallest:
            smallest, chosen = history[-1].watched, number
            weights = {name: value.clone() for name, value in network.state_dict().items()}
        _report(history[-1], number, chosen)
    network.load_state_dict(weights)
    return history, chosen


def start(
    network: EncoderDecoder, data: Trajectories, rows: Rows, model: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """Set the head's bias to the base rates in ``rows`` and return the optimiser."""
    counts, visits = _label_counts(data, rows)
    if not visits:
        raise UserError(
            f"None of the {len(rows)} training rows has a visit with a label to learn from. Name "
            "other labels or domains, lower min_count, or widen the cohort."
        )
    odds = (
        counts + 1 if network.loss_name == "multinomial" else (counts + 1) / (visits - counts + 1)
    )
    with torch.no_grad():
        network.head.bias.copy_(torch.from_numpy(np.log(odds)))
    return torch.optim.Adam(network.parameters(), lr=model["learning_rate"])


def run_epoch(
    network: EncoderDecoder,
    optimiser: torch.optim.Optimizer,
    data: Trajectories,
    rows: Rows,
    *,
    model: Mapping[str, Any],
    generator: np.random.Generator,
    number: int,
) -> float:
    """Take every one of ``rows`` once; return the mean loss of their written visits."""
    network.train()
    ends = random_ends(data, rows, generator)
    batches = shuffled_batches(ends - data.visits.visit_offsets[rows], model["batch"], generator)
    total, visits, shown = 0.0, 0, sys.stderr.isatty()
    with tqdm(
        total=len(rows), desc=f"epoch {number}", unit="row", leave=False, disable=not shown
    ) as bar:
        for places in batches:
            losses = network.losses(collate_forecast(data, rows[places], ends[places]))
            if len(losses):
                penalty = model["l2"] * network.head.weight.square().sum()
                optimiser.zero_grad()
                torch.autograd.backward(losses.mean() + penalty)
                optimiser.step()
            total += losses.sum().item()
            visits += len(losses)
            bar.update(len(places))
    mean = total / visits if visits else math.nan
    _require_finite(mean, number, model["learning_rate"])
    return mean


def taught_loss(network: EncoderDecoder, data: Trajectories, rows: Rows) -> float | None:
    """Mean loss of the last visits of ``rows``, without dropout; None where none has a label."""
    total, visits = 0.0, 0
    network.eval()
    with torch.inference_mode():
        for first in range(0, len(rows), BATCH):
            batch = rows[first : first + BATCH]
            losses = network.losses(
                collate_forecast(data, batch, data.visits.visit_offsets[batch + 1])
            )
            total += losses.sum(dtype=torch.float64).item()
            visits += len(losses)
    return total / visits if visits else None


def random_ends(data: Trajectories, rows: Rows, generator: np.random.Generator) -> Integers:
    """For each row the visit after the last that is written, uniform among all that can be."""
    starts, choices = data.visits.visit_offsets[rows], data.visits.lengths[rows] - data.ahead
    return starts + data.ahead + 1 + generator.integers(0, choices)


def _label_counts(data: Trajectories, rows: Rows) -> tuple[npt.NDArray[np.float64], int]:
    """In how many visits of ``rows`` each known label stands, and how many have any."""
    visits, _ = gather_lists(data.visits.visit_offsets, rows)
    entries, offsets = gather_lists(data.labels.offsets, visits)
    positions = code_positions(data.labels.ids[entries], data.labels.known)
    visit = np.repeat(np.arange(len(visits)), np.diff(offsets))[positions >= 0]
    counts = np.bincount(positions[positions >= 0], minlength=max(len(data.labels.known), 1))
    return counts.astype(np.float64), len(np.unique(visit))


def _require_finite(loss: float, number: int, learning_rate: float) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"Training diverged: the loss of epoch {number} is {loss}; lower the model's "
            f"learning_rate (it is {learning_rate})."
        )


def _report(losses: Losses, number: int, chosen: int) -> None:
    validation = "none" if losses.validation is None else f"{losses.validation:.4f}"
    log.info(
        "epoch %d: training loss %.4f, validation loss %s, best epoch %d",
        number,
        losses.training,
        validation,
        chosen,
    )
