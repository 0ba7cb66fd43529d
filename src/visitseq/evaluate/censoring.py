"""Rows that were not observed to the end: weights for those that were, and the incidence.

Of a row that was censored before its horizon nobody knows whether an onset followed. The rows whose
outcome is known stand for it: each counts with the inverse of the probability of not having been
censored by then (Graf et al., Statistics in Medicine 1999;18:2529; Uno et al., Journal of the
American Statistical Association 2007;102:527),

    1 / G(t-)   onset or death on day t
    1 / G(H)    observed and free of it at the horizon H
    0           censored

where G is the Kaplan-Meier estimate of the time until censoring. On the same day onsets and deaths
come before censorings. It rests on censoring that says nothing about the outcome.

Death is a competing event: whoever died without an onset is known to be no case, and stays in the
denominator (the controls of Blanche, Dartigues and Jacqmin-Gadda, Statistics in Medicine
2013;32:5381, definition 2). The incidence is that of Aalen and Johansen. Where any row is free at
the horizon it is the weighted share of cases, by another way.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from visitseq.cohort.landmark import CENSORED, DEATH, FREE, ONSET

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Words = npt.NDArray[np.str_]

#: What can come of a row.
OUTCOMES = (ONSET, DEATH, CENSORED, FREE)


def censoring_weights(days: Days, outcome: Words) -> Floats:
    """Inverse probability of censoring weights, on which the rows themselves decide.

    Parameters
    ----------
    days
        Days until the first of onset, death, end of observation and horizon, shape (rows,).
    outcome
        Which of ``OUTCOMES`` that was, shape (rows,).

    Returns
    -------
    numpy.ndarray
        Shape (rows,), 0 for a censored row.
    """
    if not len(days):
        return np.empty(0)
    censored = outcome == CENSORED
    # Half a day later: what happened on that day comes first.
    curve = SurvfuncRight(days + 0.5 * censored, censored.astype(np.int64))
    before = np.searchsorted(curve.surv_times, days)
    uncensored = np.concatenate([[1.0], curve.surv_prob])[before]
    weights = np.zeros(len(days))
    np.divide(1.0, uncensored, out=weights, where=~censored)
    return weights


class FollowUp(NamedTuple):
    """Distinct pairs of days and outcome, shape (pairs,) each."""

    days: Days
    outcome: Words


def follow_up(days: Days, outcome: Words) -> tuple[FollowUp, npt.NDArray[np.intp]]:
    """Find the distinct pairs of days and outcome, and the place of each row's among them."""
    number = np.array([OUTCOMES.index(name) for name in outcome.tolist()], dtype=np.int64)
    pairs, place = np.unique(days.astype(np.int64) * len(OUTCOMES) + number, return_inverse=True)
    words = np.array(OUTCOMES)[pairs % len(OUTCOMES)]
    return FollowUp((pairs // len(OUTCOMES)).astype(np.int32), words), place


def cumulative_incidence(seen: FollowUp, counts: npt.NDArray[Any]) -> float:
    """Share with an onset before the horizon, death competing (Aalen and Johansen).

    Parameters
    ----------
    seen
        What came of the rows.
    counts
        Rows of each pair of days and outcome, shape (pairs,).
    """
    drawn = counts > 0
    days, outcome, counts = seen.days[drawn], seen.outcome[drawn], counts[drawn]
    status = (outcome == ONSET) + 2 * (outcome == DEATH)
    if not (status == 1).any():
        return 0.0
    return float(CumIncidenceRight(days, status, freq_weights=counts).cinc[0][-1])
