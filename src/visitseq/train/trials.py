"""Fit the points of a network's search one after the other, and keep the best (search.py).

Each point has a checkpoint of its own, ``checkpoint/trial0`` and so on, which stays until the model
is written: a search that was killed goes on where it stood, and of a point that had ended the end
is read, not trained again. All points begin with the same seeds.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from visitseq.train.checkpoint import Checkpoint
from visitseq.train.losses import Losses
from visitseq.train.scoring import score_logits
from visitseq.train.search import Trial, area_under_roc, choose_trial, grid_points, search_json
from visitseq.train.training_data import TrainingData

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network.

    Attributes
    ----------
    model
        The settings with which it was trained.
    network
        With the weights of the chosen epoch.
    history, chosen
        Losses of the epochs, and the number (from 1) of the one that was kept.
    auroc
        Gives the AUROC of the validation part; None where that has none.
    pretraining
        What model.json says of it, where there was any.
    """

    model: Mapping[str, Any]
    network: nn.Module
    history: Sequence[Losses]
    chosen: int
    auroc: Callable[[], float | None]
    pretraining: Mapping[str, Any] | None = None

    @property
    def losses(self) -> Losses:
        """Losses of the chosen epoch."""
        return self.history[self.chosen - 1]


def fit_trials(
    model: Mapping[str, Any],
    checkpoint: Checkpoint | None,
    fit_point: Callable[[Mapping[str, Any], Checkpoint | None], Fitted],
) -> tuple[Fitted, dict[str, Any] | None]:
    """Fit every point of the model's search; without a search the model as it stands.

    Parameters
    ----------
    model
        The model's section of the configuration; ``search`` is used.
    checkpoint
        Of the model; those of the points stand in its folder. None keeps nothing.
    fit_point
        Trains a network from settings (the section with a point's values in it) and a checkpoint.

    Returns
    -------
    fitted, search
        The best network, and what model.json says of the search; None without one.

    Raises
    ------
    UserError
        The training of a point diverges.
    """
    if not model["search"]:
        return fit_point(model, checkpoint), None
    trials: list[Trial] = []
    points = grid_points(model)
    for place, point in enumerate(points):
        log.info("point %d of %d of the search: %s", place + 1, len(points), point)
        own = checkpoint.within(f"trial{place}") if checkpoint else None
        fitted = fit_point({**model, **point}, own)
        trials.append(Trial(point, fitted.auroc(), fitted.losses.validation))
        if choose_trial(trials) == place:
            best = fitted
    return best, search_json(trials, choose_trial(trials))


def auroc_of(network: nn.Module, data: TrainingData) -> float | None:
    """AUROC of the validation part of ``data``; the network comes to the CPU for it."""
    logits = score_logits(network.cpu(), data.sequences, data.validation, data.known)
    return area_under_roc(data.sequences.label[data.validation], logits)
