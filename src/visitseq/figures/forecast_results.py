"""A model's forecast folds and its recalls, by fold and as their mean, as far as they are shown."""

import json
import math
from dataclasses import dataclass

import pyarrow.parquet as pq

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.folds import mean_over_folds
from visitseq.evaluate.recall import RankedVisits, recall_draws, recall_metrics
from visitseq.figures.study import Setting, Study
from visitseq.figures.withheld import shown_folds


@dataclass(frozen=True, eq=False)
class ForecastFold:
    """The forecast test part of one fold, and its metrics."""

    fold: int
    visits: RankedVisits
    metrics: dict[str, Estimate]


@dataclass(frozen=True, eq=False)
class ForecastResult:
    """All folds of one model in one setting, and the mean of each metric over them."""

    setting: Setting
    model: str
    visits_ahead: int
    folds: list[ForecastFold]
    means: dict[str, Estimate]

    @property
    def smallest_part(self) -> int:
        """Persons of the test part that has fewest."""
        return min(len(fold.visits.groups.ids) for fold in self.folds)


def read_forecasts(study: Study) -> list[ForecastResult]:
    """Read every forecast of every site, in the study's order; none where no fold was run."""
    if not study.folds:
        return []
    return [
        _read_model(study, Setting(site, task, encoding), model)
        for site in study.synthetic
        for task, encoding, model in study.forecast_models
    ]


def _read_model(study: Study, setting: Setting, model: str) -> ForecastResult:
    ahead = study.forecasts[setting.task].visits_ahead
    folds = [_read_fold(study, setting, model, fold) for fold in study.folds]
    means = _means(study, folds, ahead)
    return ForecastResult(setting, model, ahead, *shown_folds(folds, means, study.minimum_cell))


def _read_fold(study: Study, setting: Setting, model: str, fold: int) -> ForecastFold:
    folder = study.evaluation_folder(setting, model, fold)
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    names = recall_metrics(study.forecasts[setting.task].visits_ahead)
    return ForecastFold(
        fold=fold,
        visits=RankedVisits.from_predictions(pq.read_table(folder / "predictions.parquet")),
        metrics={name: Estimate.from_json(content[name]) for name in names},
    )


def _means(study: Study, folds: list[ForecastFold], ahead: int) -> dict[str, Estimate]:
    """Mean of each metric over the folds; draws are needed only where all folds have a value."""
    if len(folds) == 1:
        return folds[0].metrics
    drawn = [recall_draws(f.visits, ahead, study.draws, study.seed, f.fold) for f in folds]
    means = {}
    for name in folds[0].metrics:
        estimates = [fold.metrics[name] for fold in folds]
        defined = not any(math.isnan(estimate.value) for estimate in estimates)
        draws = [of_fold[name] for of_fold in drawn] if defined else []
        means[name] = mean_over_folds(estimates, draws)
    return means
