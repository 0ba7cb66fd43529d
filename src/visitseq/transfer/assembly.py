"""The files of a transfer from what its arms left: predictions.parquet, metrics.json, curve.csv."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.transfer.arm_results import ArmResult, ArmStore
from visitseq.transfer.arms import ZERO_SHOT, Arm
from visitseq.transfer.measured import (
    DIFFERENCES,
    Measure,
    Measured,
    difference,
    mean_over_draws,
)
from visitseq.transfer.running import DrawnArms

#: Strategies whose curves are written.
CURVES = ("fine_tuned", "scratch")
COLUMNS = (
    *("strategy", "fraction", "draw", "epoch"),
    *("metric", "validation", "test", "chosen"),
)


def write_results(
    zero_shot: pa.Table,
    content: Mapping[str, Any],
    groups: Sequence[DrawnArms],
    store: ArmStore,
    measure: Measure,
    *,
    folder: Path,
) -> None:
    """Write predictions.parquet, metrics.json and curve.csv.

    Parameters
    ----------
    zero_shot
        Predictions of the source's model as it is.
    content
        What metrics.json says of it: zero_shot, zero_shot_high_coverage and so on.
    groups, store
        The arms, and what those that were trained left.
    measure
        How predictions are measured.
    folder
        Where the files go.
    """
    _write_predictions(zero_shot, groups, store, folder / "predictions.parquet")
    _write_curve(groups, store, measure.main, folder / "curve.csv")
    measured = {(ZERO_SHOT.strategy, 0): measure.estimate_main(zero_shot)}
    arms: dict[str, dict[str, Any]] = {}
    for group in groups:
        own, mean = _describe(group, store, measure)
        measured[group.strategy, group.fraction] = mean
        arms.setdefault(group.strategy, {})[str(group.fraction)] = own
    whole = {**content, **arms, "differences": _differences(groups, measured, measure)}
    (folder / "metrics.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _describe(
    group: DrawnArms, store: ArmStore, measure: Measure
) -> tuple[dict[str, Any], Measured]:
    """What metrics.json says of all draws of a strategy and fraction, and their means."""
    if group.reason is not None:
        nothing = dict.fromkeys(measure.names, undefined(group.reason))
        return _entry(nothing, group, [], measure), Measured(nothing, {})
    results = [store.load(arm) for arm in group.arms]
    measured = [measure.estimate(result) for result in results]
    mean = mean_over_draws(measured)
    values = [one.estimates[measure.main] for one in measured]
    entry = _entry(mean.estimates, group, values, measure)
    if results[0].peak is not None:
        entry["peak"] = _peak(results, measure)
    return entry, mean


def _entry(
    estimates: Mapping[str, Estimate],
    group: DrawnArms,
    values: Sequence[Estimate],
    measure: Measure,
) -> dict[str, Any]:
    return {
        **{name: estimate.to_json() for name, estimate in estimates.items()},
        **measure.of_test,
        "training": dict(group.learned_from),
        "draws": [estimate.to_json()["value"] for estimate in values],
    }


def _peak(results: Sequence[ArmResult], measure: Measure) -> dict[str, Any]:
    """Main metric at the epoch of each draw that the test part likes best: optimistic."""
    peaks = [measure.estimate_main(result.peak) for result in results]
    epoch = float(np.mean([result.peak_epoch for result in results]))
    return {**mean_over_draws(peaks).estimates[measure.main].to_json(), "epoch": epoch}


def _differences(
    groups: Sequence[DrawnArms], measured: Mapping[tuple[str, int], Measured], measure: Measure
) -> dict[str, Any]:
    """Differences of the main metric, by fraction: of persons who were tested by both."""
    found: dict[str, Any] = {}
    for fraction in sorted({group.fraction for group in groups}):
        own = found.setdefault(str(fraction), {})
        for names in DIFFERENCES:
            first, second = (
                measured.get((name, 0 if name == ZERO_SHOT.strategy else fraction))
                for name in names
            )
            if first is not None and second is not None:
                apart = difference(first, second, measure.main, measure.groups)
                own["_less_".join(names)] = {measure.main: apart.to_json()}
    return found


def _write_predictions(
    zero_shot: pa.Table, groups: Sequence[DrawnArms], store: ArmStore, path: Path
) -> None:
    """Write predictions.parquet, an arm a row group: no more than one is in memory."""
    first = _with_arm(zero_shot, ZERO_SHOT)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for arm in _trained(groups):
            writer.write_table(_with_arm(store.load(arm).predictions, arm))


def _with_arm(predictions: pa.Table, arm: Arm) -> pa.Table:
    """Predictions with the columns strategy, fraction and draw."""
    for name, value, kind in zip(arm._fields, arm, ("string", "int32", "int32"), strict=True):
        column = pa.repeat(pa.scalar(value, kind), len(predictions))
        predictions = predictions.append_column(name, column)
    return predictions


def _write_curve(groups: Sequence[DrawnArms], store: ArmStore, metric: str, path: Path) -> None:
    """Write curve.csv: the main metric at each epoch of the arms in ``CURVES``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for arm in _trained(groups):
            if arm.strategy in CURVES:
                result = store.load(arm)
                for epoch, point in enumerate(result.curve):
                    writer.writerow([*arm, epoch, metric, *point, epoch == result.chosen])


def _trained(groups: Sequence[DrawnArms]) -> Iterator[Arm]:
    for group in groups:
        if group.reason is None:
            yield from group.arms
