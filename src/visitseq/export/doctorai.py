"""Write the visits of a task of kind next_visit for Doctor AI's released code.

The code (github.com/mp2893/doctorai, Python 2.7) reads a visit file, a label file and a time file,
each as three pickles, ``.train``, ``.valid`` and ``.test``:

    visits    list of patients, each a list of visits, each a list of code numbers
    labels    the same of the labels of each visit itself: the code shifts them
    times     list of patients, each the days since the visit before, 0 at the first

The numbers are the ids of vocabulary.parquet and labels.parquet, from 0 on; the dictionaries of
names to numbers are the .types of its process_mimic.py. Protocol 2 is the newest that Python 2.7
reads. Neither ids nor dates of persons are written.
"""

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.parts import training_parts, validation_part
from visitseq.encode.sequences import check_lists, open_batch

log = logging.getLogger(__name__)

PROTOCOL = 2

#: The files by the column of visits.arrow that each holds.
_FILES = {"visits": "visits", "targets": "labels", "days": "times"}


def write_doctorai(
    *, visits: Path, vocabulary: Path, labels: Path, fold: int, parts: int, folder: Path
) -> None:
    """Write visits, labels and times, each as .train, .valid and .test, and the .types of both.

    Parameters
    ----------
    visits, vocabulary, labels
        Files visits.arrow (with targets), vocabulary.parquet and labels.parquet of one task and
        encoding.
    fold, parts
        The fold, whose training, validation and test parts the three files are, and the number of
        parts of the site.
    folder
        Where the files go. The log has the mean days that testDoctorAI.py asks for.
    """
    batch = open_batch(visits)
    check_lists(batch, ["days", "targets"], visits)
    divided = {
        "train": training_parts(fold, parts),
        "valid": [validation_part(fold, parts)],
        "test": [fold],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for ending, own in divided.items():
        rows = pa.array(np.isin(batch.column("part").to_numpy(), own))
        for column, name in _FILES.items():
            lists = batch.column(column).filter(rows)
            if column == "days":
                lists = lists.cast(pa.list_(pa.int32()))  # whole days as they are
            _write(lists.to_pylist(), folder / f"{name}.{ending}")
    for name, table in (("visits", vocabulary), ("labels", labels)):
        numbered = pq.read_table(table, columns=["code", "id"]).to_pydict()
        types = dict(zip(numbered["code"], numbered["id"], strict=True))
        _write(types, folder / f"{name}.types")
        log.info("%s: %d numbers", name, len(types))
    log.info("--mean_duration %.6f", _mean_days(batch, divided["train"]))


def _write(content: Any, path: Path) -> None:
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=PROTOCOL)


def _mean_days(batch: pa.RecordBatch, parts: list[int]) -> float:
    """Mean days between the visits of the persons in ``parts``."""
    rows = pa.array(np.isin(batch.column("part").to_numpy(), parts))
    days = batch.column("days").filter(rows)
    gaps = days.flatten().to_numpy()
    # A person's first visit has none.
    asked = len(gaps) - int((days.value_lengths().to_numpy() > 0).sum())
    return float(gaps.sum(dtype=np.float64) / asked) if asked else float("nan")
