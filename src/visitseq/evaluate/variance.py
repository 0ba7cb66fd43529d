"""How much a metric varies over seeds, over folds, and by who happened to be tested.

With x_sf the metric of seed s (of S) in fold f (of F), and m_f the mean of fold f over the seeds:

    over seeds     V_s = mean over folds of the variance of x_sf over s (F (S - 1) degrees of
                   freedom)
    over folds     V_f = variance of m_f (F - 1 degrees of freedom)
    folds alone    V_f - V_s / S, at least 0: the one-way random-effects component (Searle, Casella
                   and McCulloch, Variance Components, 1992, section 3.6). m_f still holds the
                   chance of S seeds, and this takes it out
    sampling       V_b = mean over seeds and folds of the bootstrap variance of x_sf

Variances divide by one less than their number; what is given are the roots. Each fold is tested on
other persons, so V_f holds the sampling variance V_b too, besides what the training persons do; it
does not hold all of the latter, because the training parts of two folds overlap. What a seed does
in one fold and not in another is in V_s.

The intervals of the first two are those of normal variables, by chi-squared: with three seeds and
seven folds they are wide (a standard deviation of 6 degrees of freedom is known within a factor of
0.64 to 2.2). The third is a difference, for which no exact interval exists; the fourth is itself a
measure of uncertainty. They have none.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

from visitseq.evaluate.estimate import LEVEL, Estimate, undefined

Floats = npt.NDArray[np.float64]

ONE_SEED, ONE_FOLD = "one seed", "one fold"


class Deviations(NamedTuple):
    """Standard deviations of a metric; NaN with the reason where undefined."""

    over_seeds: Estimate
    over_folds: Estimate
    folds_alone: Estimate
    sampling: Estimate


def deviations(values: Floats, sampling: Floats) -> Deviations:
    """Part the variation of a metric.

    Parameters
    ----------
    values
        The metric, shape (seeds, folds).
    sampling
        Its bootstrap standard deviation, shape (seeds, folds).
    """
    seeds, folds = values.shape
    of_seeds = float(np.mean(np.var(values, axis=0, ddof=1))) if seeds > 1 else math.nan
    of_folds = float(np.var(values.mean(axis=0), ddof=1)) if folds > 1 else math.nan
    return Deviations(
        over_seeds=_root(of_seeds, folds * (seeds - 1), ONE_SEED),
        over_folds=_root(of_folds, folds - 1, ONE_FOLD),
        folds_alone=_folds_alone(of_seeds, of_folds, seeds),
        sampling=_without_interval(float(np.mean(sampling**2))),
    )


def _folds_alone(of_seeds: float, of_folds: float, seeds: int) -> Estimate:
    for variance, reason in ((of_seeds, ONE_SEED), (of_folds, ONE_FOLD)):
        if math.isnan(variance):
            return undefined(reason)
    alone = max(0.0, of_folds - of_seeds / seeds)
    return _without_interval(alone)


def _root(variance: float, freedom: int, reason: str) -> Estimate:
    """Standard deviation with its chi-squared interval."""
    if math.isnan(variance):
        return undefined(reason)
    # chdtri takes the probability above: the larger quantile makes the lower limit.
    quantiles = chdtri(freedom, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = (math.sqrt(freedom * variance / quantile) for quantile in quantiles)
    return Estimate(math.sqrt(variance), low, high)


def _without_interval(variance: float) -> Estimate:
    return Estimate(math.sqrt(variance), math.nan, math.nan, "no interval")
