"""The models beside the study's reference: differences, their intervals and p-values.

table_comparisons.csv compares the means over folds (and seeds) by the bootstrap draws of matched
sets; table_delong.csv compares the AUROCs of each fold by DeLong's test, which takes all rows as
independent and so says too much where they are matched. The p-values of both are corrected by Holm
within a family: of the first all comparisons of a site's task in one metric, of the second all of
a site's task in one fold. Only comparisons that have a p-value count.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from visitseq.evaluate.delong import ASSUMPTION, DelongTest, delong_test
from visitseq.evaluate.estimate import undefined
from visitseq.evaluate.holm import holm
from visitseq.evaluate.paired import Comparison, compare
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.figures.labels import interval_text
from visitseq.figures.model_results import FoldResult, ModelResult
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Study

Floats = npt.NDArray[np.float64]

METRICS = ("auroc", "auprc")

_PLACE = ["records", "site", "task", "encoding", "model", "reference", "seeds", "reference_seeds"]
_TESTED = ["difference", "p", "p_holm", "family"]
_DIGITS = 4


def comparison_table(study: Study, results: Sequence[ModelResult]) -> pd.DataFrame:
    """Compare each of ``results`` with the reference of its setting, a row a metric.

    ``difference`` is the model's less the reference's as ``value [low, high]``; ``family`` counts
    the comparisons that ``p_holm`` is corrected for.
    """
    lines, tests, families = [], [], []
    for result, reference in _pairs(study, results):
        for metric in METRICS:
            tests.append(_compare(result, reference, metric))
            families.append((result.setting[:2], metric))
            pair = {
                "value": interval_text(result.means[metric], _DIGITS),
                "reference_value": interval_text(reference.means[metric], _DIGITS),
            }
            folds = len(result.tested)
            lines.append(
                {**_place(study, result, reference), "folds": folds, "metric": metric, **pair}
            )
    columns = [*_PLACE, "folds", "metric", "value", "reference_value", *_TESTED]
    return _table(lines, tests, families, columns)


def delong_table(study: Study, results: Sequence[ModelResult]) -> pd.DataFrame:
    """Compare each of ``results`` with the reference of its setting by DeLong's test, a row a fold.

    ``assumes`` says what the test takes for granted.
    """
    lines, tests, families = [], [], []
    for result, reference in _pairs(study, results):
        for fold in result.tested:
            tests.append(_delong(result, reference, fold.fold))
            families.append((result.setting[:2], fold.fold))
            lines.append(
                {**_place(study, result, reference), "fold": fold.fold, "assumes": ASSUMPTION}
            )
    return _table(lines, tests, families, [*_PLACE, "fold", *_TESTED, "assumes"])


def _pairs(
    study: Study, results: Sequence[ModelResult]
) -> Iterator[tuple[ModelResult, ModelResult]]:
    """Every other model with the reference, setting by setting, where the reference is run."""
    if study.reference is None:
        return
    name = study.first_of(study.reference)
    for _, group in groupby(results, key=lambda result: result.setting):
        models = list(group)
        # In a narrowed task the first of the reference's replicates may not be run.
        reference = next((own for own in models if study.first_of(own.model) == name), None)
        if reference is not None:
            yield from ((other, reference) for other in models if other is not reference)


def _compare(result: ModelResult, reference: ModelResult, metric: str) -> Comparison:
    empty = np.empty(0)
    return compare(
        result.means[metric],
        reference.means[metric],
        result.drawn.get(metric, empty),
        reference.drawn.get(metric, empty),
        result.fewest_groups,
    )


def _delong(result: ModelResult, reference: ModelResult, fold: int) -> DelongTest:
    tested = [own.fold for own in result.tested]
    if result.withheld.folds[tested.index(fold)]:
        return DelongTest(undefined(SUPPRESSED), math.nan)
    own, others = ([f for f in r.folds if f.fold == fold] for r in (result, reference))
    labels = _in_table_order(own[0].rows, own[0].rows.case)
    return delong_test(labels, _scores(own), _scores(others))


def _scores(seeds: list[FoldResult]) -> Floats:
    """Scores of each seed in the order of the table, which all models share: (seeds, rows)."""
    return np.stack([_in_table_order(seed.rows, seed.rows.score) for seed in seeds])


def _in_table_order(rows: ScoredRows, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    placed = np.empty_like(values)
    placed[rows.place] = values
    return placed


def _place(study: Study, result: ModelResult, reference: ModelResult) -> dict[str, Any]:
    return {
        "records": study.records(result.setting.site),
        **result.setting._asdict(),
        "model": result.model,
        "reference": reference.model,
        "seeds": result.seeds,
        "reference_seeds": reference.seeds,
    }


def _table(
    lines: list[dict[str, Any]],
    tests: Sequence[Comparison | DelongTest],
    families: Sequence[Hashable],
    columns: list[str],
) -> pd.DataFrame:
    corrected = _correct([test.p for test in tests], families)
    for line, test, (p_holm, family) in zip(lines, tests, corrected, strict=True):
        line["difference"] = interval_text(test.difference, _DIGITS)
        line |= {"p": _p_text(test.p), "p_holm": _p_text(p_holm), "family": family}
    return pd.DataFrame(lines, columns=columns)


def _correct(p_values: list[float], families: Sequence[Hashable]) -> list[tuple[float, int]]:
    """Holm's p-value and the size of its family for each test."""
    members = defaultdict(list)
    for place, (p, family) in enumerate(zip(p_values, families, strict=True)):
        if not math.isnan(p):
            members[family].append(place)
    corrected = [(math.nan, len(members[family])) for family in families]
    for places in members.values():
        for place, p in zip(places, holm([p_values[i] for i in places]), strict=True):
            corrected[place] = (float(p), len(places))
    return corrected


def _p_text(p: float) -> str:
    if math.isnan(p):
        return ""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"
