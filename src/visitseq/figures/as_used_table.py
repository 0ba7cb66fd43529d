"""The score as it would be used, in numbers: a row a model and where it was measured.

``case_control`` is the test part of the task that the model was trained in, ``as_used`` the rows of
the landmark task, and ``trained_on_landmark`` the same model trained on those.
"""

import math
from typing import Any

import pandas as pd

from visitseq.evaluate.as_used_content import (
    AS_USED_METRICS,
    CASE_CONTROL,
    RAW,
    RECALIBRATED,
    THRESHOLDS,
    TRAINED_THERE,
)
from visitseq.evaluate.flagged import RATES
from visitseq.figures.as_used_results import AS_USED, AsUsed
from visitseq.figures.labels import interval_text
from visitseq.figures.rows_tested import show_rows
from visitseq.figures.small_cells import SUPPRESSED, may_show, show_count
from visitseq.figures.study import Setting, Study

_DIGITS = 3
_PLACE = ["records", "site", "task", "landmark_task", "encoding", "model"]
_WHERE = ["measured_on", "probability", "folds"]
_COUNTS = ["rows", "onsets", "deaths", "censored"]
_ALONE = ["observed_risk", "observed_risk_aalen_johansen", "auroc_drop"]
_FLAGGED = [f"{rate}_at_{threshold:g}" for threshold in THRESHOLDS for rate in RATES]


def as_used_table(study: Study, results: list[AsUsed]) -> pd.DataFrame:
    """Metrics as ``value [low, high]``, raw and recalibrated; the drop is of the AUROC."""
    lines = [line for result in results for line in _lines(study, result)]
    columns = [*_PLACE, *_WHERE, *_COUNTS, *AS_USED_METRICS, *_ALONE, *_FLAGGED]
    return pd.DataFrame(lines, columns=columns).fillna("")


def _lines(study: Study, result: AsUsed) -> list[dict[str, Any]]:
    places = [(CASE_CONTROL, RAW), (AS_USED, RAW), (AS_USED, RECALIBRATED)]
    if result.trained_there:
        places += [(TRAINED_THERE, RAW), (TRAINED_THERE, RECALIBRATED)]
    return [_line(study, result, *place) for place in places]


def _line(study: Study, result: AsUsed, where: str, state: str) -> dict[str, Any]:
    site, task, encoding = result.setting
    line = {
        "records": study.records(site),
        "site": site,
        "task": task,
        "landmark_task": result.landmark,
        "encoding": encoding,
        "model": result.model,
        "measured_on": where,
        "probability": state,
        "folds": len(result.folds),
        **_counts(study, result, where),
    }
    metrics = [name for name in AS_USED_METRICS if where != CASE_CONTROL or name != "ici"]
    shown = may_show_place(study, result, where)
    texts = {
        name: interval_text(result.metric(where, name, state), _DIGITS) if shown else SUPPRESSED
        for name in metrics
    }
    return {
        **line,
        **texts,
        **_alone(result, where, state, shown=shown),
        **_flagged(study, result, where, state, shown=shown),
    }


def may_show_place(study: Study, result: AsUsed, where: str) -> bool:
    """Whether metrics may be shown: every test part has enough cases and controls."""
    if where != CASE_CONTROL:
        return result.may_show(study.minimum_cell)
    counts = [(fold[where]["cases"], fold[where]["n"]) for fold in result.folds]
    return all(
        may_show(number, study.minimum_cell)
        for cases, rows in counts
        for number in (cases, rows - cases)
    )


def _counts(study: Study, result: AsUsed, where: str) -> dict[str, str]:
    if where == CASE_CONTROL:
        numbers = (sum(fold[where][key] for fold in result.folds) for key in ("n", "cases"))
        shown = show_rows(study, result.setting, *numbers)
        return {"rows": shown.rows, "onsets": shown.cases}
    setting = Setting(result.setting.site, result.landmark, result.setting.encoding)
    shown = show_rows(study, setting, result.total("n"), result.total("onset"))
    others = {"deaths": "death", "censored": "censored"}
    return {"rows": shown.rows, "onsets": shown.cases} | {
        name: show_count(result.total(key), study.minimum_cell) for name, key in others.items()
    }


def _alone(result: AsUsed, where: str, state: str, *, shown: bool) -> dict[str, str]:
    """What is said once of a model: the observed risk, and the drop."""
    if (where, state) != (AS_USED, RAW):
        return {}
    estimates = {
        "observed_risk": result.of_folds("observed_risk", "weighted"),
        "observed_risk_aalen_johansen": result.of_folds("observed_risk", "aalen_johansen"),
        "auroc_drop": result.of_folds("drop", "auroc"),
    }
    return {
        name: interval_text(estimate, _DIGITS + 1) if shown else SUPPRESSED
        for name, estimate in estimates.items()
    }


def _flagged(
    study: Study, result: AsUsed, where: str, state: str, *, shown: bool
) -> dict[str, str]:
    """The rates at each threshold, where no cell of the table behind them is small."""
    if where == CASE_CONTROL:
        return {}
    texts = {}
    for threshold in THRESHOLDS:
        keys = [
            *([TRAINED_THERE] if where == TRAINED_THERE else []),
            state,
            "thresholds",
            f"{threshold:g}",
        ]
        rates = {rate: result.of_folds(*keys, rate) for rate in RATES}
        show = shown and _cells_may_show(
            result, rates["sensitivity"].value, rates["specificity"].value, study.minimum_cell
        )
        for rate, estimate in rates.items():
            text = interval_text(estimate, _DIGITS) if show else SUPPRESSED
            texts[f"{rate}_at_{threshold:g}"] = text
    return texts


def _cells_may_show(result: AsUsed, sensitivity: float, specificity: float, minimum: int) -> bool:
    """Whether each cell of flagged or not by case or not may be shown, weights left aside."""
    if math.isnan(sensitivity) or math.isnan(specificity):
        return True
    cases, controls = result.total("onset"), result.total("death") + result.total("free")
    flagged = round(sensitivity * cases), round((1 - specificity) * controls)
    cells = (*flagged, cases - flagged[0], controls - flagged[1])
    return all(may_show(cell, minimum) for cell in cells)
