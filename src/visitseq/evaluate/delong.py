"""DeLong's interval of an AUROC, for rows that are independent of one another.

The AUROC is the mean over case-control pairs of 1 where the case scores higher, 1/2 where they
tie. Its variance is that of two means (DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837):

    var = var(V10) / cases + var(V01) / controls

where V10 of a case is the share of the controls that it beats and V01 of a control the share of
the cases that beat it. Both follow from mid-ranks, in n log n (Sun and Xu, IEEE Signal Processing
Letters 2014;21:1389): a case of mid-rank R among all rows and r among the cases beats R - r
controls.

The interval is normal, cut to [0, 1]. It takes the rows as independent, which rows of a matched
set are not: it stands beside the bootstrap's, labelled with that assumption.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from visitseq.evaluate.estimate import LEVEL, Estimate, undefined
from visitseq.evaluate.ranking import mid_ranks

ASSUMPTION = "rows are independent (matched sets ignored)"


def delong_interval(labels: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> Estimate:
    """AUROC with DeLong's 95% interval.

    Parameters
    ----------
    labels, scores
        Whether a row is a case, and its score, shape (rows,).

    Returns
    -------
    Estimate
        Without an interval where there are fewer than two cases or controls.
    """
    cases, controls = int(labels.sum()), int((~labels).sum())
    if not (cases and controls):
        return undefined("no case" if controls else "no control" if cases else "no row")
    case_wins, control_losses = _placements(labels, scores)
    value = float(case_wins.mean())
    if min(cases, controls) < 2:
        reason = "no interval: fewer than two cases or controls"
        return Estimate(value, math.nan, math.nan, reason)
    variance = case_wins.var(ddof=1) / cases + control_losses.var(ddof=1) / controls
    margin = float(ndtri((1 + LEVEL) / 2)) * math.sqrt(variance)
    return Estimate(value, max(0.0, value - margin), min(1.0, value + margin))


def delong_json(estimate: Estimate, where: str) -> dict[str, Any]:
    """Give the object of metrics.json, labelled with what the interval assumes."""
    return {**estimate.to_json(where), "assumes": ASSUMPTION}


def _placements(
    labels: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Share of the controls that each case beats, and of the cases that beat each control."""
    ranks = mid_ranks(scores)
    wins = ranks[labels] - mid_ranks(scores[labels])
    defeats = ranks[~labels] - mid_ranks(scores[~labels])
    return wins / np.sum(~labels), 1 - defeats / np.sum(labels)
