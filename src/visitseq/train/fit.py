"""Fit a recurrent network and keep the epoch that the validation part likes best.

Before the first step the head's bias is set to the log odds of a case among the training rows, so
that no epochs are spent on finding the base rate. An epoch takes every training row once, in
shuffled batches; each batch is one step of Adam down

    mean log loss of the batch + l2 |w|^2          (w: the weights of the head)

After each epoch the log loss of the whole validation part is taken without dropout. Training stops
when it has not fallen for ``patience`` epochs, and the weights of its smallest value are put back.
Where the validation part is empty the training loss serves instead: the mean over the epoch's
rows, each as the network stood when its batch came, with dropout.
"""

import logging
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from visitseq.errors import UserError
from visitseq.models.batches import collate
from visitseq.models.recurrent import RecurrentClassifier
from visitseq.train.losses import Losses, log_loss
from visitseq.train.scoring import score_logits
from visitseq.train.shuffled_batches import shuffled_batches
from visitseq.train.training_data import TrainingData

log = logging.getLogger(__name__)


def fit(
    network: RecurrentClassifier,
    data: TrainingData,
    model: Mapping[str, Any],
    generator: np.random.Generator,
) -> tuple[list[Losses], int]:
    """Train ``network`` in place; it ends with the weights of the chosen epoch.

    Parameters
    ----------
    network
        The network, with its initial weights.
    data
        The fold's rows and codes.
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
        The loss is no longer finite.
    """
    if not len(data.validation):
        log.warning("the validation part has no rows: the training loss chooses the epoch")
    _start_at_base_rate(network, data)
    optimiser = torch.optim.Adam(network.parameters(), lr=model["learning_rate"])
    history: list[Losses] = []
    smallest, chosen, weights = math.inf, 0, network.state_dict()
    while len(history) < model["epochs"] and len(history) - chosen < model["patience"]:
        number = len(history) + 1
        training = _train_epoch(network, optimiser, data, model, generator, number=number)
        history.append(Losses(training, _validation_loss(network, data)))
        loss = history[-1].watched
        _require_finite(loss, number, model["learning_rate"])
        if loss < smallest:
            smallest, chosen = loss, number
            weights = {name: value.clone() for name, value in network.state_dict().items()}
        _report(history[-1], number, chosen)
    network.load_state_dict(weights)
    return history, chosen


def _start_at_base_rate(network: RecurrentClassifier, data: TrainingData) -> None:
    share = data.sequences.label[data.training].mean()
    torch.nn.init.constant_(network.head.bias, math.log(share / (1 - share)))


def _train_epoch(
    network: RecurrentClassifier,
    optimiser: torch.optim.Optimizer,
    data: TrainingData,
    model: Mapping[str, Any],
    generator: np.random.Generator,
    *,
    number: int,
) -> float:
    """Take every training row once; return their mean log loss."""
    network.train()
    lengths = data.sequences.lengths[data.training]
    batches = shuffled_batches(lengths, model["batch"], generator)
    total = 0.0
    shown = sys.stderr.isatty()
    with tqdm(
        total=len(lengths), desc=f"epoch {number}", unit="row", leave=False, disable=not shown
    ) as bar:
        for places in batches:
            rows = data.training[places]
            labels = torch.from_numpy(data.sequences.label[rows].astype(np.float32))
            logits = network(collate(data.sequences, rows, data.known))
            loss = functional.binary_cross_entropy_with_logits(logits, labels)
            penalty = model["l2"] * network.head.weight.square().sum()
            optimiser.zero_grad()
            (loss + penalty).backward()
            optimiser.step()
            total += loss.item() * len(rows)
            bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
            bar.update(len(rows))
    return total / len(lengths)


def _validation_loss(network: RecurrentClassifier, data: TrainingData) -> float | None:
    if not len(data.validation):
        return None
    logits = score_logits(network, data.sequences, data.validation, data.known)
    return log_loss(logits, data.sequences.label[data.validation])


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
