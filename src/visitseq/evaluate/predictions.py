"""The table of predictions: one row a scored cohort row, in the columns of tables.PREDICTIONS."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.cohort.windows import window_bounds
from visitseq.encode.sequences import Sequences
from visitseq.tables import PREDICTIONS


def predictions_table(
    sequences: Sequences,
    scores: npt.NDArray[np.float64],
    *,
    probabilities: npt.NDArray[np.float64],
    threshold: float,
    observation_months: float,
    prediction_months: float,
) -> pa.Table:
    """Lay scores beside the rows that they belong to.

    Parameters
    ----------
    sequences
        The rows, in cohort order.
    scores
        The model's own scores, shape (rows,).
    probabilities
        Probability of being a case, shape (rows,); the scores where those are probabilities.
    threshold
        Score from which on a row is predicted to be a case.
    observation_months, prediction_months
        The task's windows: a prediction is made a microsecond before the window's end, the last
        moment whose events the model may have seen.
    """
    index_days = sequences.index_time.astype("datetime64[D]").astype(np.int64)
    _, end = window_bounds(index_days, observation_months, prediction_months)
    window_end = end.astype("datetime64[D]").astype("datetime64[us]")
    columns = {
        "set_id": sequences.set_id,
        "score": scores,
        "subject_id": sequences.subject_id,
        "prediction_time": window_end - np.timedelta64(1, "us"),
        "boolean_value": sequences.label
        if sequences.labelled
        else pa.nulls(len(sequences), pa.bool_()),
        "predicted_boolean_value": scores >= threshold,
        "predicted_boolean_probability": probabilities.astype(np.float32),
    }
    return pa.table(columns).cast(PREDICTIONS)
