"""How well a model predicts in women and men, in age bands, and by race where the site has it.

One model a setting is shown: the study's reference, or else the first model. A subgroup's metrics
are those of its rows of each fold's test part, from the draws of all rows, and their mean over the
folds. Ages are completed years at the index date, in fixed bands. Sex and race are the person's
OMOP concepts.

A subgroup is hidden where few persons are in it, among those tested or among the rest of the
cohort, and with it as many others of its division as keep its numbers from being computed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.metrics import estimates_and_draws
from visitseq.figures.cohort_rows import CohortRows, read_cohort_rows
from visitseq.figures.model_results import FoldResult, ModelResult, fold_means
from visitseq.figures.small_cells import hidden_levels
from visitseq.figures.study import Study
from visitseq.figures.withheld import withheld_folds

Flags = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]

METRICS = ("auroc", "calibration_intercept", "calibration_slope", "brier")

UNKNOWN, OTHER = "unknown", "other"
SEXES = {8532: "female", 8507: "male", 0: UNKNOWN}
RACES = {
    8527: "White",
    8516: "Black or African American",
    8515: "Asian",
    8557: "Native Hawaiian or Other Pacific Islander",
    8657: "American Indian or Alaska Native",
    0: UNKNOWN,
}
BANDS = {"under 55": (0, 55), "55 to 64": (55, 65), "65 to 74": (65, 75), "75 and over": (75, 200)}


class Subgroup(NamedTuple):
    """Rows tested of a level of a variable, and the metrics on them; none where it is hidden."""

    variable: str
    level: str
    rows: int
    cases: int
    means: dict[str, Estimate]
    hidden: bool


@dataclass(frozen=True, eq=False)
class SubgroupResult:
    """The model that is shown in a setting, and its subgroups by variable."""

    result: ModelResult
    subgroups: list[Subgroup]


def read_subgroups(study: Study, results: list[ModelResult]) -> list[SubgroupResult]:
    """Divide the rows that one of ``results`` in each setting was tested on."""
    return [
        _divide(study, _shown_model(study, list(models)))
        for _, models in groupby(results, key=lambda result: result.setting)
    ]


def levels_of(rows: CohortRows) -> dict[str, Names]:
    """Level of each row, by variable; race is left out where nobody's is known."""
    levels = {"sex": _named(rows.sex, SEXES), "age": _banded(rows.age)}
    race = _named(rows.race, RACES)
    return levels if np.all(race == UNKNOWN) else {**levels, "race": race}


def _shown_model(study: Study, models: list[ModelResult]) -> ModelResult:
    name = None if study.reference is None else study.first_of(study.reference)
    return next((own for own in models if study.first_of(own.model) == name), models[0])


def _divide(study: Study, result: ModelResult) -> SubgroupResult:
    site, task, _ = result.setting
    rows = read_cohort_rows(study, site, study.outcomes[task])
    tested = np.isin(rows.part, study.folds)
    subgroups = []
    for variable, level_of_row in levels_of(rows).items():
        levels = _in_order(variable, level_of_row[tested])
        members = [level_of_row == level for level in levels]
        cells = [_cells(rows, own, [tested, ~tested]) for own in members]
        hidden = hidden_levels(cells, study.minimum_cell)
        for level, own, is_hidden in zip(levels, members, hidden, strict=True):
            counts = int(np.sum(own & tested)), int(np.sum(own & tested & rows.case))
            means = {} if is_hidden else _means(study, result, rows, own)
            subgroups.append(Subgroup(variable, level, *counts, means, is_hidden))
    return SubgroupResult(result, subgroups)


def _means(
    study: Study, result: ModelResult, rows: CohortRows, member: Flags
) -> dict[str, Estimate]:
    folds = [_estimate(study, fold, member[rows.part == fold.fold]) for fold in result.folds]
    means, _ = fold_means([own for own, _ in folds], [drawn for _, drawn in folds], METRICS)
    cells = [_cells(rows, member, [rows.part == fold]) for fold in study.folds]
    withheld = withheld_folds(cells, study.minimum_cell)
    return {name: withheld.of_mean(estimate) for name, estimate in means.items()}


def _estimate(
    study: Study, fold: FoldResult, member: Flags
) -> tuple[dict[str, Estimate], dict[str, npt.NDArray[np.float64]]]:
    rows = fold.rows.take(member)
    return estimates_and_draws(rows, study.draws, study.seed, fold.fold, METRICS)


def _cells(rows: CohortRows, member: Flags, parts: Sequence[Flags]) -> list[int]:
    """Persons of a level: cases and controls of each of ``parts``."""
    return [
        len(np.unique(rows.subject_id[member & group & part]))
        for part in parts
        for group in (rows.case, ~rows.case)
    ]


def _in_order(variable: str, level_of_row: Names) -> list[str]:
    """The levels that there are, in the order in which they are shown."""
    order = {"sex": SEXES.values(), "age": [*BANDS, UNKNOWN], "race": RACES.values()}[variable]
    present = set(level_of_row.tolist())
    named = [level for level in order if level != UNKNOWN]
    return [level for level in [*named, OTHER, UNKNOWN] if level in present]


def _named(concepts: npt.NDArray[np.int64], names: Mapping[int, str]) -> Names:
    return np.array([names.get(concept, OTHER) for concept in concepts.tolist()], dtype=np.str_)


def _banded(age: npt.NDArray[np.float64]) -> Names:
    chosen = [(age >= low) & (age < high) for low, high in BANDS.values()]
    return np.select(chosen, list(BANDS), UNKNOWN)
