"""A model's scored folds and its metrics, by fold and as their mean, as far as they are shown."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.folds import mean_over_folds
from visitseq.evaluate.metrics import METRICS, estimates_and_draws, metric_draws
from visitseq.evaluate.oracle_rows import (
    ORACLE_METRICS,
    ORACLES,
    is_scored,
    read_part,
    scored_rows,
)
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.figures.study import Setting, Study
from visitseq.figures.withheld import Withheld, withheld_folds

Floats = npt.NDArray[np.float64]
Draws = dict[str, Floats]


@dataclass(frozen=True, eq=False)
class FoldResult:
    """The scored test part of one fold, and its metrics.

    Attributes
    ----------
    persons
        How many cases and controls there are; a person with several rows counts once.
    deviations
        Bootstrap standard deviation of each metric that is defined.
    """

    fold: int
    rows: ScoredRows
    persons: tuple[int, int]
    metrics: dict[str, Estimate]
    deviations: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ModelResult:
    """All folds of one model in one setting, and the mean of each metric over them.

    Attributes
    ----------
    folds
        The folds in order; of a model that was trained with several seeds, those of one seed after
        those of the other.
    drawn
        Mean over the folds of each metric's bootstrap draws, where all folds have a value, shape
        (draws,) each.
    withheld
        Of which folds no metric is shown.
    seeds
        With how many seeds the model was trained.
    first
        Of several seeds, the result of the first alone.
    """

    setting: Setting
    model: str
    folds: list[FoldResult]
    means: dict[str, Estimate]
    drawn: Draws
    withheld: Withheld
    seeds: int = 1
    first: "ModelResult | None" = None

    @property
    def name(self) -> str:
        """The model, and how many seeds it stands for if several."""
        return common_name([self])

    @property
    def tested(self) -> list[FoldResult]:
        """Each fold once: all seeds are tested on the same rows."""
        return self.folds[: len(self.folds) // self.seeds]

    @property
    def smallest_class(self) -> int:
        """Cases or controls, whichever are fewer, in the fold that has fewest of them."""
        return min(min(fold.persons) for fold in self.folds)

    @property
    def fewest_groups(self) -> int:
        """Sets or persons of the fold that has fewest."""
        return min(len(fold.rows.groups.ids) for fold in self.folds)


def common_name(results: Sequence[ModelResult]) -> str:
    """Name the model of ``results``, with their numbers of seeds: gru (1 or 3 seeds)."""
    seeds = sorted({result.seeds for result in results})
    said = f" ({' or '.join(map(str, seeds))} seeds)" if seeds != [1] else ""
    return results[0].model + said


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
    """Read the oracles of every setting that has them; they have the rank metrics alone."""
    return [
        ceiling
        for setting in study.settings
        if study.has_oracle(setting) and study.folds and study.models_of(setting)
        for ceiling in _read_oracles(study, setting)
    ]


def fold_means(
    estimates: Sequence[Mapping[str, Estimate]],
    draws: Sequence[Draws],
    metrics: Sequence[str],
    of: str = "folds",
) -> tuple[dict[str, Estimate], Draws]:
    """Mean of each metric over the folds (or over what ``of`` says), and of its draws.

    Parameters
    ----------
    estimates, draws
        Of each fold; draws of the metrics that have a value.
    """
    means, drawn = {}, {}
    for metric in metrics:
        own = [of_fold[metric] for of_fold in draws if metric in of_fold]
        means[metric] = mean_over_folds([fold[metric] for fold in estimates], own, of)
        if len(own) == len(estimates):
            drawn[metric] = np.mean(np.stack(own), axis=0)
    return means, drawn


def _read_oracles(study: Study, setting: Setting) -> list[ModelResult]:
    parts = {fold: read_part(study.oracle(setting), fold) for fold in study.folds}
    ceilings = []
    for name in ORACLES:
        if all(is_scored(part, name) for part in parts.values()):
            folds = [_oracle_fold(study, part, name, fold) for fold, part in parts.items()]
            ceilings.append(_result(study, setting, name, folds, ORACLE_METRICS))
    return ceilings


def _oracle_fold(study: Study, part: pa.Table, name: str, fold: int) -> tuple[FoldResult, Draws]:
    rows = scored_rows(part, name)
    settings = (study.draws, study.seed, fold)
    metrics, drawn = estimates_and_draws(rows, *settings, ORACLE_METRICS)
    return FoldResult(fold, rows, _persons(part, "label"), metrics), drawn


def _read_model(study: Study, setting: Setting, model: str) -> ModelResult:
    folds = [_read_fold(study, setting, model, fold) for fold in study.folds]
    return _result(study, setting, model, folds, METRICS)


def _result(
    study: Study,
    setting: Setting,
    model: str,
    folds: list[tuple[FoldResult, Draws]],
    metrics: tuple[str, ...],
) -> ModelResult:
    results, draws = [fold for fold, _ in folds], [drawn for _, drawn in folds]
    means, drawn = fold_means([fold.metrics for fold in results], draws, metrics)
    withheld = withheld_folds([fold.persons for fold in results], study.minimum_cell)
    shown = [
        replace(fold, metrics=withheld.of_fold(place, fold.metrics))
        for place, fold in enumerate(results)
    ]
    of_means = {name: withheld.of_mean(estimate) for name, estimate in means.items()}
    return ModelResult(setting, model, shown, of_means, withheld.of_draws(drawn), withheld)


def _read_fold(study: Study, setting: Setting, model: str, fold: int) -> tuple[FoldResult, Draws]:
    folder = study.evaluation_folder(setting, model, fold)
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    scored = pq.read_table(folder / "predictions.parquet")
    rows = ScoredRows.from_predictions(scored)
    metrics = {metric: Estimate.from_json(content[metric]) for metric in METRICS}
    defined = tuple(name for name, estimate in metrics.items() if not math.isnan(estimate.value))
    drawn = metric_draws(rows, study.draws, study.seed, fold, defined)
    deviations = {name: float(np.std(values, ddof=1)) for name, values in drawn.items()}
    return FoldResult(fold, rows, _persons(scored, "boolean_value"), metrics, deviations), drawn


def _persons(part: pa.Table, label: str) -> tuple[int, int]:
    """How many persons are cases and how many are controls."""
    case, persons = part[label].to_numpy(), part["subject_id"].to_numpy()
    return len(np.unique(persons[case])), len(np.unique(persons[~case]))
