"""The difference of a metric between two models that were tested on the same persons.

Both models see the same bootstrap draws, so draw d of the difference is the difference of the two
draws d, and what the same persons do to both models cancels out. The interval is the percentile
interval of these differences. The p-value of "there is no difference" is two-sided:

    p = 2 min(1 + draws at or below 0, 1 + draws at or above 0) / (draws + 1), at most 1

which is about the smallest level at which the percentile interval leaves out 0 (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, section 15.4), with the 1 that keeps a p-value
of finitely many draws from being 0 (Davison and Hinkley, 1997, section 4.2). No p is below
2 / (draws + 1).
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.estimate import Estimate, undefined, with_interval

Floats = npt.NDArray[np.float64]


class Comparison(NamedTuple):
    """A difference with its interval, and the p-value of none; NaN where there is no interval."""

    difference: Estimate
    p: float


def compare(
    first: Estimate, second: Estimate, first_draws: Floats, second_draws: Floats, groups: int
) -> Comparison:
    """Compare a metric of two models.

    Parameters
    ----------
    first, second
        The metric of each; the difference is the first less the second.
    first_draws, second_draws
        The metric on each bootstrap draw, the same draws for both, shape (draws,) each.
    groups
        How many groups were resampled.

    Returns
    -------
    Comparison
        Without a value where one of the two has none.
    """
    for estimate in (first, second):
        if math.isnan(estimate.value):
            return Comparison(undefined(str(estimate.reason)), math.nan)
    drawn = first_draws - second_draws
    difference = with_interval(first.value - second.value, drawn, groups)
    return Comparison(difference, math.nan if math.isnan(difference.low) else two_sided_p(drawn))


def two_sided_p(differences: Floats) -> float:
    """Give the p-value of no difference; draws in which it is undefined do not count."""
    defined = differences[~np.isnan(differences)]
    below, above = int(np.sum(defined <= 0)), int(np.sum(defined >= 0))
    return min(1.0, 2 * (1 + min(below, above)) / (len(defined) + 1))
