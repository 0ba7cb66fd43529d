"""Stage 5 of a forecast: the labels of the visits ahead, and how many of them were foreseen.

The network reads all visits of a person but the last K and writes those, each from its own
prediction of the one before: of what it has to predict it sees nothing. The labels of a visit are
all that came true, also those that the fold does not know and so can never name.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from visitseq.cohort.parts import validation_part
from visitseq.encode.histories import Histories, read_histories
from visitseq.encode.sequences import Integers, code_positions, gather_lists
from visitseq.errors import UserError
from visitseq.evaluate.recall import CUTS, RankedVisits, estimate_recalls
from visitseq.models.forecast_batches import collate_forecast
from visitseq.tables import FORECASTS, write_parquet
from visitseq.train.forecast import Forecaster, load_forecaster
from visitseq.train.forecast_data import trajectories_of

logger = logging.getLogger(__name__)

WHERE = " in the test part"

#: Rows that are forecast at once.
BATCH = 512


def evaluate_forecast(
    *,
    visits: Path,
    trained: Path,
    fold: int,
    parts: int,
    seed: int,
    draws: int,
    folder: Path,
) -> None:
    """Write predictions.parquet, validation.parquet and metrics.json of one model and fold.

    Parameters
    ----------
    visits
        The task's visits.arrow, with targets.
    trained
        The model's folder of stage 4.
    fold, parts
        The fold, and the number of parts of the site.
    seed, draws
        Seed and number of the bootstrap draws.
    folder
        Where the files go.

    Raises
    ------
    UserError
        The model gives a label no finite number.
    """
    histories, model = read_histories(visits), load_forecaster(trained)
    test = histories.rows_of_parts([fold])
    predictions = forecasts_table(histories, test, model)
    write_parquet(predictions, folder / "predictions.parquet")
    validation = histories.rows_of_parts([validation_part(fold, parts)])
    write_parquet(forecasts_table(histories, validation, model), folder / "validation.parquet")
    ranked = RankedVisits.from_predictions(predictions)
    estimates = estimate_recalls(ranked, model.ahead, draws, seed, fold)
    content = {
        **{name: estimate.to_json(WHERE) for name, estimate in estimates.items()},
        **_description(histories, test, model),
    }
    (folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    logger.info(
        "%d visits of %d persons forecast; recall at %d %s",
        len(predictions),
        len(test),
        CUTS[0],
        content[f"recall_at_{CUTS[0]}"],
    )


def forecasts_table(histories: Histories, rows: Integers, model: Forecaster) -> pa.Table:
    """Lay the most likely labels beside those that came true, in the columns of FORECASTS."""
    steps = np.arange(model.ahead) - model.ahead
    places = (histories.visit_offsets[rows + 1][:, None] + steps).ravel()
    entries, offsets = gather_lists(histories.label_offsets, places)
    labels = pa.ListArray.from_arrays(
        pa.array(offsets.astype(np.int32)), pa.array(histories.labels[entries])
    )
    top = most_likely(histories, rows, model)
    columns = {
        "subject_id": np.repeat(histories.subject_id[rows], model.ahead),
        "ahead": np.tile(np.arange(1, model.ahead + 1), len(rows)),
        "labels": labels,
        "top": pa.FixedSizeListArray.from_arrays(pa.array(top.ravel()), top.shape[1]),
    }
    return pa.table(columns).cast(FORECASTS)


def most_likely(histories: Histories, rows: Integers, model: Forecaster) -> npt.NDArray[np.int32]:
    """Ids of the most likely labels of each visit ahead of each row, best first.

    Returns
    -------
    numpy.ndarray
        Shape (rows x ahead, 30), or as many as the model knows; ties by id.
    """
    width = min(CUTS[-1], len(model.known_labels))
    top = np.empty((len(rows), model.ahead, width), dtype=np.int32)
    asked = trajectories_of(histories, model.known, model.known_labels, model.ahead)
    by_length = np.argsort(histories.lengths[rows], kind="stable")
    for first in range(0, len(rows), BATCH):
        places = by_length[first : first + BATCH]
        ends = histories.visit_offsets[rows[places] + 1]
        batch = collate_forecast(asked, rows[places], ends)
        with torch.inference_mode():
            numbers = model.network.forecast(batch).numpy()
        _require_finite(numbers)
        best = np.argsort(-numbers, axis=2, kind="stable")[:, :, :width]
        top[places] = model.known_labels[best].transpose(1, 0, 2)
    return top.reshape(-1, width)


def _require_finite(numbers: npt.NDArray[np.float32]) -> None:
    unusable = int(np.sum(~np.isfinite(numbers).all(axis=2)))
    if unusable:
        raise UserError(
            f"The model gives the labels of {unusable} visits no finite number: its training "
            "diverged. Train it with a smaller learning rate or a stronger penalty."
        )


def _description(histories: Histories, test: Integers, model: Forecaster) -> dict[str, Any]:
    """What the metrics were computed from; shares are of codes read and of labels asked."""
    starts, ends = histories.visit_offsets[test], histories.visit_offsets[test + 1]
    codes = _between(histories.code_offsets, starts, ends - model.ahead)
    labels = _between(histories.label_offsets, ends - model.ahead, ends)
    return {
        "n": len(test),
        "visits": len(test) * model.ahead,
        "unknown_codes": _share_unknown(histories.codes[codes], model.known),
        "unknown_labels": _share_unknown(histories.labels[labels], model.known_labels),
        "empty": int(np.sum(ends - starts == model.ahead)),
    }


def _between(offsets: Integers, first: Integers, last: Integers) -> Integers:
    """Places of the entries of the visits ``first`` … ``last - 1`` of each row."""
    pairs = np.column_stack([offsets[first], offsets[last]]).ravel()
    return gather_lists(pairs, 2 * np.arange(len(first)))[0]


def _share_unknown(ids: npt.NDArray[np.int32], known: npt.NDArray[np.int32]) -> float:
    return float((code_positions(ids, known) < 0).mean()) if len(ids) else 0.0
