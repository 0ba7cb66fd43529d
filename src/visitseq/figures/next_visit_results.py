"""A model's predictions of next visits and their metrics, by fold and as their mean.

Metrics are those that are shown: few persons tested have none.
"""

import json
from dataclasses import dataclass

import pyarrow.parquet as pq

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.folds import mean_over_folds
from visitseq.evaluate.next_visit_metrics import METRICS, PredictedVisits, next_visit_draws
from visitseq.figures.study import Setting, Study
from visitseq.figures.withheld import shown_folds


@dataclass(frozen=True, eq=False)
class NextVisitFold:
    """The predicted test part of one fold, and its metrics."""

    fold: int
    visits: PredictedVisits
    metrics: dict[str, Estimate]


@dataclass(frozen=True, eq=False)
class NextVisitResult:
    """All folds of one model in one setting, and the mean of each metric over them."""

    setting: Setting
    model: str
    folds: list[NextVisitFold]
    means: dict[str, Estimate]


def read_next_visits(study: Study) -> list[NextVisitResult]:
    """Read every model that predicts next visits, in the study's order; none without a fold."""
    if not study.folds:
        return []
    return [
        _read_model(study, Setting(site, task, encoding), model)
        for site in study.synthetic
        for task, encoding, model in study.next_visit_models
    ]


def _read_model(study: Study, setting: Setting, model: str) -> NextVisitResult:
    folds = [_read_fold(study, setting, model, fold) for fold in study.folds]
    means = _means(study, folds)
    return NextVisitResult(setting, model, *shown_folds(folds, means, study.minimum_cell))


def _read_fold(study: Study, setting: Setting, model: str, fold: int) -> NextVisitFold:
    folder = study.evaluation_folder(setting, model, fold)
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return NextVisitFold(
        fold=fold,
        visits=PredictedVisits.from_predictions(pq.read_table(folder / "predictions.parquet")),
        metrics={name: Estimate.from_json(content[name]) for name in METRICS},
    )


def _means(study: Study, folds: list[NextVisitFold]) -> dict[str, Estimate]:
    """Mean of each metric over the folds, whose draws a single one does not need."""
    if len(folds) == 1:
        return folds[0].metrics
    drawn = [next_visit_draws(f.visits, study.draws, study.seed, f.fold) for f in folds]
    return {
        name: mean_over_folds([fold.metrics[name] for fold in folds], [own[name] for own in drawn])
        for name in METRICS
    }
