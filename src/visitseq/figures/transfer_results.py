"""What a model is worth at another site, by strategy and share of the target's training part.

A fold's numbers are those of its metrics.json in stage 6. Over several folds the value is the mean.
Their test parts hold different persons, whose bootstrap draws are independent of one another, so
the errors of the folds add in quadrature: with l_f and h_f the ends of fold f's interval and v_f
its value, the mean's interval reaches down by sqrt(sum (v_f - l_f)^2) / folds, and up likewise.
(The draws themselves would have to be drawn anew for every arm, fold and draw of training rows.)
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.evaluate.metrics import METRICS
from visitseq.evaluate.next_visit_metrics import METRICS as NEXT_VISIT_METRICS
from visitseq.evaluate.recall import CUTS
from visitseq.figures.small_cells import may_show
from visitseq.figures.study import Direction, Study

#: The strategies in the order in which they are shown, and their names.
STRATEGIES = {
    "zero_shot": "zero-shot",
    "last_layer": "last layer",
    "fine_tuned": "fine-tuned",
    "scratch": "from scratch",
}
ZERO_SHOT = "zero_shot"
#: The patients on whom a zero-shot model is tested, by their key in metrics.json.
PATIENTS = {
    ZERO_SHOT: "all",
    "zero_shot_high_coverage": "high coverage",
    "zero_shot_low_coverage": "low coverage",
}
#: The metric by which a kind of task is shown, and what an axis calls it.
MAIN = {"onset": "auroc", "next_visit": "recall_at_30"}
MAIN_LABELS = {"onset": "AUROC", "next_visit": "Recall at 30"}
#: The metrics of a kind of task, those of transfer alone last.
PEAK = "peak"
NAMES = {
    "onset": (*METRICS, "recalibrated_intercept", "recalibrated_slope", PEAK),
    "next_visit": (
        *NEXT_VISIT_METRICS,
        *(f"recall_source_labels_at_{k}" for k in CUTS),
        PEAK,
    ),
}

Metrics = dict[str, Estimate]


class Counts(NamedTuple):
    """Rows (persons where visits are predicted) and cases; None where there are no cases."""

    rows: int
    cases: int | None

    @property
    def cells(self) -> tuple[int, ...]:
        """Cases and controls; persons where there are no cases."""
        return (self.rows,) if self.cases is None else (self.cases, self.rows - self.cases)


@dataclass(frozen=True, eq=False)
class Arm:
    """A strategy at a share of the target's training part, in every fold.

    Attributes
    ----------
    fraction
        Per cent of the training part, 0 for zero-shot.
    patients
        On whom it was tested: all, or those with high or low coverage.
    folds
        The metrics of each fold, by its number.
    means
        Mean of each metric over the folds.
    tested
        Rows and cases of each fold's test part.
    training
        Rows and cases that were trained on, the mean over draws and folds; None for zero-shot.
    differences
        By how much the main metric exceeds that of another strategy with the same rows, the mean
        over the folds, by the strategy's key.
    """

    strategy: str
    fraction: int
    patients: str
    folds: dict[int, Metrics]
    means: Metrics
    tested: list[Counts]
    training: Counts | None
    differences: Metrics

    def may_show(self, minimum: int) -> bool:
        """Whether every test part has so many cases and controls, or persons, or none."""
        return all(may_show(cell, minimum) for counts in self.tested for cell in counts.cells)


@dataclass(frozen=True, eq=False)
class TransferResult:
    """All that was measured of one model in one direction.

    Attributes
    ----------
    kind
        Of the task, onset or next_visit.
    """

    direction: Direction
    model: str
    kind: str
    arms: list[Arm]

    @property
    def main(self) -> str:
        """The metric by which it is shown."""
        return MAIN[self.kind]

    @property
    def zero_shot(self) -> Arm:
        """The source's model as it is, on all patients."""
        return next(arm for arm in self.arms if arm.fraction == 0 and arm.patients == "all")

    @property
    def trained(self) -> list[Arm]:
        """The arms that were trained at the target, by strategy and then by fraction."""
        return [arm for arm in self.arms if arm.fraction > 0]

    @property
    def title(self) -> str:
        """Title of a panel: from where to where, and under it what was predicted from what."""
        _, _, task, encoding = self.direction
        return f"{self.direction.arrow}\n{task}, {encoding}, {self.model}"


