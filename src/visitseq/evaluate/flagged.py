"""What follows when everybody is flagged whose risk reaches a threshold.

With TP and FP the weights of the flagged cases and controls, P and N those of all:

    flagged       (TP + FP) / (P + N)
    sensitivity   TP / P                    specificity   1 - FP / N
    ppv           TP / (TP + FP)            npv           (N - FP) / (N - FP + P - TP)
    net benefit   TP / (P + N) - FP / (P + N) x t / (1 - t)

The net benefit counts in true positives, a false positive being worth t / (1 - t) of one: that is
what a threshold t says of somebody who acts on it (Vickers and Elkin, Medical Decision Making
2006;26:565). Flagging nobody has a net benefit of 0, flagging everybody that of TP = P, FP = N.

Each function gives a value a draw and threshold, NaN where a denominator is 0.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.ranking import ratio

Floats = npt.NDArray[np.float64]

#: What a threshold is described by.
RATES = ("flagged", "sensitivity", "specificity", "ppv", "npv")


class Flagged(NamedTuple):
    """Weights of the flagged, shape (draws, thresholds), and of all, shape (draws, 1)."""

    true_positives: Floats
    false_positives: Floats
    cases: Floats
    controls: Floats


def flag(risk: Floats, case: npt.NDArray[np.bool_], weights: Floats, thresholds: Floats) -> Flagged:
    """Flag the rows whose ``risk`` (or score) is at least each threshold.

    Parameters
    ----------
    risk, case
        Shape (rows,).
    weights
        Shape (draws, rows).
    thresholds
        Shape (thresholds,).
    """
    order = np.argsort(-risk, kind="stable")
    flagged = np.searchsorted(-risk[order], -thresholds, side="right")
    of_cases, of_controls = (
        np.cumsum(np.pad((weights * own)[:, order], ((0, 0), (1, 0))), axis=1)
        for own in (case, ~case)
    )
    return Flagged(
        of_cases[:, flagged], of_controls[:, flagged], of_cases[:, -1:], of_controls[:, -1:]
    )


def rates(flagged: Flagged) -> dict[str, Floats]:
    """Each of ``RATES``, shape (draws, thresholds)."""
    positives, negatives, cases, controls = flagged
    spared, missed = controls - negatives, cases - positives
    return {
        "flagged": ratio(positives + negatives, cases + controls),
        "sensitivity": ratio(positives, cases),
        "specificity": ratio(spared, controls),
        "ppv": ratio(positives, positives + negatives),
        "npv": ratio(spared, spared + missed),
    }


def net_benefit(flagged: Flagged, thresholds: Floats) -> Floats:
    """Net benefit at each threshold, above 0 and below 1, shape (draws, thresholds)."""
    positives, negatives, cases, controls = flagged
    return ratio(positives - negatives * thresholds / (1 - thresholds), cases + controls)


def net_benefit_of_all(flagged: Flagged, thresholds: Floats) -> Floats:
    """Net benefit of flagging everybody, shape (draws, thresholds)."""
    _, _, cases, controls = flagged
    return ratio(cases - controls * thresholds / (1 - thresholds), cases + controls)
