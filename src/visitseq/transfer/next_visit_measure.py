"""How an arm of the next visit is measured: as any model at home, and on the source's labels.

All arms are asked for the same labels. Beside that stands the recall over those that the source's
model knew, recall_source_labels_at_k: of the others a model that came as it is can name none.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.evaluate.next_visit import WHERE
from visitseq.evaluate.next_visit_metrics import (
    METRICS,
    SOURCE_METRICS,
    PredictedVisits,
    estimate_next_visits,
    estimate_recall,
    estimates_and_draws,
)
from visitseq.train.next_visit import NextVisitModel, trained_on
from visitseq.transfer.arm_results import ArmResult
from visitseq.transfer.coverage_halves import WHERE as IN_HALF
from visitseq.transfer.coverage_halves import coverage_halves
from visitseq.transfer.measured import Measured, placed
from visitseq.transfer.next_visit_arms import AskedTarget


class NextVisitMeasure:
    """A ``Measure`` of the target's test part.

    Parameters
    ----------
    target
        The target's data.
    source
        The source's model.
    draws
        Number of bootstrap draws.
    """

    main = "recall_at_30"
    names = (*METRICS, *SOURCE_METRICS)

    def __init__(self, target: AskedTarget, source: NextVisitModel, draws: int) -> None:
        self.target, self.source = target, source
        self.bootstrap = (draws, target.seed, target.fold)
        self.groups = len(np.unique(target.groups.rows[target.test]))
        self.of_test: dict[str, int | str] = {
            "n": len(target.test),
            "trained_on": trained_on(target.split),
        }

    def estimate(self, result: ArmResult) -> Measured:
        """Estimate all metrics of one arm."""
        visits = PredictedVisits.from_predictions(result.predictions)
        found = estimates_and_draws(visits, *self.bootstrap, self.source.known_labels)
        return placed(*found, WHERE)

    def estimate_main(self, predictions: pa.Table) -> Measured:
        """Estimate the recall at 30 alone."""
        visits = PredictedVisits.from_predictions(predictions)
        return placed(*estimate_recall(visits, 30, *self.bootstrap), WHERE)

    def zero_shot(self, folder: Path) -> dict[str, Any]:
        """What metrics.json says of the source's model as it is.

        Parameters
        ----------
        folder
            Where stage 5's function wrote its files.
        """
        content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return {"zero_shot": content, **self._halves(pq.read_table(folder / "predictions.parquet"))}

    def _halves(self, predictions: pa.Table) -> dict[str, Any]:
        """Of persons whose codes the source's model knows well, and of the others."""
        histories, test = self.target.histories, self.target.test
        halves = coverage_halves(histories, test, self.source.known)
        of_visit = np.repeat(np.arange(len(test)), histories.lengths[test] - 1)
        content = {}
        for name, chosen in (("high", halves.high), ("low", halves.low)):
            own = predictions.filter(pa.array(chosen[of_visit]))
            content[f"zero_shot_{name}_coverage"] = {
                **self._half(own),
                "n": int(chosen.sum()),
                "without_codes": int(np.sum(~(halves.high | halves.low))),
                "coverage_median": halves.median,
            }
        return content

    def _half(self, predictions: pa.Table) -> dict[str, Any]:
        visits = PredictedVisits.from_predictions(predictions)
        found = estimate_next_visits(visits, *self.bootstrap, self.source.known_labels)
        return {name: estimate.to_json(IN_HALF) for name, estimate in found.items()}
