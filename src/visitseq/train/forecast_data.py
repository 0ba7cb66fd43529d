"""What a fold may learn from when visits are asked for: its rows, codes and labels.

As in ``training_data``, the test part is never looked at: neither its rows nor its counts.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from visitseq.cohort.parts import training_parts, validation_part
from visitseq.encode.histories import Histories, read_histories
from visitseq.encode.sequences import known_codes
from visitseq.models.forecast_batches import Trajectories, VisitLabels

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ForecastData:
    """The rows of one fold, and what they are asked.

    Attributes
    ----------
    fold, parts
        The fold, and the number of parts of the site.
    trajectories
        All rows of the cohort, mapped, with the codes and labels that the fold knows.
    training, validation
        Rows of the training parts and of the validation part, ascending.
    """

    fold: int
    parts: int
    trajectories: Trajectories
    training: npt.NDArray[np.intp]
    validation: npt.NDArray[np.intp]


def read_forecast_data(
    files: Mapping[str, Path],
    ahead: int,
    min_count: int,
    fold: int,
    parts: int,
    *,
    split: str = "parts",
) -> ForecastData:
    """Open a fold's data.

    Parameters
    ----------
    files
        visits, vocabulary and labels: the three files of one task and encoding.
    ahead
        How many visits are forecast.
    min_count
        The fold knows codes that stand in so many training visits; of labels one visit is enough,
        for what never came true in training cannot be learned but may be asked.
    fold, parts
        The fold, and the number of parts of the site.
    split
        With ``paper`` the validation part is trained on too, and there are no validation rows.
    """
    histories, train_on = read_histories(files["visits"]), training_parts(fold, parts)
    validate_on = [validation_part(fold, parts)]
    if split == "paper":
        train_on, validate_on = [*train_on, *validate_on], []
    known = known_codes(pq.read_table(files["vocabulary"]), train_on, min_count)
    known_labels = known_codes(pq.read_table(files["labels"]), train_on, 1)
    data = ForecastData(
        fold=fold,
        parts=parts,
        trajectories=trajectories_of(histories, known, known_labels, ahead),
        training=histories.rows_of_parts(train_on),
        validation=histories.rows_of_parts(validate_on),
    )
    log.info(
        "fold %d: %d training rows, %d validation rows, %d codes and %d labels known",
        fold,
        len(data.training),
        len(data.validation),
        len(known),
        len(known_labels),
    )
    return data


def trajectories_of(
    histories: Histories,
    known: npt.NDArray[np.int32],
    known_labels: npt.NDArray[np.int32],
    ahead: int,
) -> Trajectories:
    """Lay the labels that a fold knows beside the visits."""
    labels = VisitLabels(histories.label_offsets, histories.labels, known_labels)
    return Trajectories(histories, labels, known, ahead)
