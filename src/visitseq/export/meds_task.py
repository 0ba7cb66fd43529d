"""Labels and predictions of an onset task, in the schemas of MEDS and of its evaluation.

A task of another kind asks for more than one value a person and moment, for which neither schema
has a place. Both are records of patients: whom they are about is as plain in them as in the data.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.windows import window_table
from visitseq.tables import TIME, write_parquet

LABELS = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("prediction_time", TIME, nullable=False),
        pa.field("boolean_value", pa.bool_(), nullable=False),
    ]
)
#: Of the MEDS evaluation, which refuses any column more.
MEDS_PREDICTIONS = pa.schema(
    [
        *LABELS,
        ("predicted_boolean_value", pa.bool_()),
        ("predicted_boolean_probability", pa.float32()),
    ]
)


def write_meds_labels(*, task: Mapping[str, Any], cohort: Path, folder: Path) -> None:
    """Write labels.parquet: a row a cohort row, in its order.

    Parameters
    ----------
    task
        Filled section of kind onset: observation_months, prediction_months. A prediction is made a
        microsecond before the window's end.
    cohort
        cohort.parquet.
    folder
        Where the file goes.
    """
    rows = pq.read_table(cohort)
    end = window_table(rows, task)["window_end"].to_numpy()
    columns = {
        "subject_id": rows["subject_id"],
        "prediction_time": end - np.timedelta64(1, "us"),
        "boolean_value": rows["label"],
    }
    write_parquet(pa.table(columns).cast(LABELS), folder / "labels.parquet")


def write_meds_predictions(*, predictions: Path, folder: Path) -> None:
    """Write predictions.parquet: the predictions of a fold's test part without set and score.

    Parameters
    ----------
    predictions
        predictions.parquet of stage 5.
    folder
        Where the file goes.
    """
    table = pq.read_table(predictions, columns=MEDS_PREDICTIONS.names)
    write_parquet(table.cast(MEDS_PREDICTIONS), folder / "predictions.parquet")
