"""The smooth calibration curve, and how far probabilities lie from it on average.

The curve says, for each probability that a model gives, how many of those who got it are cases. It
is the logistic regression of being a case on a restricted cubic spline of the log odds, with knots
at the 10th, 50th and 90th percentiles of the rows (Harrell, Regression Modeling Strategies, 2nd
edition 2015, section 2.4). A spline and not loess, because a regression takes weights of the rows
as they are, and because all bootstrap draws are fitted at once. The knots are those of the rows, in
every draw.

The integrated calibration index (Austin and Steyerberg, Statistics in Medicine 2019;38:4051) is the
mean distance between the probabilities of the rows and the curve: 0 is right, and it is on the
scale of the risk itself.

Recalibrated probabilities have the same curve at other places: the log odds of one are a line in
those of the other.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from visitseq.evaluate.calibration import STEPS, logit, shortening
from visitseq.evaluate.ranking import ratio
from visitseq.evaluate.scored_rows import ScoredRows

Floats = npt.NDArray[np.float64]

KNOTS = (0.1, 0.5, 0.9)

CLOSE = 1e-9  # largest mean residual of a fit
PROBES = 64
LEAST = 1e-14  # curvature of a mean residual


class SmoothCurve:
    """The curve of some rows, as weightings of them fit it.

    Attributes
    ----------
    design
        The spline at each row, its columns of size 1 at most, shape (columns, rows).
    """

    def __init__(self, rows: ScoredRows) -> None:
        predictor = logit(rows.probability)
        self._knots = weighted_quantiles(predictor, rows.weight, KNOTS)
        spline = _spline(predictor, self._knots)
        self._scale = np.abs(spline).max(axis=1)
        self._case = rows.case.astype(np.float64)
        self.design = spline / self._scale[:, None]
        self._pairs = np.triu_indices(len(self.design))
        self._products = self.design[self._pairs[0]] * self.design[self._pairs[1]]
        # By falling score, so the ends are among them: what a step changes is seen here.
        probes = np.linspace(0, len(rows) - 1, PROBES).astype(np.intp)
        self._probes = self.design[:, probes]
        self._start: Floats = np.zeros(len(self.design))
        start = self.fit(rows.weight[None])[0]
        self._start = np.where(np.isnan(start), 0, start)

    def fit(self, weights: Floats) -> Floats:
        """Coefficients of each draw, shape (draws, columns).

        By Newton's method, with steps that are shortened as in ``calibration.py``. NaN where a draw
        has no optimum: one class alone, or a score that parts the classes.

        Parameters
        ----------
        weights
            Shape (draws, rows).
        """
        fit, total = np.tile(self._start, (len(weights), 1)), weights.sum(axis=1)
        left = np.arange(len(weights))  # draws without an optimum yet
        for _ in range(STEPS):
            probability = expit(np.einsum("dk,kr->dr", fit[left], self.design))
            residual = weights[left] * (self._case - probability)
            gradient = np.einsum("dr,kr->dk", residual, self.design)
            going = np.abs(gradient).max(axis=1) >= CLOSE * total[left]
            left, probability = left[going], probability[going]
            if not len(left):
                break
            spread = weights[left] * probability * (1 - probability)
            moments = np.einsum("dr,mr->dm", spread, self._products)
            step = self._solve(gradient[going], moments, LEAST * total[left])
            change = np.abs(np.einsum("dk,kp->dp", step, self._probes)).max(axis=1)
            fit[left] += step * shortening(change)[:, None]
        fit[left] = np.nan
        return fit

    def at_rows(self, coefficients: Floats) -> Floats:
        """Share of cases at each row's probability, shape (draws, rows)."""
        return np.asarray(expit(np.einsum("dk,kr->dr", coefficients, self.design)))

    def at(self, coefficients: Floats, probabilities: Floats) -> Floats:
        """Share of cases at each of ``probabilities``, shape (draws, probabilities)."""
        spline = _spline(logit(probabilities), self._knots) / self._scale[:, None]
        return np.asarray(expit(np.einsum("dk,kp->dp", coefficients, spline)))

    def _solve(self, gradient: Floats, moments: Floats, least: Floats) -> Floats:
        """Solve the Newton equations of each draw; ``least`` keeps them solvable."""
        draws, columns = gradient.shape
        curvature = np.zeros((draws, columns, columns))
        curvature[:, self._pairs[0], self._pairs[1]] = moments
        curvature[:, self._pairs[1], self._pairs[0]] = moments
        diagonal = np.arange(columns)
        curvature[:, diagonal, diagonal] += least[:, None]
        return np.asarray(np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0])


def calibration_index(observed: Floats, probabilities: Floats, weights: Floats) -> Floats:
    """Integrated calibration index of each draw, shape (draws,).

    Parameters
    ----------
    observed
        The curve at each row, shape (draws, rows).
    probabilities
        Of the rows, shape (rows,).
    weights
        Shape (draws, rows).
    """
    distance = np.abs(observed - probabilities)
    return ratio(np.einsum("dr,dr->d", weights, distance), weights.sum(axis=1))


def weighted_quantiles(values: Floats, weights: Floats, shares: tuple[float, ...]) -> Floats:
    """Smallest value at or below which each share of the weight lies, shape (shares,)."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    place = np.searchsorted(reached, np.array(shares) * reached[-1])
    return np.asarray(values[order][np.minimum(place, len(values) - 1)])


def _spline(x: Floats, knots: Floats) -> Floats:
    """1, x and the cubic that is a line beyond the outer knots, shape (3, points).

    Where knots coincide (a score of few values) the cubic is left out, shape (2, points); where all
    do, x as well.
    """
    first, middle, last = knots
    ones = np.ones_like(x)
    if first == last:
        return np.stack([ones])
    if middle in {first, last}:
        return np.stack([ones, x])
    cubes = [np.maximum(x - knot, 0) ** 3 for knot in knots]
    inner = cubes[1] * (last - first) - cubes[2] * (middle - first)
    bend = (cubes[0] - inner / (last - middle)) / (last - first) ** 2
    return np.stack([ones, x, bend])
