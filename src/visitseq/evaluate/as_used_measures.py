"""What a score is worth on weighted rows: metrics, thresholds and curves, each with an interval.

The same measures serve the probabilities as the model gives them and as they are after
recalibration. All take the draws of the persons in ``groups``.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.as_used_rows import LandmarkRows
from visitseq.evaluate.bootstrap import set_draws
from visitseq.evaluate.censoring import cumulative_incidence
from visitseq.evaluate.estimate import Estimate, undefined, with_interval
from visitseq.evaluate.flagged import RATES, flag, net_benefit, net_benefit_of_all, rates
from visitseq.evaluate.metrics import estimates_and_draws
from visitseq.evaluate.ranking import ratio
from visitseq.evaluate.recalibration import Recalibration
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.evaluate.smooth_calibration import calibration_curve, weighted_quantiles

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Compute = Callable[[Floats], Floats]

#: The metrics, in the order of as_used.json.
AS_USED_METRICS = (
    "auroc",
    "auprc",
    "brier",
    "calibration_intercept",
    "calibration_slope",
    "ici",
)
#: Risks from which on somebody is flagged.
THRESHOLDS = np.array([0.02, 0.05, 0.1, 0.2])
#: Thresholds of the decision curve.
DECISIONS = np.arange(1, 61) / 200
#: Where the calibration curve begins and ends, and its number of points.
ENDS, POINTS = (0.025, 0.975), 40


class Draws(NamedTuple):
    """What decides the bootstrap's draws: how many, the study's seed and the fold."""

    number: int
    seed: int
    fold: int


class Measured(NamedTuple):
    """Metrics of some rows with their draws, shape (draws,), where they have a value."""

    estimates: dict[str, Estimate]
    drawn: dict[str, Floats]


def measure(rows: ScoredRows, draws: Draws) -> Measured:
    """Estimate ``AS_USED_METRICS``."""
    return Measured(*estimates_and_draws(rows, *draws, AS_USED_METRICS))


def recalibrated(rows: ScoredRows, fit: Recalibration) -> ScoredRows:
    """Rows with the probabilities that ``fit``, which has both numbers, makes of theirs."""
    return replace(rows, probability=fit.probabilities(rows.probability))


def observed_risk(rows: ScoredRows, draws: Draws) -> Estimate:
    """Weighted share of cases."""
    return estimate_all(
        rows,
        lambda w: ratio(np.einsum("dr,r->d", w, rows.case.astype(np.float64)), w.sum(axis=1))[
            :, None
        ],
        draws,
    )[0]


def incidence(rows: LandmarkRows, persons: Ids, draws: Draws) -> Estimate:
    """Cumulative incidence at the horizon, estimated anew in each draw of ``persons`` (sorted)."""
    if not len(rows):
        return undefined("no row")
    index = np.searchsorted(persons, rows.sequences.subject_id)
    drawn = [
        cumulative_incidence(rows.days, rows.outcome, counts[index])
        for chunk in set_draws(persons, *draws, len(rows))
        for counts in chunk
    ]
    value = cumulative_incidence(rows.days, rows.outcome)
    return with_interval(value, np.array(drawn), len(persons))


def at_thresholds(
    rows: ScoredRows, risk: Floats, thresholds: Floats, draws: Draws
) -> list[dict[str, Estimate]]:
    """``RATES`` of each threshold on ``risk``, shape (rows,)."""
    found = estimate_all(
        rows,
        lambda weights: np.concatenate(
            list(rates(flag(risk, rows.case, weights, thresholds)).values()), axis=1
        ),
        draws,
    )
    by_rate = dict(zip(RATES, np.array_split(np.arange(len(found)), len(RATES)), strict=True))
    return [
        {name: found[places[number]] for name, places in by_rate.items()}
        for number in range(len(thresholds))
    ]


def decision_curve(rows: ScoredRows, draws: Draws, *, of_all: bool = False) -> list[Estimate]:
    """Net benefit at each of ``DECISIONS``; of flagging everybody with ``of_all``."""
    benefit = net_benefit_of_all if of_all else net_benefit
    return estimate_all(
        rows,
        lambda w: benefit(flag(rows.probability, rows.case, w, DECISIONS), DECISIONS),
        draws,
    )


def calibration_points(rows: ScoredRows, draws: Draws) -> tuple[Floats, list[Estimate]]:
    """Probabilities between the outermost fortieths of the rows, and the share of cases there."""
    if not len(rows):
        return np.empty(0), []
    low, high = weighted_quantiles(rows.probability, rows.weight, ENDS)
    at = np.linspace(low, high, POINTS)
    return at, estimate_all(rows, lambda weights: calibration_curve(rows, weights, at), draws)


def estimate_all(rows: ScoredRows, compute: Compute, draws: Draws) -> list[Estimate]:
    """Estimate all that ``compute`` gives for weights of the rows, shape (draws, numbers)."""
    values = compute(rows.weight[None])[0]
    drawn = np.concatenate([compute(weights) for weights in rows.weights(*draws)])
    groups = len(rows.groups.ids)
    return [
        undefined("nobody to count") if np.isnan(value) else with_interval(value, own, groups)
        for value, own in zip(values.tolist(), drawn.T, strict=True)
    ]


def as_json(estimates: dict[str, Estimate], where: str) -> dict[str, Any]:
    """Give each estimate as metrics.json does."""
    return {name: estimate.to_json(where) for name, estimate in estimates.items()}
