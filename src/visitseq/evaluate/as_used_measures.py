"""What a score is worth on weighted rows: all that is said of it, in one pass over the draws.

The same is measured of the probabilities as the model gives them and as they are after logistic
recalibration. What recalibration does not change is computed once: the order of the rows, and the
smooth calibration curve. The calibration slope is divided by that of the recalibration.
"""

from dataclasses import dataclass, replace
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
    drawn: dict[str, Floats]


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
        the rates (``flagged.py``) at ``THRESHOLDS``, ``net_benefit`` and ``net_benefit_of_all`` at
        ``DECISIONS``; of raw probabilities also the rates at the own threshold (``own_…``), the
        ``curve`` at ``curve_places`` and ``observed``, the weighted share of cases.
    """
    states = {RAW: (rows, 1.0)}
    if fit.reason is None:
        states[RECALIBRATED] = (recalibrated(rows, fit), fit.slope)
    numbers = _Numbers(states, threshold, SmoothCurve(rows), curve_places(rows))
    values = numbers.of_draws(rows.weight[None])
    chunks = [numbers.of_draws(weights) for weights in rows.weights(*draws)]
    found = {state: Measured({}, {}) for state in states}
    for state, name in values:
        drawn = np.concatenate([chunk[state, name] for chunk in chunks])
        found[state].drawn[name] = drawn
        found[state].estimates[name] = _with_intervals(
            values[state, name][0], drawn, len(rows.groups.ids)
        )
    return found


@dataclass(frozen=True, eq=False)
class _Numbers:
    """All numbers, each by its state and name.

    Attributes
    ----------
    states
        The rows with the probabilities of each state, raw ones first, and the slope by which the
        log odds were multiplied.
    threshold
        The model's own.
    smooth, places
        The calibration curve of the raw probabilities, and where it is drawn.
    """

    states: dict[str, tuple[ScoredRows, float]]
    threshold: float
    smooth: SmoothCurve
    places: Floats

    def of_draws(self, weights: Floats) -> dict[tuple[str, str], Floats]:
        """Compute all for weights of shape (draws, rows); each of shape (draws, numbers)."""
        rows, _ = self.states[RAW]
        coefficients = self.smooth.fit(weights)
        observed = self.smooth.at_rows(coefficients)
        curve, slope = roc_curve(rows, weights), calibration_slope(rows, weights)
        own = rates(flag(rows.score, rows.case, weights, np.array([self.threshold])))
        numbers = {
            (RAW, "curve"): self.smooth.at(coefficients, self.places),
            (RAW, "observed"): _share_of_cases(rows, weights),
            **{(RAW, f"own_{name}"): values for name, values in own.items()},
        }
        for state, (of_state, factor) in self.states.items():
            values = {
                "auroc": area_under_roc(curve)[:, None],
                "auprc": average_precision(curve)[:, None],
                "calibration_slope": slope[:, None] / factor,
                **_of_probabilities(of_state, weights, observed),
            }
            numbers |= {(state, name): value for name, value in values.items()}
        return numbers


def _with_intervals(values: Floats, drawn: Floats, groups: int) -> list[Estimate]:
    """Give each value its interval; ``drawn`` has the shape (draws, values)."""
    return [
        undefined(NOTHING) if np.isnan(value) else with_interval(value, own, groups)
        for value, own in zip(values.tolist(), drawn.T, strict=True)
    ]


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


def _of_probabilities(rows: ScoredRows, weights: Floats, observed: Floats) -> dict[str, Floats]:
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
