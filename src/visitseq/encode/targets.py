"""Encode whole records for a task that asks for visits: visits.arrow, vocabulary and labels.

Each row is a person of a cohort without outcome, with all visits before the index, which is the end
of the record. What can be asked of a visit, its targets, are the ids of its own labels: its codes
of the domains that the task names, numbered for themselves in labels.parquet. Which visits are
asked, and from what, is the model's affair: it may look at the visits before the one that it
predicts and at nothing else of ``visits`` and ``targets``.

The labels are codes, whatever the encoding's vocabulary makes of the visits that are read.

Persons with too few visits to be asked are left out and counted as ``short`` in the schema metadata
of visits.arrow, beside ``open_ended`` visit ids, which group nothing, and what ``groups.py``
counts.
"""

import logging
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.cohort.visits import visit_blocks
from visitseq.encode.groups import SOURCE_CODES, columns_of
from visitseq.encode.layout import Steps, steps_of, visit_columns, write_batch
from visitseq.encode.vocabulary import check_size, count_by_part, number_codes, vocabulary_table
from visitseq.errors import UserError
from visitseq.grid import refusal
from visitseq.tables import VISIT_TARGETS, write_parquet

log = logging.getLogger(__name__)

_RECORD_CODE = files("visitseq.encode").joinpath("sql/record_code.sql").read_text("utf-8")


def encode_targets(
    *,
    task: Mapping[str, Any],
    encoding: Mapping[str, Any],
    cohort: Path,
    events: Path,
    codes: Path,
    ancestors: Path,
    folder: Path,
    parts: int,
) -> None:
    """Write the visits of each person with their labels, and the names of codes and labels.

    Parameters
    ----------
    task
        Filled section of kind forecast: visits_ahead, labels.
    encoding
        Filled section: vocabulary, level, domains.
    cohort, events, codes, ancestors
        cohort.parquet; events.parquet, codes.parquet and ancestors.parquet of the site.
    folder
        Gets visits.arrow (``tables.VISIT_TARGETS``), vocabulary.parquet and labels.parquet (both
        ``tables.vocabulary_schema``).
    parts
        Parts of the site.

    Raises
    ------
    UserError
        Task and encoding do not go together, nobody has visits enough, or there are more codes than
        32-bit offsets can address.
    """
    reason = refusal(task, encoding)
    if reason is not None:
        raise UserError(f"The task and the encoding do not go together: {reason}.")
    rows, code_table = pq.read_table(cohort), pq.read_table(codes)
    everything, open_ended = _read_records(rows, events, encoding)
    kept, record = _with_visits(rows, everything, task["visits_ahead"] + 1)
    if not len(kept):
        raise UserError(
            f"None of the {len(rows)} persons of the cohort has more than the "
            f"{task['visits_ahead']} visits that are to be forecast. Lower the task's visits_ahead."
        )
    check_size(len(record))
    is_label = _of_domains(record["code"], task["labels"])
    labels, label_ids = number_codes(record["code"].filter(pa.array(is_label)))
    label_row, label_offsets = record["row"].to_numpy()[is_label], _label_offsets(record, is_label)
    columns = columns_of(record, code_table, encoding, pq.read_table(ancestors))
    names, ids = number_codes(columns.record["code"])
    row = columns.record["row"].to_numpy()
    tables = {
        "vocabulary": (names, row, ids, columns.names),
        "labels": (labels, label_row, label_ids, code_table),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (own, of_row, numbers, described) in tables.items():
        counts = count_by_part(kept, of_row, numbers, (parts, len(own)))
        write_parquet(vocabulary_table(own, counts, described), folder / f"{name}.parquet")
    steps = _steps(columns.record, ids)
    left_out = {"short": len(rows) - len(kept), "open_ended": open_ended}
    lists = _lists(kept, steps, label_offsets, label_ids)
    counted = {**left_out, **columns.counts}
    write_batch(kept, lists, VISIT_TARGETS, counted, folder / "visits.arrow")
    log.info(
        "%d rows, %d visits, %d codes, %d labels; left out: %d short, %d open_ended",
        len(kept),
        len(steps.day),
        len(names),
        len(labels),
        *left_out.values(),
    )
    columns.log_counts()


def _read_records(
    rows: pa.Table, events: Path, encoding: Mapping[str, Any]
) -> tuple[pa.Table, int]:
    """Row, visit, day, code and source codes of the rows' records, and open-ended visit ids."""
    query = _RECORD_CODE.replace("{source_codes}", SOURCE_CODES[encoding["vocabulary"]])
    numbered = rows.select(["subject_id", "index_time"]).add_column(
        0, "row", pa.array(np.arange(len(rows), dtype=np.int32))
    )
    found, open_ended = [], 0
    for block in visit_blocks(events, encoding["domains"], rows["subject_id"].to_numpy()):
        block.connection.register("cohort_row", numbered)
        found.append(block.connection.sql(query).to_arrow_table())
        open_ended += block.open_ended
    return pa.concat_tables(found), open_ended


def _with_visits(rows: pa.Table, record: pa.Table, least: int) -> tuple[pa.Table, pa.Table]:
    """Rows with ``least`` visits or more, and their codes, numbered anew."""
    visits = record.group_by(["row", "visit"]).aggregate([])["row"].to_numpy()
    enough = np.bincount(visits, minlength=len(rows)) >= least
    number = np.cumsum(enough, dtype=np.int32) - 1
    kept = record.filter(pa.array(enough[record["row"].to_numpy()]))
    renumbered = pa.array(number[kept["row"].to_numpy()])
    return rows.filter(pa.array(enough)), kept.set_column(0, "row", renumbered)


def _of_domains(codes: pa.ChunkedArray, domains: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether each code is of one of ``domains``."""
    found = [pc.starts_with(codes, f"{domain}/").to_numpy() for domain in domains]
    of_any: npt.NDArray[np.bool_] = np.any(found, axis=0)
    return of_any


def _steps(record: pa.Table, ids: npt.NDArray[np.int32]) -> Steps:
    """One step a visit; ``ids`` are those of the record's codes."""
    row, visit = record["row"].to_numpy(), record["visit"].to_numpy()
    return steps_of(row, visit, record["day"].cast(pa.int32()).to_numpy(), ids)


def _label_offsets(record: pa.Table, is_label: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """First label of each visit, and the number of labels at the end, shape (visits + 1,)."""
    before = np.concatenate([[0], np.cumsum(is_label)]).astype(np.int32)
    numbers = np.arange(len(record), dtype=np.int32)
    offsets: npt.NDArray[np.int32] = before[_steps(record, numbers).offsets]
    return offsets


def _lists(
    rows: pa.Table,
    steps: Steps,
    label_offsets: npt.NDArray[np.int32],
    label_ids: npt.NDArray[np.int32],
) -> dict[str, pa.Array]:
    """Columns of visits.arrow beside the cohort's."""
    columns = visit_columns(steps, rows["index_time"].to_numpy())
    targets = pa.ListArray.from_arrays(pa.array(label_offsets), pa.array(label_ids))
    return {
        **columns,
        "days_to_index": pa.nulls(len(rows), columns["days_to_index"].type),
        "targets": pa.ListArray.from_arrays(columns["visits"].offsets, targets),
    }
