"""Rows that were not observed to the end: weights for those that were, and the incidence.

Of a row that was censored before its horizon nobody knows whether an onset followed. The rows whose
outcome is known stand for it: each counts with the inverse of the probability of not having been
censored by then (Graf et al., Statistics in Medicine 1999;18:2529; Uno et al., Journal of the
American Statistical Association 2007;102:527),

    1 / G(t-)   onset or death on day t
    1 / G(H)    observed and free of it at the horizon H
    0           censored

where G is the Kaplan-Meier estimate of the time until censoring. On the same day onsets and deaths
come before censorings. It rests on censoring that says nothing about the outcome. Of the n_t rows
at risk at time t, d_t come to an event:

    S(t) = prod over s <= t of  (1 - d_s / n_s)          Kaplan and Meier
    I(H) = sum over t <= H of  S(t-) onsets_t / n_t      Aalen and Johansen

Death is a competing event: whoever died without an onset is known to be no case, and stays in the
denominator (the controls of Blanche, Dartigues and Jacqmin-Gadda, Statistics in Medicine
2013;32:5381, definition 2): an event of I is an onset or a death. Where any row is free at the
horizon the incidence is the weighted share of cases, by another way.

statsmodels has both curves, number by number the same, and takes as long to import as all the rest
of a job: the tests hold these to it.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.cohort.outcomes import CENSORED, DEATH, FREE, ONSET

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
    times, place = np.unique(days + 0.5 * censored, return_inverse=True)
    curve = _survival(np.bincount(place, censored), _at_risk(np.bincount(place)))
    uncensored = np.concatenate([[1.0], curve])[np.searchsorted(times, days)]
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
    if not (outcome == ONSET).any():
        return 0.0
    place = np.unique(days, return_inverse=True)[1]
    onsets, deaths, leaving = (
        np.bincount(place, counts * which)
        for which in (outcome == ONSET, outcome == DEATH, np.True_)
    )
    at_risk = _at_risk(leaving)
    free = np.concatenate([[1.0], _survival(onsets + deaths, at_risk)[:-1]])
    return float(np.cumsum(free / at_risk * onsets)[-1])


def _at_risk(leaving: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows at risk just before each time, of the rows that leave at each, ascending in time."""
    return np.cumsum(leaving[::-1])[::-1]


def _survival(events: npt.NDArray[Any], at_risk: npt.NDArray[Any]) -> Floats:
    """Share without an event after each time; the last of those at risk may all have one."""
    with np.errstate(divide="ignore"):
        survival: Floats = np.exp(np.cumsum(np.log(1 - events / at_risk)))
    return survival
