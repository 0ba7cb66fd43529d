"""The metrics of a binary prediction, each with its bootstrap interval.

One function computes a metric on a matrix of weights, a row a draw. The estimate itself is the
draw in which every row has its own weight (1 throughout, but where rows are missing), so value and
interval come from the same code.
"""

import math

import numpy as np
import numpy.typing as npt

from visitseq.evaluate import calibration, ranking
from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.estimate import Estimate, undefined, with_interval
from visitseq.evaluate.scored_rows import ScoredRows

Floats = npt.NDArray[np.float64]

#: The keys of metrics.json, in its order.
METRICS = (
    "auroc",
    "auprc",
    "brier",
    "log_loss",
    "calibration_intercept",
    "calibration_slope",
    "sensitivity_at_90_specificity",
    "sensitivity_at_95_specificity",
    "concordance_within_sets",
)

_OF_ONE_CLASS = ("brier", "log_loss")

# Why a metric may be undefined although there are cases and controls.
_WITHOUT_VALUE = {
    "calibration_intercept": "no finite intercept",
    "calibration_slope": "no finite slope: the score parts cases from controls, or is constant,",
    "concordance_within_sets": "no matched set with a case and a control",
}


def auroc(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Area under the ROC curve with its 95% bootstrap interval.

    The probability that a random case has a higher score than a random control, ties counting
    half: 1 is a perfect order, 0.5 none.

    Parameters
    ----------
    labels
        Whether a row is a case (bool, or 0 and 1), shape (rows,).
    scores
        Any finite number, higher for cases, shape (rows,).
    groups
        What the bootstrap draws (a matched set's or a patient's id for each row), shape (rows,);
        None draws the rows themselves.
    draws
        Number of bootstrap draws.
    seed
        Seed of the draws.

    Returns
    -------
    Estimate
        ``value``, ``low``, ``high``; NaN with a ``reason`` where there is no case or no control.

    Raises
    ------
    ValueError
        Shapes differ, a label is neither 0 nor 1, or a score is not finite.

    Examples
    --------
    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value
    0.75
    """
    case, score = _checked(np.asarray(labels), np.asarray(scores, dtype=np.float64))
    rows_or_groups = np.arange(len(case)) if groups is None else np.asarray(groups)
    if rows_or_groups.shape != case.shape:
        raise ValueError(f"groups have shape {rows_or_groups.shape}, labels {case.shape}")
    unique, index = np.unique(rows_or_groups, return_inverse=True)
    drawn = Groups(np.arange(len(unique)), index.astype(np.int64))
    rows = ScoredRows.sort(case, score, drawn, np.zeros(len(case), dtype=np.bool_))
    return estimate_metrics(rows, draws, seed, fold=0, metrics=("auroc",))["auroc"]


def estimate_metrics(
    rows: ScoredRows, draws: int, seed: int, fold: int, metrics: tuple[str, ...] = METRICS
) -> dict[str, Estimate]:
    """Estimate ``metrics`` on the rows of one part, with their bootstrap intervals.

    The rank metrics read the scores, all others the probabilities. An undefined metric is NaN with
    its reason.
    """
    return estimates_and_draws(rows, draws, seed, fold, metrics)[0]


def estimates_and_draws(
    rows: ScoredRows, draws: int, seed: int, fold: int, metrics: tuple[str, ...] = METRICS
) -> tuple[dict[str, Estimate], dict[str, Floats]]:
    """Estimate as ``estimate_metrics`` does, and give the draws of what is defined besides."""
    reason = missing_class(rows)
    defined = tuple(m for m in metrics if reason is None or (m in _OF_ONE_CLASS and len(rows)))
    estimates, drawn = _estimate_defined(rows, draws, seed, fold, defined)
    filled = {m: estimates[m] if m in estimates else undefined(str(reason)) for m in metrics}
    return filled, {m: drawn[m] for m in drawn if not math.isnan(filled[m].value)}


def metric_draws(
    rows: ScoredRows, draws: int, seed: int, fold: int, metrics: tuple[str, ...] = METRICS
) -> dict[str, Floats]:
    """Each metric on each bootstrap draw, shape (draws,), NaN where it is undefined."""
    if not metrics:
        return {}
    weights = rows.weights(draws, seed, fold)
    chunks = [metric_values(rows, chunk, metrics) for chunk in weights]
    return {metric: np.concatenate([chunk[metric] for chunk in chunks]) for metric in metrics}


def metric_values(
    rows: ScoredRows, weights: Floats, metrics: tuple[str, ...] = METRICS
) -> dict[str, Floats]:
    """Each metric on each row of ``weights``, shape (draws,), NaN where it is undefined."""
    curve = ranking.roc_curve(rows, weights)
    compute = {
        "auroc": lambda: ranking.area_under_roc(curve),
        "auprc": lambda: ranking.average_precision(curve),
        "brier": lambda: calibration.brier_score(rows, weights),
        "log_loss": lambda: calibration.log_loss(rows, weights),
        "calibration_intercept": lambda: calibration.calibration_intercept(rows, weights),
        "calibration_slope": lambda: calibration.calibration_slope(rows, weights),
        "sensitivity_at_90_specificity": lambda: ranking.sensitivity_at(curve, 0.90),
        "sensitivity_at_95_specificity": lambda: ranking.sensitivity_at(curve, 0.95),
        "concordance_within_sets": lambda: ranking.concordance_within_sets(rows, weights),
    }
    return {metric: compute[metric]() for metric in metrics}


def _estimate_defined(
    rows: ScoredRows, draws: int, seed: int, fold: int, metrics: tuple[str, ...]
) -> tuple[dict[str, Estimate], dict[str, Floats]]:
    """Estimate metrics for which the rows have the classes that they need."""
    if not metrics:
        return {}, {}
    values = metric_values(rows, rows.weight[None], metrics)
    drawn = metric_draws(rows, draws, seed, fold, metrics)
    estimates = {}
    for metric in metrics:
        value = float(values[metric][0])
        estimates[metric] = (
            undefined(_WITHOUT_VALUE[metric])
            if math.isnan(value)
            else with_interval(value, drawn[metric], len(rows.groups.ids))
        )
    return estimates, drawn


def missing_class(rows: ScoredRows) -> str | None:
    """Name what the rows lack, None where they have both classes."""
    if not len(rows):
        return "no row"
    if not rows.case.any():
        return "no case"
    return "no control" if rows.case.all() else None


def _checked(
    labels: npt.NDArray[np.generic], scores: Floats
) -> tuple[npt.NDArray[np.bool_], Floats]:
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(f"labels have shape {labels.shape}, scores {scores.shape}")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels are not all 0 or 1")
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.sum(~np.isfinite(scores))} of {len(scores)} scores are not finite")
    return labels.astype(np.bool_), scores
