"""Recalibrate probabilities on the validation part, and see on the test part what that is worth.

A model that is carried to another hospital may order its patients well and still be too sure, or
too high throughout. Logistic recalibration (Cox, Biometrika 1958;45:562; Steyerberg, Clinical
Prediction Models, 2nd edition 2019, chapter 20) fits

    logit P(case) = intercept + slope logit p

to the validation part by maximum likelihood. The probabilities of the test part that come of it
have a calibration intercept and slope of their own, which are 0 and 1 where two numbers can mend
what is wrong. Their intervals are of the test part; the fit is taken as it is.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from visitseq.evaluate.calibration import fit_logistic, logit, separated
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.evaluate.metrics import estimates_and_draws
from visitseq.evaluate.scored_rows import ScoredRows

Floats = npt.NDArray[np.float64]

#: Metrics of the recalibrated probabilities, by those that they are of any.
RECALIBRATED = {
    "recalibrated_intercept": "calibration_intercept",
    "recalibrated_slope": "calibration_slope",
}


class Recalibration(NamedTuple):
    """Intercept and slope on the log odds; NaN where nothing could be fitted, with the reason."""

    intercept: float
    slope: float
    reason: str | None = None

    def probabilities(self, probabilities: Floats) -> Floats:
        """Recalibrated probability of each of ``probabilities``, shape (rows,)."""
        return np.asarray(expit(self.intercept + self.slope * logit(probabilities)))


def fit_recalibration(rows: ScoredRows) -> Recalibration:
    """Fit intercept and slope to the rows of the validation part."""
    cases, controls = int(rows.case.sum()), int((~rows.case).sum())
    if not (cases and controls):
        lacks = "case" if controls else "control" if cases else "row"
        return _unfitted(f"no {lacks} in the validation part")
    predictor, every_row = logit(rows.probability), rows.weight[None]
    if separated(predictor, rows.case, every_row)[0]:
        return _unfitted("the score parts the validation part's classes, or is constant there")
    centre, scale = float(predictor.mean()), float(predictor.std())
    share = float(np.average(rows.case, weights=rows.weight))
    start = np.array([math.log(share / (1 - share)), 0.0])
    x = (predictor - centre) / scale
    intercept, slope = fit_logistic(x, rows.case, every_row, start)[0]
    return Recalibration(float(intercept - slope * centre / scale), float(slope / scale))


def estimate_recalibrated(
    rows: ScoredRows, fit: Recalibration, draws: int, seed: int, fold: int
) -> tuple[dict[str, Estimate], dict[str, Floats]]:
    """Estimate ``RECALIBRATED`` on the test part's rows, with the draws of what is defined."""
    if fit.reason is not None:
        return dict.fromkeys(RECALIBRATED, undefined(fit.reason)), {}
    mended = replace(rows, probability=fit.probabilities(rows.probability))
    metrics = tuple(RECALIBRATED.values())
    estimates, drawn = estimates_and_draws(mended, draws, seed, fold, metrics)
    names = {metric: name for name, metric in RECALIBRATED.items()}
    return (
        {names[metric]: estimate for metric, estimate in estimates.items()},
        {names[metric]: values for metric, values in drawn.items()},
    )


def _unfitted(reason: str) -> Recalibration:
    return Recalibration(math.nan, math.nan, reason)
