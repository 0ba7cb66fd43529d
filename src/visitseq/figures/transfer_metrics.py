"""The metrics of moved models in the columns of metrics.parquet.

A row for each fold's estimate, and one with a null fold for the mean over the folds; of zero-shot
models those on all patients. A fold with few cases or controls (or persons) tested has null, and so
has the mean.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from visitseq.figures.small_cells import may_show
from visitseq.figures.transfer_results import Arm, Metrics, TransferResult
from visitseq.figures.withheld import suppress


def transfer_rows(results: Sequence[TransferResult], minimum: int) -> Iterator[dict[str, Any]]:
    """Every estimate as a row of tables.METRICS."""
    for result in results:
        for arm in (result.zero_shot, *result.trained):
            place = {**result.direction._asdict(), "model": result.model}
            place |= {"strategy": arm.strategy, "fraction": arm.fraction}
            for fold, metrics in _shown(arm, minimum):
                for name, estimate in metrics.items():
                    numbers = estimate.to_json()
                    numbers.pop("reason", None)
                    yield {**place, "fold": fold, "metric": name, **numbers}


def _shown(arm: Arm, minimum: int) -> Iterator[tuple[int | None, Metrics]]:
    """Metrics of each fold and their mean, as far as those who were tested are enough."""
    for (fold, metrics), counts in zip(arm.folds.items(), arm.tested, strict=True):
        enough = all(may_show(cell, minimum) for cell in counts.cells)
        yield fold, metrics if enough else suppress(metrics)
    yield None, arm.means if arm.may_show(minimum) else suppress(arm.means)
