"""DeLong's interval of an AUROC and paired test of two, for rows independent of one another.

The AUROC is the mean over case-control pairs of 1 where the case scores higher, 1/2 where they
tie. Its variance is that of two means (DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837):

    var = var(V10) / cases + var(V01) / controls

where V10 of a case is the share of the controls that it beats and V01 of a control the share of
the cases that beat it. Both follow from mid-ranks, in n log n (Sun and Xu, IEEE Signal Processing
Letters 2014;21:1389): a case of mid-rank R among all rows and r among the cases beats R - r
controls.

The interval is normal, cut to [0, 1]. It takes the rows as independent, which rows of a matched
set are not: it stands beside the bootstrap's, labelled with that assumption.

Two models scored on the same rows have placements V10 and V01 each. The difference of their AUROCs
is the mean of the differences of these, and has their variance by the same formula: the covariance
of the two AUROCs is in it. The mean of the AUROCs of several models (of several seeds) is likewise
the AUROC of their mean placements. Both are the linear contrasts of the paper's equation 5.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from visitseq.evaluate.estimate import LEVEL, Estimate, undefined
from visitseq.evaluate.mid_ranks import mid_ranks

ASSUMPTION = "rows are independent (matched sets ignored)"
FEW = "no interval: fewer than two cases or controls"
SMALLEST_ERROR = 1e-12  # what is smaller is rounding

_MARGIN = float(ndtri((1 + LEVEL) / 2))


Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class DelongTest(NamedTuple):
    """A difference of AUROCs with its interval, and the two-sided p-value of none."""

    difference: Estimate
    p: float


def delong_interval(labels: Flags, scores: Floats) -> Estimate:
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
    missing = _missing_class(labels)
    if missing:
        return undefined(missing)
    placements = _placements(labels, scores)
    value = float(placements[0].mean())
    if _too_few(labels):
        return Estimate(value, math.nan, math.nan, FEW)
    margin = _MARGIN * _standard_error(placements)
    return Estimate(value, max(0.0, value - margin), min(1.0, value + margin))


def delong_test(labels: Flags, scores: Floats, reference: Floats) -> DelongTest:
    """Compare the AUROCs of two models on the same rows.

    Parameters
    ----------
    labels
        Whether a row is a case, shape (rows,).
    scores, reference
        Scores of the two models, shape (seeds, rows) each: of a model that was trained with several
        seeds the mean of their AUROCs is compared.

    Returns
    -------
    DelongTest
        The AUROC of ``scores`` less that of ``reference``; p is NaN where there is no interval.
    """
    missing = _missing_class(labels)
    if missing:
        return DelongTest(undefined(missing), math.nan)
    pairs = zip(_mean_placements(labels, scores), _mean_placements(labels, reference), strict=True)
    of_cases, of_controls = (first - second for first, second in pairs)
    value = float(of_cases.mean())
    if _too_few(labels):
        return DelongTest(Estimate(value, math.nan, math.nan, FEW), math.nan)
    error = _standard_error((of_cases, of_controls))
    if error < SMALLEST_ERROR:
        return DelongTest(Estimate(value, math.nan, math.nan, "no interval: no variance"), math.nan)
    p = 2 * float(ndtr(-abs(value) / error))
    return DelongTest(Estimate(value, value - _MARGIN * error, value + _MARGIN * error), p)


def delong_json(estimate: Estimate, where: str) -> dict[str, Any]:
    """Give the object of metrics.json, labelled with what the interval assumes."""
    return {**estimate.to_json(where), "assumes": ASSUMPTION}


def _missing_class(labels: Flags) -> str | None:
    """Name what the rows lack, None where they have both classes."""
    cases, controls = int(labels.sum()), int((~labels).sum())
    if cases and controls:
        return None
    return "no case" if controls else "no control" if cases else "no row"


def _too_few(labels: Flags) -> bool:
    return min(int(labels.sum()), int((~labels).sum())) < 2


def _standard_error(placements: tuple[Floats, Floats]) -> float:
    return math.sqrt(sum(values.var(ddof=1) / len(values) for values in placements))


def _mean_placements(labels: Flags, scores: Floats) -> tuple[Floats, Floats]:
    of_seeds = [_placements(labels, of_seed) for of_seed in scores]
    of_cases, of_controls = (np.mean(np.stack(own), axis=0) for own in zip(*of_seeds, strict=True))
    return of_cases, of_controls


def _placements(labels: Flags, scores: Floats) -> tuple[Floats, Floats]:
    """Share of the controls that each case beats, and of the cases that beat each control."""
    ranks = mid_ranks(scores)
    wins = ranks[labels] - mid_ranks(scores[labels])
    defeats = ranks[~labels] - mid_ranks(scores[~labels])
    return wins / np.sum(~labels), 1 - defeats / np.sum(labels)
