"""The paper's Tables 1 and 2: the AUROC by observation window, and by prediction window.

A row a site, encoding, model and window, of models that were run with two windows of a series or
more. Where a model has not as many seeds with every window, it is its first seed alone with all:
what a window does is not mixed with what the other seeds do. Beside ours stands what the paper
printed for the model of that name and window, and the encoding it had.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from visitseq.figures.labels import interval_text
from visitseq.figures.model_results import ModelResult
from visitseq.figures.published import HEADING, heart_failure, published_model
from visitseq.figures.study import Study
from visitseq.figures.window_series import OTHER, TABLES, Series, window_series

_DIGITS = 3


def windows_table(study: Study, results: list[ModelResult], varies: str) -> pd.DataFrame:
    """Every series of the study in which ``varies`` (observation or prediction) differs."""
    lines = [
        line for series in window_series(study, varies) for line in _lines(study, results, series)
    ]
    windows = ["observation_months", "prediction_months"]
    columns = ["records", "site", "encoding", "model", *windows, "task", "folds", "auroc"]
    return pd.DataFrame(lines, columns=[*columns, HEADING, "published encoding"])


def _lines(study: Study, results: list[ModelResult], series: Series) -> Iterator[dict[str, Any]]:
    for (site, encoding, model), by_months in results_of(results, series).items():
        for months, result in by_months.items():
            task = study.onsets[result.setting.task]
            yield {
                "records": study.records(site),
                "site": site,
                "encoding": encoding,
                "model": result.name,
                "observation_months": f"{task['observation_months']:g}",
                "prediction_months": f"{task['prediction_months']:g}",
                "task": result.setting.task,
                "folds": len(result.tested),
                "auroc": interval_text(result.means["auroc"], _DIGITS),
                **_published(study, model, series, months),
            }


def results_of(
    results: list[ModelResult], series: Series
) -> dict[tuple[str, str, str], dict[float, ModelResult]]:
    """Results of a series by site, encoding and model, and within by months, ascending.

    Those of a single window are left out; where the numbers of seeds differ, the first seed's stand
    for the model's.
    """
    found: dict[tuple[str, str, str], dict[float, ModelResult]] = {}
    for result in results:
        for months, task in series.tasks.items():
            if result.setting.task == task:
                key = (result.setting.site, result.setting.encoding, result.model)
                found.setdefault(key, {})[months] = result
    return {
        key: _of_equal_seeds(dict(sorted(by_months.items())))
        for key, by_months in found.items()
        if len(by_months) > 1
    }


def _of_equal_seeds(by_months: dict[float, ModelResult]) -> dict[float, ModelResult]:
    if len({result.seeds for result in by_months.values()}) == 1:
        return by_months
    return {months: result.first or result for months, result in by_months.items()}


def _published(study: Study, model: str, series: Series, months: float) -> dict[str, str]:
    """What the paper's table has for a model and window, as far as it has it."""
    table = heart_failure()[TABLES[series.varies]]
    fixed = f"{OTHER[series.varies]}_months"
    name = published_model(study.model_sections[model])
    rows = {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["rows"]}
    if table[fixed] != series.fixed or months not in rows or name not in rows[months]:
        return {HEADING: "", "published encoding": ""}
    return {HEADING: f"{rows[months][name]:.4f}", "published encoding": table["encoding"]}
