"""What a score is worth on weighted rows: all that is said of it, in one pass over the draws.

The same is measured of the probabilities as the model gives them and as they are after logistic
recalibration. What recalibration does not change is computed once: the order of the rows, and the
smooth calibration curve. The calibration slope is divided by that of the recalibration.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.as_used_content import DECISIONS, RAW, RECALIBRATED, THRESHOLDS
from visitseq.evaluate.as_used_rows import LandmarkRows
from visitseq.evaluate.bootstrap import set_draws
from visitseq.evaluate.calibration import brier_score, calibration_intercept, calibration_slope
from visitseq.evaluate.censoring import cumulative_incidence, follow_up
from visitseq.evaluate.estimate import Estimate, undefined, with_interval
from visitseq.evaluate.flagged import flag, net_benefit, net_benefit_of_all, rates
from visitseq.evaluate.ranking import area_under_roc, average_precision, ratio, roc_curve
from visitseq.evaluate.recalibration import Recalibration
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.evaluate.smooth_calibration import (
    SmoothCurve,
    calibration_index,
    weighted_quantiles,
)

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Numbers = dict[str, Floats]  # of shape (draws, numbers)

#: Where the calibration curve begins and ends, and its number of points.
ENDS, POINTS = (0.025, 0.975), 40

#: Why a number is undefined although there are cases and controls.
NOTHING = "nobody to count, or no finite value,"


class Draws(NamedTuple):
    """What decides the bootstrap's draws: how many, the study's seed and the fold."""

    number: int
    seed: int
    fold: int


class Measured(NamedTuple):
    """Numbers of some rows by name, each an estimate, and their draws, shape (draws, numbers)."""

    estimates: dict[str, list[Estimate]]
    drawn: Numbers


def measure(
    rows: ScoredRows, fit: Recalibration, threshold: float, draws: Draws
) -> dict[str, Measured]:
    """Measure rows that hold both classes.

    Parameters
    ----------
    rows
        With the probabilities as they are.
    fit
        The recalibration.
    threshold
        Score from which on the model itself predicts a case.
    draws
        The bootstrap's.

    Returns
    -------
    dict of Measured
        By state, ``RAW`` and, where that could be fitted, ``RECALIBRATED``: ``AS_USED_METRICS``,
        the rates (``flagged.py``) at ``THRESHOLDS``, ``net_benefit`` at ``DECISIONS``; of raw
        probabilities also the rates at the own threshold (``own_…``), the ``curve`` at
        ``curve_places``, ``observed`` (the weighted share of cases) and ``net_benefit_of_all``.
    """
    smooth, places = SmoothCurve(rows), curve_places(rows)
    states = {RAW: (rows, 1.0)}
    if fit.reason is None:
        states[RECALIBRATED] = (recalibrated(rows, fit), fit.slope)

    def compute(weights: Floats) -> Numbers:
        coefficients = smooth.fit(weights)
        curve, observed = roc_curve(rows, weights), smooth.at_rows(coefficients)
        shared = {
            "auroc": area_under_roc(curve)[:, None],
            "auprc": average_precision(curve)[:, None],
            "slope": calibration_slope(rows, weights)[:, None],
        }
        numbers: Numbers = {}
        for state, (own, slope) in states.items():
            of_state = {
                "auroc": shared["auroc"],
                "auprc": shared["auprc"],
                "calibration_slope": shared["slope"] / slope,
                **_of_probabilities(own, weights, observed),
            }
            numbers |= {f"{state} {name}": values for name, values in of_state.items()}
        own_threshold = rates(flag(rows.score, rows.case, weights, np.array([threshold])))
        numbers |= {f"{RAW} own_{name}": values for name, values in own_threshold.items()}
        numbers[f"{RAW} curve"] = smooth.at(coefficients, places)
        numbers[f"{RAW} observed"] = _share_of_cases(rows, weights)
        return numbers

    return _by_state(estimate_all(rows, compute, draws), states)


def recalibrated(rows: ScoredRows, fit: Recalibration) -> ScoredRows:
    """Rows with the probabilities that ``fit``, which has both numbers, makes of theirs."""
    return replace(rows, probability=fit.probabilities(rows.probability))


def curve_places(rows: ScoredRows) -> Floats:
    """Probabilities at which the calibration curve is drawn, all but the outermost fortieths."""
    low, high = weighted_quantiles(rows.probability, rows.weight, ENDS)
    return np.linspace(low, high, POINTS)


def incidence(rows: LandmarkRows, persons: Ids, draws: Draws) -> Estimate:
    """Cumulative incidence at the horizon, estimated anew in each draw of ``persons`` (sorted)."""
    if not len(rows):
        return undefined("no row")
    index = np.searchsorted(persons, rows.sequences.subject_id)
    seen, place = follow_up(rows.days, rows.outcome)
    drawn = [
        cumulative_incidence(seen, np.bincount(place, counts[index], len(seen.days)))
        for chunk in set_draws(persons, *draws, len(rows))
        for counts in chunk
    ]
    value = cumulative_incidence(seen, np.bincount(place, minlength=len(seen.days)))
    return with_interval(value, np.array(drawn), len(persons))


def estimate_all(rows: ScoredRows, compute: Callable[[Floats], Numbers], draws: Draws) -> Measured:
    """Estimate all that ``compute`` gives for weights of the rows, shape (draws, rows)."""
    values = compute(rows.weight[None])
    chunks = [compute(weights) for weights in rows.weights(*draws)]
    drawn = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in values}
    groups = len(rows.groups.ids)
    estimates = {
        name: [
            undefined(NOTHING) if np.isnan(value) else with_interval(value, own, groups)
            for value, own in zip(numbers[0].tolist(), drawn[name].T, strict=True)
        ]
        for name, numbers in values.items()
    }
    return Measured(estimates, drawn)


def _of_probabilities(rows: ScoredRows, weights: Floats, observed: Floats) -> Numbers:
    """What depends on the probabilities themselves; ``observed`` is the curve at each row."""
    at_thresholds = flag(rows.probability, rows.case, weights, THRESHOLDS)
    at_decisions = flag(rows.probability, rows.case, weights, DECISIONS)
    return {
        "brier": brier_score(rows, weights)[:, None],
        "calibration_intercept": calibration_intercept(rows, weights)[:, None],
        "ici": calibration_index(observed, rows.probability, weights)[:, None],
        **rates(at_thresholds),
        "net_benefit": net_benefit(at_decisions, DECISIONS),
        "net_benefit_of_all": net_benefit_of_all(at_decisions, DECISIONS),
    }


def _share_of_cases(rows: ScoredRows, weights: Floats) -> Floats:
    cases = np.einsum("dr,r->d", weights, rows.case.astype(np.float64))
    return ratio(cases, weights.sum(axis=1))[:, None]


def _by_state(
    measured: Measured, states: dict[str, tuple[ScoredRows, float]]
) -> dict[str, Measured]:
    """Part the numbers named ``state name`` by state."""
    found = {}
    for state in states:
        names = [name for name in measured.drawn if name.startswith(f"{state} ")]
        short = {name: name.removeprefix(f"{state} ") for name in names}
        found[state] = Measured(
            {short[name]: measured.estimates[name] for name in names},
            {short[name]: measured.drawn[name] for name in names},
        )
    return found
