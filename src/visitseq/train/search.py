"""The search for a model's settings: every point of a stated grid, judged on the validation part.

``search`` in a model's section names settings with the values that are tried, in order; the grid is
their product, the last setting changing fastest. Every model of a study gets the same budget by
having grids of equal size. Each fold searches for itself: a point is fitted on the fold's training
parts, and the one with the largest AUROC on its validation part is kept (the smallest validation
loss where the AUROC is the same, then the first). AUROC is the measure because every kind of model
has it, whether its scores are probabilities or not. The test part has no say.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.mid_ranks import mid_ranks


@dataclass(frozen=True)
class Trial:
    """One point of the grid, and what the validation part says of it.

    Attributes
    ----------
    settings
        The searched settings alone.
    auroc
        On the validation part; None where it lacks cases or controls.
    loss
        Mean log loss on the validation part; None where it has no rows, or where scores are no
        probabilities.
    """

    settings: Mapping[str, Any]
    auroc: float | None
    loss: float | None

    def to_json(self) -> dict[str, Any]:
        """Give the entry of model.json."""
        return {**self.settings, "validation_auroc": self.auroc, "validation_loss": self.loss}


def grid_points(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Searched settings of each point of a model's grid; one empty point without a search."""
    search = model["search"]
    return [dict(zip(search, values, strict=True)) for values in product(*search.values())]


def choose_trial(trials: Sequence[Trial]) -> int:
    """Place of the trial that the validation part likes best; the first where it has no say."""
    return min(range(len(trials)), key=lambda place: _rank(trials[place]))


def _rank(trial: Trial) -> tuple[float, float]:
    auroc = -1.0 if trial.auroc is None else trial.auroc
    return -auroc, math.inf if trial.loss is None else trial.loss


def search_json(trials: Sequence[Trial], chosen: int) -> dict[str, Any]:
    """What model.json says of a search: every trial in the order of the grid, and the one kept."""
    return {
        "chosen_by": _chosen_by(trials[chosen]),
        "chosen": chosen,
        "trials": [trial.to_json() for trial in trials],
    }


def _chosen_by(trial: Trial) -> str:
    if trial.auroc is not None:
        return "AUROC of the validation part"
    if trial.loss is not None:
        return "loss of the validation part, which has no AUROC"
    return "order: the validation part lacks cases or controls"


def area_under_roc(labels: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float | None:
    """AUROC of a part's rows; None where they lack a class.

    It is the Mann-Whitney statistic: with R the sum of the cases' mid-ranks and n cases,
    (R - n (n + 1) / 2) / (cases x controls).
    """
    cases, controls = int(labels.sum()), int((~labels).sum())
    if not (cases and controls):
        return None
    wins = mid_ranks(scores)[labels].sum() - cases * (cases + 1) / 2
    return float(wins / (cases * controls))
