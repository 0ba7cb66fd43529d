"""The metrics of all models as tables: metrics.parquet for programs, one for readers.

metrics.parquet has a row for each fold's estimate, and one with a null fold for the mean over the
folds. A model that is tested where it was trained has the same site as source and target, its
strategy is ``home``, trained on 100 per cent of the training part. What moved models are worth
follows, by strategy. What rests on few persons is null (``withheld.py``).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.metrics import METRICS as NAMES
from visitseq.evaluate.next_visit_metrics import METRICS as NEXT_VISIT_NAMES
from visitseq.evaluate.recall import CUTS
from visitseq.figures.forecast_results import ForecastResult
from visitseq.figures.labels import interval_text
from visitseq.figures.model_results import ModelResult
from visitseq.figures.next_visit_results import NextVisitResult
from visitseq.figures.rows_tested import persons_tested, rows_tested
from visitseq.figures.study import Study
from visitseq.figures.transfer_metrics import transfer_rows
from visitseq.figures.transfer_results import TransferResult
from visitseq.tables import METRICS

_DIGITS = 3

Result = ModelResult | ForecastResult | NextVisitResult


def metrics_table(
    results: Sequence[Result], transfers: Sequence[TransferResult], minimum: int
) -> pa.Table:
    """Every estimate, at home and then of moved models, in the columns of tables.METRICS.

    ``minimum`` is the smallest number of persons that an estimate may rest on to be shown.
    """
    home = [row for result in results for row in _rows(result)]
    return pa.Table.from_pylist([*home, *transfer_rows(transfers, minimum)], METRICS)


def readable_metrics(study: Study, results: Sequence[Result]) -> pd.DataFrame:
    """One row a result: each metric's mean over the folds (and seeds) as ``value [low, high]``.

    Where the study has a forecast, the recalls over all visits ahead are columns too; where it
    predicts next visits, all their metrics.
    """
    lines = [
        {
            "records": study.records(result.setting.site),
            **result.setting._asdict(),
            "model": result.model,
            **_averaged(result),
            **_tested(study, result),
            **{name: interval_text(estimate, _DIGITS) for name, estimate in result.means.items()},
        }
        for result in results
    ]
    recalls = [f"recall_at_{k}" for k in CUTS] if study.forecasts else []
    recalls = list(NEXT_VISIT_NAMES) if study.next_visits else recalls
    columns = ["records", "site", "task", "encoding", "model", "seeds", "folds", "rows", "cases"]
    return pd.DataFrame(lines, columns=[*columns, *NAMES, *recalls])


def _averaged(result: Result) -> dict[str, int]:
    """Over how many seeds and folds a row's means are."""
    if not isinstance(result, ModelResult):
        return {"seeds": 1, "folds": len(result.folds)}
    return {"seeds": result.seeds, "folds": len(result.tested)}


def _tested(study: Study, result: Result) -> dict[str, str]:
    """Rows and cases of the test parts of all folds together; what asks for visits has no cases."""
    if not isinstance(result, ModelResult):
        return {"rows": persons_tested(study, result)}
    counts = rows_tested(study, result)
    return {"rows": counts.rows, "cases": counts.cases}


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    by_fold = [(fold.fold, fold.metrics) for fold in result.folds]
    for fold, metrics in [*by_fold, (None, result.means)]:
        for name, estimate in metrics.items():
            yield {**_place(result), "fold": fold, "metric": name, **_numbers(estimate)}


def _place(result: Result) -> dict[str, Any]:
    return {
        "source": result.setting.site,
        "target": result.setting.site,
        "task": result.setting.task,
        "encoding": result.setting.encoding,
        "model": result.model,
        "strategy": "home",
        "fraction": 100,
    }


def _numbers(estimate: Estimate) -> dict[str, Any]:
    """Value, low and high, null where undefined."""
    return {key: estimate.to_json()[key] for key in ("value", "low", "high")}
