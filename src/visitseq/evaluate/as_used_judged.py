"""One model's scores on landmark rows: as it gives them, and recalibrated there.

Logistic recalibration is fitted to the landmark rows of the validation part; the test part has no
say in it. The threshold that the model brought along is judged on its scores.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from visitseq.evaluate.as_used_content import (
    AS_USED_METRICS,
    DECISIONS,
    RAW,
    RECALIBRATED,
    THRESHOLDS,
)
from visitseq.evaluate.as_used_measures import Draws, Measured, curve_places, measure
from visitseq.evaluate.as_used_rows import LandmarkParts
from visitseq.evaluate.decision import read_decision
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.evaluate.flagged import RATES
from visitseq.evaluate.metrics import missing_class
from visitseq.evaluate.paired import compare
from visitseq.evaluate.recalibration import Recalibration, fit_recalibration
from visitseq.evaluate.scored_rows import ScoredRows, scores_of

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Line = tuple[Any, ...]

#: The end of a reason why a metric is undefined.
WHERE = " in the test part"

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
    content: dict[str, Any] = {"recalibration": _fit_json(fit)}
    reason = missing_class(rows)
    if reason is not None:
        nothing = {name: undefined(reason).to_json(WHERE) for name in AS_USED_METRICS}
        return Judged({RAW: nothing, **content}, {}, [])
    measured = measure(rows, fit, scores.threshold, draws)
    content |= {state: _content(own) for state, own in measured.items()}
    content["own_threshold"] = {"value": scores.threshold, **_rates(measured[RAW], "own_", 0)}
    return Judged(content, measured, _curves(rows, fit, measured))


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
        if RAW not in judged.measured:
            return undefined("no case or no control")
        if state not in judged.measured:
            return undefined(f"not recalibrated: {judged.content['recalibration']['reason']};")
    one, other = (judged.measured[state] for judged in (first, second))
    estimates = one.estimates[metric][0], other.estimates[metric][0]
    drawn = one.drawn[metric][:, 0], other.drawn[metric][:, 0]
    return compare(*estimates, *drawn, persons).difference


def _content(measured: Measured) -> dict[str, Any]:
    """Metrics, and what each of ``THRESHOLDS`` would do, by the threshold."""
    metrics = {name: measured.estimates[name][0].to_json(WHERE) for name in AS_USED_METRICS}
    thresholds = {
        f"{threshold:g}": _rates(measured, "", place) for place, threshold in enumerate(THRESHOLDS)
    }
    return {**metrics, "thresholds": thresholds}


def _rates(measured: Measured, prefix: str, place: int) -> dict[str, Any]:
    """The rates at the threshold with a number."""
    return {name: measured.estimates[prefix + name][place].to_json(WHERE) for name in RATES}


def _fit_json(fit: Recalibration) -> dict[str, Any]:
    if fit.reason is not None:
        return {"intercept": None, "slope": None, "reason": fit.reason}
    return {"intercept": fit.intercept, "slope": fit.slope}


def _curves(rows: ScoredRows, fit: Recalibration, measured: Mapping[str, Measured]) -> list[Line]:
    """Calibration and decision curve of each state."""
    places = curve_places(rows)
    lines: list[Line] = []
    for state, own in measured.items():
        at = places if state == RAW else fit.probabilities(places)
        points = {
            "calibration": zip(at, measured[RAW].estimates["curve"], strict=True),
            "decision": zip(DECISIONS, own.estimates["net_benefit"], strict=True),
        }
        lines += [
            (curve, state, float(x), *estimate[:3])
            for curve, of_curve in points.items()
            for x, estimate in of_curve
        ]
    return lines
