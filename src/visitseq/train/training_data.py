"""What a fold may learn from: its training and validation rows, and the codes it knows.

The test part is never looked at: neither its rows nor its counts in the vocabulary.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.parts import training_parts, validation_part
from visitseq.encode.sequences import Sequences, known_codes, read_sequences
from visitseq.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The rows and codes of one fold.

    Attributes
    ----------
    fold, parts
        The fold, and the number of parts of the site.
    sequences
        All rows of the cohort, mapped; only those below are read.
    training, validation
        Rows of the training parts and of the validation part, ascending.
    known
        Ids of the codes that the fold knows, ascending: code ``known[j]`` is column j.
    codes
        Their names.
    """

    fold: int
    parts: int
    sequences: Sequences
    training: npt.NDArray[np.intp]
    validation: npt.NDArray[np.intp]
    known: npt.NDArray[np.int32]
    codes: list[str]


def read_training_data(
    visits: Path, vocabulary: Path, encoding: Mapping[str, Any], fold: int, parts: int
) -> TrainingData:
    """Open a fold's data and refuse what nothing can be learned from.

    Parameters
    ----------
    visits, vocabulary
        Files visits.arrow and vocabulary.parquet of one task and encoding.
    encoding
        The encoding's section of the configuration; ``min_count`` is used.
    fold, parts
        The fold, and the number of parts of the site.

    Raises
    ------
    UserError
        The training parts lack cases or controls.
    """
    sequences, table = read_sequences(visits), pq.read_table(vocabulary)
    train_on = training_parts(fold, parts)
    known = known_codes(table, train_on, encoding["min_count"])
    data = TrainingData(
        fold=fold,
        parts=parts,
        sequences=sequences,
        training=sequences.rows_of_parts(train_on),
        validation=sequences.rows_of_parts([validation_part(fold, parts)]),
        known=known,
        codes=_names(table, known),
    )
    _require_both_classes(data, visits)
    if not len(known):
        log.warning(
            "fold %d: none of the %d codes stands in %d visits of the training parts, so that the "
            "model sees no code; a smaller min_count lets it",
            fold,
            table.num_rows,
            encoding["min_count"],
        )
    log.info(
        "fold %d: %d training rows with %d cases, %d validation rows with %d cases, "
        "%d of %d codes known",
        fold,
        len(data.training),
        sequences.label[data.training].sum(),
        len(data.validation),
        sequences.label[data.validation].sum(),
        len(known),
        table.num_rows,
    )
    return data


def _names(vocabulary: pa.Table, ids: npt.NDArray[np.int32]) -> list[str]:
    rows = np.flatnonzero(np.isin(vocabulary["id"].to_numpy(), ids))
    names: list[str] = vocabulary.take(pa.array(rows)).sort_by("id")["code"].to_pylist()
    return names


def _require_both_classes(data: TrainingData, visits: Path) -> None:
    rows, cases = len(data.training), int(data.sequences.label[data.training].sum())
    if not 0 < cases < rows:
        raise UserError(
            f"{visits}: the training parts of fold {data.fold} hold {rows} rows with {cases} "
            "cases, but a model needs both; widen the cohort's criteria or leave this "
            "fold out of run.folds."
        )
