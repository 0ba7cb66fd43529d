"""Estimates that rest on few persons are withheld, and what a mean would tell of them.

A fold whose test part has fewer cases or controls than the study's minimum (persons, where visits
are predicted) shows none of its metrics. The mean over the folds would give a single one away: with
it others are withheld, those with fewest persons first, until the withheld folds together have
enough. The mean is shown then, to two decimals and without what tells how the folds vary: a share
of few with all its digits says of how many (0.3167 over two folds is 2 of 6 and 3 of 10). Where
they never have enough, the mean is withheld too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.figures.small_cells import SUPPRESSED, hidden_levels, may_show

Floats = npt.NDArray[np.float64]

DECIMALS = 2


class _Visits(Protocol):
    """Visits that were predicted, by person."""

    @property
    def groups(self) -> Groups: ...


class _VisitFold(Protocol):
    """A fold whose groups are persons, and its metrics."""

    @property
    def visits(self) -> _Visits: ...

    @property
    def metrics(self) -> dict[str, Estimate]: ...


Fold = TypeVar("Fold", bound=_VisitFold)


class Withheld(NamedTuple):
    """Which folds show no metric, and whether the mean over the folds shows none."""

    folds: tuple[bool, ...]
    mean: bool

    @property
    def any(self) -> bool:
        """Whether a fold is withheld, so that the mean is rounded."""
        return any(self.folds)

    def of_fold(self, place: int, metrics: Mapping[str, Estimate]) -> dict[str, Estimate]:
        """Metrics of the fold at ``place``, as far as they are shown."""
        return suppress(metrics) if self.folds[place] else dict(metrics)

    def of_mean(self, estimate: Estimate) -> Estimate:
        """Give what is shown of an estimate that rests on all folds."""
        if self.mean:
            return undefined(SUPPRESSED)
        if not self.any:
            return estimate
        value, low, high = (round(number, DECIMALS) for number in estimate[:3])
        return Estimate(value, low, high, estimate.reason)

    def of_draws(self, drawn: Mapping[str, Floats]) -> dict[str, Floats]:
        """Bootstrap draws of the means that are shown, as exact as these are."""
        if self.mean:
            return {}
        return {name: np.round(d, DECIMALS) if self.any else d for name, d in drawn.items()}


def withheld_folds(cells: Sequence[Sequence[int]], minimum: int) -> Withheld:
    """Decide which folds are withheld.

    Parameters
    ----------
    cells
        Cases and controls (or persons) of each fold's test part, shape (folds, cells).
    minimum
        Smallest number, but 0, that may show.
    """
    hidden = hidden_levels(cells, minimum)
    together = [
        sum(cell)
        for cell in zip(*(own for own, h in zip(cells, hidden, strict=True) if h), strict=True)
    ]
    return Withheld(tuple(hidden), not all(may_show(number, minimum) for number in together))


def suppress(metrics: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Withhold every metric."""
    return {name: undefined(SUPPRESSED) for name in metrics}


def shown_folds(
    folds: Sequence[Fold], means: Mapping[str, Estimate], minimum: int
) -> tuple[list[Fold], dict[str, Estimate]]:
    """Folds and means of a model that predicts visits, as far as their metrics are shown."""
    withheld = withheld_folds([(len(fold.visits.groups.ids),) for fold in folds], minimum)
    shown = [
        replace(fold, metrics=withheld.of_fold(place, fold.metrics))  # type: ignore[type-var]
        for place, fold in enumerate(folds)
    ]
    return shown, {name: withheld.of_mean(estimate) for name, estimate in means.items()}
