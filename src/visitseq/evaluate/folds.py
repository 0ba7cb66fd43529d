"""The mean over folds of a metric, with its interval.

Each fold's value comes from its own test part and its own model; the headline is their mean. Its
interval comes from the same draws as the folds' own: draw d of the mean is the mean of the folds'
draws d. Probabilities of different folds are never pooled: models of different folds need not be
on the same scale. The interval holds the sampling of the persons who are tested; the training
parts of two folds overlap, and what that adds is not in it.

A model that was trained with several seeds is averaged in the same way over its seeds: draw d of
their mean is the mean of the seeds' draws d, which draw the same persons.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.estimate import Estimate, undefined, with_interval

Floats = npt.NDArray[np.float64]


def mean_over_folds(
    estimates: Sequence[Estimate], draws: Sequence[Floats], of: str = "folds"
) -> Estimate:
    """Mean of one metric over the folds, or over the seeds.

    Parameters
    ----------
    estimates
        The metric of each fold, at least one.
    draws
        The metric on each of the fold's bootstrap draws, shape (draws,) each; equally many.
    of
        What the mean is taken over, in words.

    Returns
    -------
    Estimate
        A single fold's own estimate; without a value where a fold has none.
    """
    if len(estimates) == 1:
        return estimates[0]
    missing = [estimate for estimate in estimates if np.isnan(estimate.value)]
    if missing:
        count = f"undefined in {len(missing)} of {len(estimates)} {of}"
        return undefined(f"{count}: {missing[0].reason}")
    value = float(np.mean([estimate.value for estimate in estimates]))
    without = [estimate for estimate in estimates if np.isnan(estimate.low)]
    if without:
        return Estimate(value, np.nan, np.nan, without[0].reason)
    return with_interval(value, np.mean(np.stack(draws), axis=0), groups=len(draws))
