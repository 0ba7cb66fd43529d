"""Metrics of the probabilities themselves, each on many weightings of the rows at once.

    Brier score               mean of (y - p)^2
    log loss                  mean of -y log p - (1 - y) log (1 - p)
    calibration intercept     calibration in the large: a of logit P(y) = a + logit p (0 is right)
    calibration slope         b of logit P(y) = a + b logit p (1 is right)

(Van Calster et al., BMC Medicine 2019;17:230, for the last two.) Probabilities are cut to
[2^-52, 1 - 2^-52] before a logarithm is taken, as scikit-learn does.

Intercept and slope are maximum likelihood, by Newton's method on all draws together. A full Newton
step may overshoot where the curvature is small; the step is therefore shortened to
log(1 + d) / d of its length, d being the largest change of a row's linear predictor: the logistic
loss falls with every such step, because it is generalised self-concordant (Bach, Electronic Journal
of Statistics 2010;4:384; the step: Sun and Tran-Dinh, Mathematical Programming 2019;178:145), and
near the optimum the step is Newton's own.

Each function takes ``weights`` of shape (draws, rows) and returns one value a draw, NaN where it
is undefined: where a draw has one class alone, or, for the slope, where the score separates the
classes (then no finite slope is the most likely).
"""

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from visitseq.evaluate.ranking import ratio
from visitseq.evaluate.scored_rows import ScoredRows

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SMALLEST = float(np.finfo(np.float64).eps)
STEPS = 200
CLOSE = 1e-12  # largest mean residual of a fit


def brier_score(rows: ScoredRows, weights: Floats) -> Floats:
    """Brier score of each draw."""
    return _mean((rows.case - rows.probability) ** 2, weights)


def log_loss(rows: ScoredRows, weights: Floats) -> Floats:
    """Log loss of each draw, in nats."""
    probability = _cut(rows.probability)
    return _mean(-np.log(np.where(rows.case, probability, 1 - probability)), weights)


def calibration_intercept(rows: ScoredRows, weights: Floats) -> Floats:
    """Calibration in the large of each draw, the slope fixed at 1."""
    predictor = logit(rows.probability)
    solvable = _has_both(rows, weights)
    result = np.full(len(weights), np.nan)
    result[solvable] = _fit_intercept(predictor, rows.case, weights[solvable])
    return result


def calibration_slope(rows: ScoredRows, weights: Floats) -> Floats:
    """Calibration slope of each draw."""
    predictor = logit(rows.probability)
    solvable = _has_both(rows, weights)
    solvable[solvable] = ~separated(predictor, rows.case, weights[solvable])
    result = np.full(len(weights), np.nan)
    if solvable.any():
        result[solvable] = _fit_slope(predictor, rows.case, weights[solvable])
    return result


def logit(probability: Floats) -> Floats:
    """Log-odds of a probability, cut to what a float64 can tell from 0 and 1."""
    cut = _cut(probability)
    return np.log(cut) - np.log1p(-cut)


def _cut(probability: Floats) -> Floats:
    return np.clip(probability, SMALLEST, 1 - SMALLEST)


def _mean(values: Floats, weights: Floats) -> Floats:
    return ratio(_sum(weights, values), weights.sum(axis=1))


def _sum(weights: Floats, values: Floats) -> Floats:
    """Weighted sum over the rows, shape (draws,); values of shape (rows,) or (draws, rows)."""
    values = np.broadcast_to(values, weights.shape)
    total: Floats = np.einsum("dr,dr->d", weights, values)
    return total


def _has_both(rows: ScoredRows, weights: Floats) -> Flags:
    cases = _sum(weights, rows.case.astype(np.float64))
    both: Flags = (cases > 0) & (cases < weights.sum(axis=1))
    return both


def separated(predictor: Floats, case: Flags, weights: Floats) -> Flags:
    """Whether a threshold parts the classes, touching allowed; predictors fall or rise by row."""
    highest_case, lowest_case = _ends(predictor, (weights > 0) & case)
    highest_control, lowest_control = _ends(predictor, (weights > 0) & ~case)
    return (lowest_case >= highest_control) | (lowest_control >= highest_case)


