"""One model's scores on landmark rows: as it gives them, and recalibrated there.

Logistic recalibration is fitted to the landmark rows of the validation part; the test part has no
say in it. The threshold that the model brought along is judged on its scores.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from visitseq.evaluate.as_used_measures import (
    DECISIONS,
    THRESHOLDS,
    Draws,
    Measured,
    as_json,
    at_thresholds,
    calibration_points,
    decision_curve,
    measure,
    recalibrated,
)
from visitseq.evaluate.as_used_rows import LandmarkParts
from visitseq.evaluate.decision import read_decision
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.evaluate.paired import compare
from visitseq.evaluate.recalibration import Recalibration, fit_recalibration
from visitseq.evaluate.scored_rows import ScoredRows, scores_of

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Line = tuple[Any, ...]

#: The end of a reason why a metric is undefined.
WHERE = " in the test part"

#: The probabilities as they are, and after recalibration.
RAW, RECALIBRATED = "raw", "recalibrated"

#: Metrics by which two models are compared, and of which probabilities.
COMPARED = {"auroc": RAW, "auprc": RAW, "brier": RECALIBRATED, "ici": RECALIBRATED}


class Scores(NamedTuple):
    """Scores and probabilities of the rows of the test and the validation part.

    Attributes
    ----------
    threshold
        Score from which on the model predicts a case.
    """

    test: tuple[Floats, Floats]
    validation: tuple[Floats, Floats]
    threshold: float


class Judged(NamedTuple):
    """What the scores are worth.

    Attributes
    ----------
    content
        A model's object in as_used.json.
    measured
        Metrics and draws of the probabilities, raw and, where that could be fitted, recalibrated.
    curves
        Lines of as_used_curves.csv from ``curve`` on.
    """

    content: dict[str, Any]
    measured: dict[str, Measured]
    curves: list[Line]


def judge(scores: Scores, parts: LandmarkParts, persons: Ids, draws: Draws) -> Judged:
    """Judge scores on the test part's rows, of which ``persons`` (sorted) are drawn."""
    test, validation = parts
    rows = test.scored(*scores.test, persons)
    fit = fit_recalibration(
        validation.scored(*scores.validation, np.unique(validation.sequences.subject_id))
    )
    states = {RAW: rows}
    if fit.reason is None:
        states[RECALIBRATED] = recalibrated(rows, fit)
    measured = {state: measure(own, draws) for state, own in states.items()}
    content: dict[str, Any] = {
        state: {**as_json(measured[state].estimates, WHERE), "thresholds": _thresholds(own, draws)}
        for state, own in states.items()
    }
    content["recalibration"] = _fit_json(fit)
    content["own_threshold"] = _own_threshold(rows, scores.threshold, draws)
    curves = [line for state, own in states.items() for line in _curves(state, own, draws)]
    return Judged(content, measured, curves)


def read_scores(folder: Path, parts: LandmarkParts) -> Scores:
    """Read the predictions that a model trained on the landmark cohort made for the same rows."""
    found = []
    for name, own in zip(("predictions", "validation"), parts, strict=True):
        table = pq.read_table(folder / f"{name}.parquet")
        if not np.array_equal(table["subject_id"].to_numpy(), own.sequences.subject_id):
            raise ValueError(f"{folder / name}.parquet and the landmark rows are of other persons")
        found.append(scores_of(table))
    test, validation = found
    return Scores(test, validation, read_decision(folder / "metrics.json").threshold.value)


def differences(first: Judged, second: Judged, persons: int) -> dict[str, Any]:
    """By how much each of ``COMPARED`` is larger for the first, of ``persons`` who are drawn."""
    return {
        metric: _difference(first, second, metric, state, persons).to_json(WHERE)
        for metric, state in COMPARED.items()
    }


def _difference(first: Judged, second: Judged, metric: str, state: str, persons: int) -> Estimate:
    for judged in (first, second):
        if state not in judged.measured:
            return undefined(f"not recalibrated: {judged.content['recalibration']['reason']};")
        estimate = judged.measured[state].estimates[metric]
        if metric not in judged.measured[state].drawn:
            return undefined(str(estimate.reason))
    one, other = (judged.measured[state] for judged in (first, second))
    estimates = one.estimates[metric], other.estimates[metric]
    return compare(*estimates, one.drawn[metric], other.drawn[metric], persons).difference


def _fit_json(fit: Recalibration) -> dict[str, Any]:
    if fit.reason is not None:
        return {"intercept": None, "slope": None, "reason": fit.reason}
    return {"intercept": fit.intercept, "slope": fit.slope}


def _thresholds(rows: ScoredRows, draws: Draws) -> dict[str, Any]:
    """What each of ``THRESHOLDS`` would do, by the threshold."""
    found = at_thresholds(rows, rows.probability, THRESHOLDS, draws)
    return {
        f"{threshold:g}": as_json(own, WHERE)
        for threshold, own in zip(THRESHOLDS, found, strict=True)
    }


def _own_threshold(rows: ScoredRows, threshold: float, draws: Draws) -> dict[str, Any]:
    (found,) = at_thresholds(rows, rows.score, np.array([threshold]), draws)
    return {"value": threshold, **as_json(found, WHERE)}


def _curves(state: str, rows: ScoredRows, draws: Draws) -> list[Line]:
    at, shares = calibration_points(rows, draws)
    curves = {
        "calibration": zip(at, shares, strict=True),
        "decision": zip(DECISIONS, decision_curve(rows, draws), strict=True),
    }
    return [
        (curve, state, float(x), *estimate[:3])
        for curve, points in curves.items()
        for x, estimate in points
    ]
