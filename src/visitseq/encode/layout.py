"""Flat arrays of steps: from a sorted table of codes to the columns of visits.arrow.

A step is what the network reads at once: a visit (all of its codes), or a single code. Where the
row or the visit changes in the sorted table a new step begins; the places are the offsets of the
nested lists, so that nothing is looped over.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Steps:
    """Steps of all rows, in row order.

    Parameters
    ----------
    row
        Cohort row of each step, shape (steps,), not decreasing.
    day
        First day of its visit, days since 1970-01-01, shape (steps,).
    gap
        Whole days since the start of the visit before, 0 at a row's first, shape (steps,).
    offsets
        First code of each step, and the number of codes at the end, shape (steps + 1,).
    codes
        Vocabulary ids, shape (codes,).
    """

    row: npt.NDArray[np.int32]
    day: npt.NDArray[np.int32]
    gap: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]
    codes: npt.NDArray[np.int32]


def steps_of(
    row: npt.NDArray[np.int32],
    step: npt.NDArray[np.integer],
    day: npt.NDArray[np.int32],
    codes: npt.NDArray[np.int32],
) -> Steps:
    """Begin a step wherever row or step changes; all arrays are of shape (codes,), sorted."""
    begins = np.ones(len(row), dtype=bool)
    begins[1:] = (row[1:] != row[:-1]) | (step[1:] != step[:-1])
    first = np.flatnonzero(begins)
    step_row, step_day = row[first], day[first]
    gap = np.zeros(len(first), dtype=np.int32)
    gap[1:] = np.where(step_row[1:] == step_row[:-1], step_day[1:] - step_day[:-1], 0)
    offsets = np.append(first, len(row)).astype(np.int32)
    return Steps(step_row, step_day, gap, offsets, codes)


def hash_codes(
    subject: npt.NDArray[np.integer],
    day: npt.NDArray[np.integer],
    code: pa.ChunkedArray | pa.Array,
    seed: int,
) -> npt.NDArray[np.uint64]:
    """Key that puts the codes of a visit in random order, shape (codes,).

    A hash of (seed, person, first day of the visit, code): the order depends neither on the other
    persons nor on the vocabulary, and is the same in every cohort in which the visit stands.
    """
    columns = zip(subject.tolist(), day.tolist(), code.to_pylist(), strict=True)
    keys = (f"{seed}/{person}/{first}/{name}".encode() for person, first, name in columns)
    digests = b"".join(hashlib.blake2b(key, digest_size=8).digest() for key in keys)
    return np.frombuffer(digests, dtype="<u8")


def visit_columns(steps: Steps, index_time: npt.NDArray[np.datetime64]) -> dict[str, pa.Array]:
    """Columns visits, days and days_to_index of visits.arrow for the rows of ``index_time``."""
    index_day = index_time.astype("datetime64[D]").astype(np.int64)
    row_offsets = np.searchsorted(steps.row, np.arange(len(index_day) + 1)).astype(np.int32)
    to_index = (index_day[steps.row] - steps.day).astype(np.float32)
    outer = pa.array(row_offsets)
    visits = pa.ListArray.from_arrays(pa.array(steps.offsets), pa.array(steps.codes))
    gap = pa.array(steps.gap.astype(np.float32))
    return {
        "visits": pa.ListArray.from_arrays(outer, visits),
        "days": pa.ListArray.from_arrays(outer, gap),
        "days_to_index": pa.ListArray.from_arrays(outer, pa.array(to_index)),
    }


def write_batch(
    rows: pa.Table,
    columns: Mapping[str, pa.Array],
    schema: pa.Schema,
    left_out: Mapping[str, int],
    path: Path,
) -> None:
    """Write visits.arrow: the columns of the cohort's ``rows``, and ``columns`` beside them.

    It is one record batch; what was left out stands in the schema's metadata.
    """
    counted = schema.with_metadata({name: str(count) for name, count in left_out.items()})
    own = {name: rows[name].combine_chunks() for name in rows.column_names}
    arrays = [{**own, **columns}[name] for name in schema.names]
    write_record_batch(pa.RecordBatch.from_arrays(arrays, schema=counted), path)


def write_record_batch(batch: pa.RecordBatch, path: Path) -> None:
    """Write one record batch to an Arrow file, uncompressed, so that it can be mapped."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
