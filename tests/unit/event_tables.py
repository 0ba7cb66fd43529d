"""Write events and cohorts by hand as the tables that pass between the stages."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.tables import ANCESTORS, CODES, COHORT, EVENTS

#: subject_id, time, code, visit_id, source_code
Event = tuple[int, datetime, str, int | None, str | None]


def event(
    subject_id: int,
    time: datetime,
    code: str,
    visit_id: int | None = None,
    source: str | None = None,
) -> Event:
    return subject_id, time, code, visit_id, source


def write_events(path: Path, events: Iterable[Event]) -> Path:
    rows = [
        {
            "subject_id": subject,
            "time": time,
            "code": code,
            "numeric_value": None,
            "visit_id": visit,
            "source_code": source,
        }
        for subject, time, code, visit, source in events
    ]
    table = pa.Table.from_pylist(rows, schema=EVENTS)
    order = [(name, "ascending") for name in ("subject_id", "time", "code", "visit_id")]
    pq.write_table(table.sort_by(order), path)
    return path


def write_codes(path: Path, events: Iterable[Event]) -> Path:
    rows = [
        {"code": code, "description": f"name of {code}", "parent_codes": []}
        for code in sorted({code for _, _, code, _, _ in events})
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=CODES), path)
    return path


def write_ancestors(path: Path) -> Path:
    """Write that no code has an ancestor."""
    pq.write_table(ANCESTORS.empty_table(), path)
    return path


def write_cohort(path: Path, rows: Sequence[tuple[int, datetime, bool, int]]) -> Path:
    """Write rows of subject, index time, label and part."""
    cohort = [
        {"set_id": 0, "subject_id": subject, "index_time": index, "label": label, "part": part}
        for subject, index, label, part in rows
    ]
    pq.write_table(pa.Table.from_pylist(cohort, schema=COHORT), path)
    return path
