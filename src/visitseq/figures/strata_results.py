"""How much of a model's AUROC is the number of visits: its AUROC among persons with as many.

The strata are quarters by the number of visits in the window. Their cut points are the quartiles
over the rows of each fold's training parts, so that no test part has a say in its own strata.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.cohort.parts import training_parts
from visitseq.encode.sequences import read_sequences
from visitseq.evaluate.estimate import Estimate, undefined, with_interval
from visitseq.evaluate.folds import mean_over_folds
from visitseq.evaluate.paired import compare
from visitseq.evaluate.strata import STRATA, Pairs, cut_points, pair_draws, pairs_within, stratum_of
from visitseq.figures.cohort_table import visit_numbers
from visitseq.figures.model_results import FoldResult, ModelResult
from visitseq.figures.study import Setting, Study

Floats = npt.NDArray[np.float64]


class FoldStrata(NamedTuple):
    """Cut points of a fold, and the stratum of each row of its test part, in the table's order."""

    cuts: Floats
    strata: npt.NDArray[np.int64]


class FoldPairs(NamedTuple):
    """Case-control pairs of a fold's strata as they are, and on each draw."""

    whole: Pairs
    drawn: Pairs
    groups: int


@dataclass(frozen=True, eq=False)
class StrataResult:
    """A model's AUROC within strata.

    Attributes
    ----------
    result
        The model, with its AUROC over all pairs.
    cuts
        Cut points of each fold, shape (folds, strata - 1).
    within
        The AUROC within strata.
    difference
        The AUROC over all pairs less that within strata.
    by_stratum
        The AUROC of each stratum, from few visits to many.
    smallest
        Cases or controls, whichever are fewer, of each stratum in the fold that has fewest.
    """

    result: ModelResult
    cuts: Floats
    within: Estimate
    difference: Estimate
    by_stratum: list[Estimate]
    smallest: list[int]


def read_strata(study: Study, results: list[ModelResult]) -> list[StrataResult]:
    """Stratify each of ``results``, in their order."""
    stratified = []
    for setting, models in groupby(results, key=lambda result: result.setting):
        folds = _fold_strata(study, setting)
        stratified += [_stratify(study, result, folds) for result in models]
    return stratified


def _fold_strata(study: Study, setting: Setting) -> dict[int, FoldStrata]:
    sequences = read_sequences(study.visits(setting))
    number, _ = visit_numbers(sequences)
    folds = {}
    for fold in study.folds:
        cuts = cut_points(number[sequences.rows_of_parts(training_parts(fold, study.parts))])
        tested = number[sequences.rows_of_parts([fold])]
        folds[fold] = FoldStrata(cuts, stratum_of(tested, cuts))
    return folds


def _stratify(study: Study, result: ModelResult, folds: dict[int, FoldStrata]) -> StrataResult:
    pairs = [_fold_pairs(study, fold, folds[fold.fold].strata) for fold in result.folds]
    within, drawn = _within(pairs)
    within = result.withheld.of_mean(within)
    drawn = result.withheld.of_draws({"within": drawn}).get("within", np.empty(0))
    overall = result.means["auroc"]
    nothing = np.empty(0)
    overall_draws = result.drawn.get("auroc", nothing)
    return StrataResult(
        result=result,
        cuts=np.stack([folds[fold].cuts for fold in study.folds]),
        within=within,
        difference=compare(overall, within, overall_draws, drawn, result.fewest_groups).difference,
        by_stratum=[_of_stratum(pairs, stratum) for stratum in range(STRATA)],
        smallest=_smallest(result, folds),
    )


def _fold_pairs(study: Study, fold: FoldResult, strata: npt.NDArray[np.int64]) -> FoldPairs:
    parts = [fold.rows.take(strata == stratum) for stratum in range(STRATA)]
    drawn = pair_draws(parts, study.draws, study.seed, fold.fold)
    return FoldPairs(pairs_within(parts), drawn, len(fold.rows.groups.ids))


def _within(folds: list[FoldPairs]) -> tuple[Estimate, Floats]:
    """Mean over the folds of the AUROC within strata, and its draws."""
    draws = [fold.drawn.within for fold in folds]
    estimates = [
        _estimate(float(fold.whole.within[0]), own, fold.groups, "no stratum with both classes")
        for fold, own in zip(folds, draws, strict=True)
    ]
    return mean_over_folds(estimates, draws), np.mean(np.stack(draws), axis=0)


def _of_stratum(folds: list[FoldPairs], stratum: int) -> Estimate:
    draws = [fold.drawn.by_stratum[:, stratum] for fold in folds]
    estimates = [
        _estimate(float(fold.whole.by_stratum[0, stratum]), own, fold.groups, "no case or control")
        for fold, own in zip(folds, draws, strict=True)
    ]
    return mean_over_folds(estimates, draws)


def _estimate(value: float, draws: Floats, groups: int, reason: str) -> Estimate:
    return undefined(reason) if np.isnan(value) else with_interval(value, draws, groups)


def _smallest(result: ModelResult, folds: dict[int, FoldStrata]) -> list[int]:
    counts = []
    for fold in result.tested:
        strata = folds[fold.fold].strata[fold.rows.place]
        cases = np.bincount(strata[fold.rows.case], minlength=STRATA)
        controls = np.bincount(strata[~fold.rows.case], minlength=STRATA)
        counts.append(np.minimum(cases, controls))
    return [int(number) for number in np.min(counts, axis=0)]