def _ends(predictor: Floats, present: Flags) -> tuple[Floats, Floats]:
    """Highest and lowest predictor of the present rows of each draw."""
    first = predictor[present.argmax(axis=1)]
    last = predictor[present.shape[1] - 1 - present[:, ::-1].argmax(axis=1)]
    return np.maximum(first, last), np.minimum(first, last)


def _fit_intercept(predictor: Floats, case: Flags, weights: Floats) -> Floats:
    total, probability = weights.sum(axis=1), expit(predictor)
    shares = (_sum(weights, own) / total for own in (case.astype(np.float64), probability))
    # Right if all had the same probability.
    observed, expected = (logit(share) for share in shares)
    intercept, allowed = observed - expected, CLOSE * total
    for _ in range(STEPS):
        probability = expit(predictor + intercept[:, None])
        gradient = _sum(weights, case - probability)
        if np.all(np.abs(gradient) < allowed):
            break
        curvature = _sum(weights, probability * (1 - probability))
        step = gradient / np.maximum(curvature, SMALLEST)
        intercept += step * shortening(np.abs(step))
    intercept[np.abs(gradient) >= allowed] = np.nan
    return intercept


def _fit_slope(predictor: Floats, case: Flags, weights: Floats) -> Floats:
    """Slope of each draw, from the fit of the unweighted rows on, which is close to all of them."""
    scale = float(predictor.std())
    x = (predictor - predictor.mean()) / scale
    start = np.array([np.log(case.sum() / (~case).sum()), 0.0])
    everyone = np.ones((1, len(case)))
    if not separated(predictor, case, everyone)[0]:
        start = fit_logistic(x, case, everyone, start)[0]
    return np.asarray(fit_logistic(x, case, weights, start)[:, 1] / scale)


def fit_logistic(x: Floats, target: Floats | Flags, weights: Floats, start: Floats) -> Floats:
    """Fit logit P = intercept + slope x in each draw by maximum likelihood.

    Parameters
    ----------
    x
        Predictor of about unit size, shape (rows,).
    target
        What P should be, 0 to 1, shape (rows,).
    weights
        Weight of each row in each draw, shape (draws, rows).
    start
        Intercept and slope from which the steps begin, shape (2,).

    Returns
    -------
    numpy.ndarray
        Intercept and slope of each draw, shape (draws, 2); NaN where no optimum is found.
    """
    fit, ends = np.tile(start, (len(weights), 1)), np.array([x.min(), x.max()])
    allowed = CLOSE * weights.sum(axis=1)
    for _ in range(STEPS):
        probability = expit(fit[:, :1] + fit[:, 1:] * x)
        gradient = _moments(weights * (target - probability), x)[:, :2]
        if np.all(np.abs(gradient).max(axis=1) < allowed):
            break
        curvature = _moments(weights * (probability * (1 - probability)), x)
        step = _solve(gradient, curvature)
        change = np.abs(step[:, :1] + step[:, 1:] * ends).max(axis=1)
        fit += step * shortening(change)[:, None]
    fit[np.abs(gradient).max(axis=1) >= allowed] = np.nan
    return fit


def _moments(values: Floats, x: Floats) -> Floats:
    """Sum values, values times x and values times x^2 over the rows, shape (draws, 3)."""
    powers = (np.ones_like(x), x, x * x)
    return np.stack([_sum(values, power) for power in powers], axis=1)


def _solve(gradient: Floats, curvature: Floats) -> Floats:
    """Solve the Newton equations [[h0, h1], [h1, h2]] step = gradient of each draw."""
    h0, h1, h2 = curvature.T
    g0, g1 = gradient.T
    determinant = np.maximum(h0 * h2 - h1 * h1, SMALLEST)
    adjugate = np.stack([h2 * g0 - h1 * g1, h0 * g1 - h1 * g0], axis=1)
    return np.asarray(adjugate / determinant[:, None])


def shortening(change: Floats) -> Floats:
    """log(1 + d) / d, 1 at d = 0."""
    factor = np.ones_like(change)
    np.divide(np.log1p(change), change, out=factor, where=change > 0)
    return factor
