"""Write small visits.arrow and vocabulary.parquet files by hand, for the tests of what reads them.

Nothing of the library's encoder is used: rows go in as Python lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from visitseq import tables
from visitseq.encode.sequences import Sequences

#: Visits of the rows of a cohort: codes 0 to 6, sorted and unique within a visit.
visit = st.lists(st.integers(0, 6), unique=True, max_size=4).map(sorted)
cohorts = st.lists(st.lists(visit, max_size=4), min_size=1, max_size=6)


@dataclass
class Row:
    """A cohort row: the codes of its visits, and each visit's days to the index date."""

    visits: Sequence[Sequence[int]]
    label: bool | None = False
    part: int = 0
    days_to_index: Sequence[float] | None = None  # by default 10, 20, … days, the last visit 10
    subject_id: int = 0
    set_id: int | None = None
    index_time: datetime = field(default=datetime(2020, 1, 1))

    @property
    def to_index(self) -> list[float]:
        if self.days_to_index is not None:
            return list(self.days_to_index)
        return [10.0 * (len(self.visits) - place) for place in range(len(self.visits))]

    @property
    def days(self) -> list[float]:
        before = self.to_index[:1] + self.to_index[:-1]
        return [first - second for first, second in zip(before, self.to_index, strict=True)]


def record_batch(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = {
        "set_id": [row.set_id for row in rows],
        "subject_id": [row.subject_id for row in rows],
        "index_time": [row.index_time for row in rows],
        "label": [row.label for row in rows],
        "part": [row.part for row in rows],
        "visits": [[list(visit) for visit in row.visits] for row in rows],
        "days": [row.days for row in rows],
        "days_to_index": [row.to_index for row in rows],
    }
    return pa.RecordBatch.from_pydict(columns, schema=tables.VISITS)


def write_batch(batch: pa.RecordBatch, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return path


def write_visits(rows: Sequence[Row], path: Path) -> Path:
    return write_batch(record_batch(rows), path)


def write_histories(rows: Sequence[Row], path: Path) -> Path:
    """Write rows without outcome, each visit asked for the codes that it holds."""
    batch = record_batch([replace(row, label=None) for row in rows])
    columns = {name: batch.column(name) for name in tables.VISITS.names}
    columns["days_to_index"] = pa.nulls(len(rows), tables.VISITS.field("days_to_index").type)
    columns["targets"] = columns["visits"]
    arrays = [columns[name] for name in tables.VISIT_TARGETS.names]
    return write_batch(pa.RecordBatch.from_arrays(arrays, schema=tables.VISIT_TARGETS), path)


def write_vocabulary(rows: Sequence[Row], codes: int, parts: int, path: Path) -> Path:
    """Codes condition/0 … with the number of visits of each part that hold them."""
    counts = [[0] * codes for _ in range(parts)]
    for row in rows:
        for visit in row.visits:
            for code in visit:
                counts[row.part][code] += 1
    names = [f"condition/{code}" for code in range(codes)]
    columns = {f"part_{part}": counts[part] for part in range(parts)}
    table = pa.table(
        {"id": range(codes), "code": names, "description": [None] * codes, **columns},
        schema=tables.vocabulary_schema(parts),
    )
    tables.write_parquet(table, path)
    return path


def in_memory(cohort: Sequence[Sequence[Sequence[int]]]) -> Sequences:
    """Sequences of hand-made visits, days counting up from 0 over all visits."""
    visits = [visit for row in cohort for visit in row]
    n = len(cohort)
    return Sequences(
        set_id=pa.nulls(n, pa.int64()),
        subject_id=np.arange(n),
        index_time=np.full(n, "2020-01-01", dtype="datetime64[us]"),
        label=np.zeros(n, dtype=np.bool_),
        part=np.zeros(n, dtype=np.int32),
        visit_offsets=np.cumsum([0, *map(len, cohort)]),
        code_offsets=np.cumsum([0, *map(len, visits)]),
        codes=np.array([code for visit in visits for code in visit], dtype=np.int32),
        days=np.arange(len(visits), dtype=np.float32),
        days_to_index=np.arange(len(visits), dtype=np.float32),
    )
