"""The smooth calibration curve, and how far probabilities lie from it on average.

The curve says, for each probability that a model gives, how many of those who got it are cases. It
is the logistic regression of being a case on a restricted cubic spline of the log odds, with knots
at the 10th, 50th and 90th percentiles of the rows (Harrell, Regression Modeling Strategies, 2nd
edition 2015, section 2.4). A spline and not loess, because a regression takes weights of the rows
as they are, and because all bootstrap draws can be fitted at once. The knots are those of the rows,
for every draw.

The integrated calibration index (Austin and Steyerberg, Statistics in Medicine 2019;38:4051) is the
mean distance between the probabilities of the rows and the curve: 0 is right, and it is on the
scale of the risk itself.

Each function takes ``weights`` of shape (draws, rows) and gives NaN for a draw without a fit: where
it has one class alone, or the score parts the classes.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from visitseq.evaluate.calibration import CLOSE, logit
from visitseq.evaluate.ranking import ratio
from visitseq.evaluate.scored_rows import ScoredRows

Floats = npt.NDArray[np.float64]

KNOTS = (0.1, 0.5, 0.9)
STEPS = 50


def calibration_index(rows: ScoredRows, weights: Floats) -> Floats:
    """Integrated calibration index of each draw, shape (draws,)."""
    distance = np.abs(calibration_curve(rows, weights, rows.probability) - rows.probability)
    return ratio(np.einsum("dr,dr->d", weights, distance), weights.sum(axis=1))


def calibration_curve(rows: ScoredRows, weights: Floats, at: Floats) -> Floats:
    """Share of cases at each probability of ``at``, by draw, shape (draws, points)."""
    predictor = logit(rows.probability)
    knots = weighted_quantiles(predictor, rows.weight, KNOTS)
    design = _spline(predictor, knots)
    scale = np.maximum(np.abs(design).max(axis=0), np.finfo(np.float64).tiny)
    coefficients = _fit(design / scale, rows.case.astype(np.float64), weights)
    return np.asarray(
        expit(np.einsum("dk,pk->dp", coefficients, _spline(logit(at), knots) / scale))
    )


def weighted_quantiles(values: Floats, weights: Floats, shares: tuple[float, ...]) -> Floats:
    """Smallest value at or below which each share of the weight lies, shape (shares,)."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    place = np.searchsorted(reached, np.array(shares) * reached[-1])
    return np.asarray(values[order][np.minimum(place, len(values) - 1)])


def _spline(x: Floats, knots: Floats) -> Floats:
    """Columns 1, x and the cubic that is a line beyond the outer knots, shape (points, 3).

    Where knots coincide (a score of few values) the cubic is left out, shape (points, 2); where x
    cannot vary either, x as well.
    """
    first, middle, last = knots
    ones = np.ones_like(x)
    if first == last:
        return np.column_stack([ones])
    if middle in {first, last}:
        return np.column_stack([ones, x])
    cubes = [np.maximum(x - knot, 0) ** 3 for knot in knots]
    inner = cubes[1] * (last - first) - cubes[2] * (middle - first)
    bend = (cubes[0] - inner / (last - middle)) / (last - first) ** 2
    return np.column_stack([ones, x, bend])


def _fit(design: Floats, case: Floats, weights: Floats) -> Floats:
    """Coefficients of each draw by Newton's method, shape (draws, columns); NaN without an optimum.

    Steps are shortened as in ``calibration.py``.
    """
    draws, columns = len(weights), design.shape[1]
    pairs = np.triu_indices(columns)
    products = design[:, pairs[0]] * design[:, pairs[1]]
    fit, total = np.zeros((draws, columns)), weights.sum(axis=1)
    mean = ratio(np.einsum("dr,r->d", weights, case), total)
    solvable = (mean > 0) & (mean < 1)
    fit[:, 0] = logit(np.where(solvable, mean, 0.5))
    for _ in range(STEPS):
        probability = expit(np.einsum("dk,rk->dr", fit, design))
        gradient = np.einsum("dr,rk->dk", weights * (case - probability), design)
        unfinished = solvable & (np.abs(gradient).max(axis=1) >= 100 * CLOSE * total)
        if not unfinished.any():
            break
        moments = np.einsum("dr,rm->dm", weights * probability * (1 - probability), products)
        step = _solve(gradient, moments, pairs)
        change = np.abs(np.einsum("dk,rk->dr", step, design)).max(axis=1)
        fit += (
            step * np.where(change > 0, np.log1p(change) / np.maximum(change, 1e-300), 1)[:, None]
        )
    fit[unfinished | ~solvable] = np.nan
    return fit


def _solve(gradient: Floats, moments: Floats, pairs: tuple[npt.NDArray[np.intp], ...]) -> Floats:
    """Solve the Newton equations of each draw; a hair on the diagonal keeps them solvable."""
    draws, columns = gradient.shape
    curvature = np.zeros((draws, columns, columns))
    curvature[:, pairs[0], pairs[1]] = moments
    curvature[:, pairs[1], pairs[0]] = moments
    hair = np.finfo(np.float64).eps * np.trace(curvature, axis1=1, axis2=2) + 1e-300
    curvature[:, np.arange(columns), np.arange(columns)] += hair[:, None]
    return np.asarray(np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0])
