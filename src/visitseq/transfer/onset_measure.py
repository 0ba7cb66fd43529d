"""How an arm of the onset is measured: as any model at home, and recalibrated besides."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.evaluate.evaluate import WHERE
from visitseq.evaluate.metrics import METRICS, estimates_and_draws
from visitseq.evaluate.recalibration import (
    RECALIBRATED,
    Recalibration,
    estimate_recalibrated,
    fit_recalibration,
)
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.transfer.arm_results import ArmResult
from visitseq.transfer.coverage_halves import coverage_halves, measure_halves
from visitseq.transfer.learned import Target
from visitseq.transfer.measured import Measured, placed


class OnsetMeasure:
    """A ``Measure`` of the target's test part.

    Parameters
    ----------
    target
        The target's data.
    draws
        Number of bootstrap draws.
    """

    main = "auroc"
    names = (*METRICS, *RECALIBRATED)

    def __init__(self, target: Target, draws: int) -> None:
        self.target = target
        self.bootstrap = (draws, target.seed, target.fold)
        self.of_test = {
            "n": len(target.test),
            "cases": int(target.sequences.label[target.test].sum()),
        }
        self.groups = len(np.unique(target.groups.rows[target.test]))

    def estimate(self, result: ArmResult) -> Measured:
        """Estimate all metrics of one arm."""
        rows = ScoredRows.from_predictions(result.predictions)
        own = placed(*estimates_and_draws(rows, *self.bootstrap), WHERE)
        assert result.recalibration is not None
        mended = self._recalibrated(rows, result.recalibration)
        return Measured({**own.estimates, **mended.estimates}, {**own.draws, **mended.draws})

    def estimate_main(self, predictions: pa.Table) -> Measured:
        """Estimate the AUROC alone."""
        rows = ScoredRows.from_predictions(predictions)
        return placed(*estimates_and_draws(rows, *self.bootstrap, (self.main,)), WHERE)

    def zero_shot(self, folder: Path, known: npt.NDArray[np.int32]) -> dict[str, Any]:
        """What metrics.json says of the source's model as it is.

        Parameters
        ----------
        folder
            Where stage 5's function wrote its files.
        known
            Ids of the codes that the model knows, ascending.
        """
        test, validation = (
            ScoredRows.from_predictions(pq.read_table(folder / f"{name}.parquet"))
            for name in ("predictions", "validation")
        )
        mended = self._recalibrated(test, fit_recalibration(validation)).estimates
        content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        halves = coverage_halves(self.target.sequences, self.target.test, known)
        return {
            "zero_shot": {
                **content,
                **{name: estimate.to_json() for name, estimate in mended.items()},
            },
            **measure_halves(test, halves, *self.bootstrap),
        }

    def _recalibrated(self, rows: ScoredRows, fit: Recalibration) -> Measured:
        """Estimate the calibration of the recalibrated probabilities."""
        found = estimate_recalibrated(rows, fit, *self.bootstrap)
        return placed(*found, WHERE if fit.reason is None else "")
