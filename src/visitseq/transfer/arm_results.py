"""What an arm leaves, and where it is kept until all arms are there.

A finished arm stands in ``folder``/checkpoint:

    {arm}.parquet        predictions of the test part
    {arm}_peak.parquet   those of the epoch that was best on the test part, if it has epochs
    {arm}.json           digest, chosen, peak_epoch, recalibration, curve

The JSON file comes last, and each file wholly or not at all (train/checkpoint.py): an arm whose
JSON is there and has the digest of this call is not trained again. All results are read back from
these files, one by one, so that a call that was killed and goes on writes the same bytes, and no
more than an arm's tables are in memory.
"""

import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.evaluate.recalibration import Recalibration
from visitseq.train.checkpoint import write_whole
from visitseq.transfer.arms import Arm


class CurvePoint(NamedTuple):
    """Main metric on the drawn validation rows and on the test part; None where undefined."""

    validation: float | None
    test: float | None


@dataclass(frozen=True, eq=False)
class ArmResult:
    """What an arm leaves.

    Attributes
    ----------
    predictions
        Of the test part, in the columns of stage 5.
    chosen
        Epoch of the predictions; 0 is before the first step.
    recalibration
        Fitted on the drawn validation rows; None of a task without probabilities.
    curve
        Main metric of each epoch, from 0 on; empty of what is not trained in epochs.
    peak
        Predictions of the epoch that is best on the test part; None without epochs.
    peak_epoch
        Number of that epoch.
    """

    predictions: pa.Table
    chosen: int = 0
    recalibration: Recalibration | None = None
    curve: Sequence[CurvePoint] = ()
    peak: pa.Table | None = None
    peak_epoch: int | None = None


@dataclass(frozen=True)
class ArmStore:
    """The finished arms of one call.

    Attributes
    ----------
    folder
        Where they are kept.
    digest
        Of all that decides what the arms do (``train.checkpoint.training_digest``).
    """

    folder: Path
    digest: str

    def has(self, arm: Arm) -> bool:
        """Whether the arm is finished, by a call of this digest."""
        file = self._file(arm, ".json")
        return file.exists() and json.loads(file.read_text("utf-8"))["digest"] == self.digest

    def save(self, arm: Arm, result: ArmResult) -> None:
        """Keep a finished arm."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file(arm, ".json").unlink(missing_ok=True)  # of another digest
        write_whole(self._file(arm, ".parquet"), _parquet(result.predictions))
        if result.peak is not None:
            write_whole(self._file(arm, "_peak.parquet"), _parquet(result.peak))
        values = {
            "digest": self.digest,
            "chosen": result.chosen,
            "peak_epoch": result.peak_epoch,
            "recalibration": result.recalibration,
            "curve": result.curve,
        }
        write_whole(self._file(arm, ".json"), json.dumps(values).encode())

    def load(self, arm: Arm) -> ArmResult:
        """Read a finished arm."""
        values = json.loads(self._file(arm, ".json").read_text("utf-8"))
        epochs = values["peak_epoch"] is not None
        fit = values["recalibration"]
        return ArmResult(
            predictions=pq.read_table(self._file(arm, ".parquet")),
            chosen=values["chosen"],
            recalibration=None if fit is None else Recalibration(*fit),
            curve=[CurvePoint(*point) for point in values["curve"]],
            peak=pq.read_table(self._file(arm, "_peak.parquet")) if epochs else None,
            peak_epoch=values["peak_epoch"],
        )

    def remove(self) -> None:
        """Remove the folder; the results are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, arm: Arm, ending: str) -> Path:
        return self.folder / f"{arm.name}{ending}"


def _parquet(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()
