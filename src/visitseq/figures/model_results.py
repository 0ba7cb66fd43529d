"""A model's scored folds and its metrics, by fold and as their mean."""

import json
import math
from dataclasses import dataclass

import pyarrow.parquet as pq

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.folds import mean_over_folds
from visitseq.evaluate.metrics import METRICS, estimate_metrics, metric_draws
from visitseq.evaluate.oracle_rows import (
    ORACLE_METRICS,
    ORACLES,
    is_scored,
    read_part,
    scored_rows,
)
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.figures.study import Setting, Study


@dataclass(frozen=True, eq=False)
class FoldResult:
    """The scored test part of one fold, and its metrics."""

    fold: int
    rows: ScoredRows
    metrics: dict[str, Estimate]


@dataclass(frozen=True, eq=False)
class ModelResult:
    """All folds of one model in one setting, and the mean of each metric over them."""

    setting: Setting
    model: str
    folds: list[FoldResult]
    means: dict[str, Estimate]

    @property
    def smallest_class(self) -> int:
        """Cases or controls, whichever are fewer, in the fold that has fewest of them."""
        cases = [(int(fold.rows.case.sum()), len(fold.rows)) for fold in self.folds]
        return min(min(number, rows - number) for number, rows in cases)


def read_results(study: Study) -> list[ModelResult]:
    """Read every model of every setting, in the study's order; none where no fold was run."""
    if not study.folds:
        return []
    return [
        _read_model(study, setting, model)
        for setting in study.settings
        for model in study.models_of(setting)
    ]


def read_ceilings(study: Study) -> list[ModelResult]:
    """Read the oracles of every setting of a simulated site; they have the rank metrics alone."""
    return [
        ceiling
        for setting in study.settings
        if setting.site in study.simulated and study.folds and study.models_of(setting)
        for ceiling in _read_oracles(study, setting)
    ]


def _read_oracles(study: Study, setting: Setting) -> list[ModelResult]:
    parts = {fold: read_part(study.oracle(setting), fold) for fold in study.folds}
    ceilings = []
    for name in ORACLES:
        if all(is_scored(part, name) for part in parts.values()):
            folds = [
                _oracle_fold(study, scored_rows(part, name), fold) for fold, part in parts.items()
            ]
            ceilings.append(ModelResult(setting, name, folds, _means(study, folds, ORACLE_METRICS)))
    return ceilings


def _oracle_fold(study: Study, rows: ScoredRows, fold: int) -> FoldResult:
    return FoldResult(
        fold, rows, estimate_metrics(rows, study.draws, study.seed, fold, ORACLE_METRICS)
    )


def _read_model(study: Study, setting: Setting, model: str) -> ModelResult:
    folds = [_read_fold(study, setting, model, fold) for fold in study.folds]
    return ModelResult(setting, model, folds, _means(study, folds))


def _read_fold(study: Study, setting: Setting, model: str, fold: int) -> FoldResult:
    folder = study.evaluation_folder(setting, model, fold)
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return FoldResult(
        fold=fold,
        rows=ScoredRows.from_predictions(pq.read_table(folder / "predictions.parquet")),
        metrics={metric: Estimate.from_json(content[metric]) for metric in METRICS},
    )


def _means(
    study: Study, folds: list[FoldResult], metrics: tuple[str, ...] = METRICS
) -> dict[str, Estimate]:
    """Mean of each metric over the folds; draws are needed only where all folds have a value."""
    if len(folds) == 1:
        return folds[0].metrics
    defined = tuple(m for m in metrics if not any(math.isnan(f.metrics[m].value) for f in folds))
    drawn = [metric_draws(f.rows, study.draws, study.seed, f.fold, defined) for f in folds]
    return {
        metric: mean_over_folds(
            [fold.metrics[metric] for fold in folds],
            [of_fold[metric] for of_fold in drawn if metric in defined],
        )
        for metric in metrics
    }
