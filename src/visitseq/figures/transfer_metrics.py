"""The metrics of moved models in the columns of metrics.parquet.

A row for each fold's estimate, and one with a null fold for the mean over the folds; of zero-shot
models those on all patients.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from visitseq.figures.transfer_results import TransferResult


def transfer_rows(results: Sequence[TransferResult]) -> Iterator[dict[str, Any]]:
    """Every estimate as a row of tables.METRICS."""
    for result in results:
        for arm in (result.zero_shot, *result.trained):
            place = {**result.direction._asdict(), "model": result.model}
            place |= {"strategy": arm.strategy, "fraction": arm.fraction}
            for fold, metrics in [*arm.folds.items(), (None, arm.means)]:
                for name, estimate in metrics.items():
                    numbers = estimate.to_json()
                    numbers.pop("reason", None)
                    yield {**place, "fold": fold, "metric": name, **numbers}