def read_transfers(study: Study) -> list[TransferResult]:
    """Read every model that is moved, in the study's order; none where no fold was run."""
    moved = study.transferred if study.folds else ()
    return [_read(study, direction, model) for direction, model in moved]


def mean_of_folds(estimates: Sequence[Estimate]) -> Estimate:
    """Mean of a metric over the folds, whose test parts are disjoint; see above.

    A single fold's own estimate; without a value where a fold has none.
    """
    if len(estimates) == 1:
        return estimates[0]
    missing = [estimate for estimate in estimates if math.isnan(estimate.value)]
    if missing:
        count = f"in {len(missing)} of {len(estimates)} folds"
        return undefined(f"undefined {count}: {missing[0].reason}")
    value, low, high = np.array([estimate[:3] for estimate in estimates], dtype=np.float64).T
    mean = float(value.mean())
    if np.isnan(low).any():
        return Estimate(mean, math.nan, math.nan, "no interval: a fold has none")
    down, up = np.linalg.norm(value - low), np.linalg.norm(high - value)
    return Estimate(mean, mean - float(down) / len(value), mean + float(up) / len(value))


def _read(study: Study, direction: Direction, model: str) -> TransferResult:
    kind = study.task_kinds[direction.task]
    by_fold = {
        fold: json.loads(
            (study.transfer_folder(direction, model, fold) / "metrics.json").read_text("utf-8")
        )
        for fold in study.folds
    }
    arms = [_arm(kind, by_fold, *place) for place in _places(next(iter(by_fold.values())))]
    return TransferResult(direction, model, kind, arms)


def _places(content: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The key of each arm in metrics.json, and its fraction."""
    yield from ((key, 0) for key in PATIENTS if key in content)
    for strategy in STRATEGIES:
        if strategy != ZERO_SHOT:
            yield from (
                (strategy, fraction) for fraction in sorted(map(int, content.get(strategy, {})))
            )


def _arm(kind: str, by_fold: Mapping[int, Mapping[str, Any]], key: str, fraction: int) -> Arm:
    own = {
        fold: content[key][str(fraction)] if fraction else content[key]
        for fold, content in by_fold.items()
    }
    folds = {fold: _metrics(kind, content) for fold, content in own.items()}
    others = [_differences(kind, content, key, fraction) for content in by_fold.values()]
    return Arm(
        strategy=ZERO_SHOT if key in PATIENTS else key,
        fraction=fraction,
        patients=PATIENTS.get(key, "all"),
        folds=folds,
        means=_means(list(folds.values())),
        tested=[Counts(content["n"], content.get("cases")) for content in own.values()],
        training=_training([content["training"] for content in own.values()]) if fraction else None,
        differences=_means(others),
    )


def _metrics(kind: str, content: Mapping[str, Any]) -> Metrics:
    return {name: Estimate.from_json(content[name]) for name in NAMES[kind] if name in content}


def _means(folds: Sequence[Metrics]) -> Metrics:
    names = [name for name in folds[0] if all(name in fold for fold in folds)]
    return {name: mean_of_folds([fold[name] for fold in folds]) for name in names}


def _differences(kind: str, content: Mapping[str, Any], strategy: str, fraction: int) -> Metrics:
    pairs = content["differences"].get(str(fraction), {})
    named = {other: pairs.get(f"{strategy}_less_{other}") for other in STRATEGIES}
    return {other: Estimate.from_json(d[MAIN[kind]]) for other, d in named.items() if d is not None}


def _training(folds: Sequence[Mapping[str, float]]) -> Counts:
    mean = {name: round(float(np.mean([fold[name] for fold in folds]))) for name in folds[0]}
    return Counts(mean.get("rows", mean.get("persons", 0)), mean.get("cases"))
