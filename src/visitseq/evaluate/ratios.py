"""Metrics that are a ratio of two sums over the persons, with their intervals.

Each sum is a number a group (a person, or what else the bootstrap draws); a draw weighs the groups,
so that all draws are one product of (draws x groups) weights with the sums. Numbers are added in
one fixed order (no BLAS), so that the bytes do not depend on threads.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.bootstrap import set_draws
from visitseq.evaluate.estimate import Estimate, undefined, with_interval
from visitseq.evaluate.ranking import ratio

Floats = npt.NDArray[np.float64]

#: Numerator and denominator of each group, shape (groups,) each.
Ratio = tuple[Floats, Floats]


def estimate_ratios(
    ids: npt.NDArray[np.int64],
    ratios: Mapping[str, Ratio],
    *,
    draws: int,
    seed: int,
    fold: int,
    reason: str,
) -> dict[str, Estimate]:
    """Each ratio with its interval; undefined for ``reason`` where its denominator is 0.

    Parameters
    ----------
    ids
        Ids of the groups, as ``bootstrap.set_draws`` takes them.
    ratios
        Sums of each group, by the name of the metric.
    draws, seed, fold
        Number and seed of the draws, and the fold.
    reason
        Why a metric is undefined.
    """
    drawn = ratio_draws(ids, ratios, draws, seed, fold)
    return ratios_with_intervals(ratios, drawn, len(ids), reason)


def ratios_with_intervals(
    ratios: Mapping[str, Ratio], drawn: Mapping[str, Floats], groups: int, reason: str
) -> dict[str, Estimate]:
    """Each ratio with its interval, as ``estimate_ratios``, from draws that are there.

    Parameters
    ----------
    ratios, reason
        As in ``estimate_ratios``.
    drawn
        Of ``ratio_draws``; others may be among them.
    groups
        How many groups were resampled.
    """
    estimates = {}
    for name, (top, bottom) in ratios.items():
        total = bottom.sum()
        estimates[name] = (
            with_interval(float(top.sum() / total), drawn[name], groups)
            if total
            else undefined(reason)
        )
    return estimates


def ratio_draws(
    ids: npt.NDArray[np.int64], ratios: Mapping[str, Ratio], draws: int, seed: int, fold: int
) -> dict[str, Floats]:
    """Each ratio on each bootstrap draw, shape (draws,), NaN where it is undefined."""
    tops = {name: top for name, (top, _) in ratios.items()}
    bottoms = {name: bottom for name, (_, bottom) in ratios.items()}
    above, below = (sum_draws(ids, sums, draws, seed, fold) for sums in (tops, bottoms))
    return {name: ratio(above[name], below[name]) for name in ratios}


def sum_draws(
    ids: npt.NDArray[np.int64], sums: Mapping[str, Floats], draws: int, seed: int, fold: int
) -> dict[str, Floats]:
    """Sum over the groups as often as each was drawn, shape (draws,), NaN without groups."""
    if not len(ids):
        return {name: np.full(draws, math.nan) for name in sums}
    chunks = [
        {name: np.einsum("dg,g->d", counts, values) for name, values in sums.items()}
        for counts in set_draws(ids, draws, seed, fold, rows=len(ids))
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in sums}
