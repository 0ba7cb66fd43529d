"""Visits: which events belong together, the same for the cohort and for every encoding.

A visit is the events of some domains that share a visit id, or without one a calendar day. A
visit id whose recorded stay exceeds 366 days groups nothing: its events go by calendar day.
Visits that overlap or share a day are one. A visit starts at the earliest of its events and ends
at the latest of them or at the recorded end. ``visit_merging.py`` has the algorithm.

The events of a site are read in blocks of persons, so that memory does not grow with the site.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from visitseq.cohort.day_lists import Ints
from visitseq.cohort.event_blocks import ROWS_A_BLOCK, event_blocks
from visitseq.cohort.visit_merging import EventRows, Visits, merge_visits
from visitseq.tables import TIME

DEFAULT_DOMAINS = ("condition", "drug", "procedure")

_NOTHING, _CLINICAL, _STAY_START, _STAY_END = range(4)  # what an event is to visits


@dataclass(frozen=True)
class VisitBlock:
    """The visits of one block of persons.

    Parameters
    ----------
    visits
        The visits.
    codes
        Table with code and source_code of the events that make them, in the order of
        ``visits.of_event``; each column has one dictionary.
    """

    visits: Visits
    codes: pa.Table

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Show the block to SQL as the view ``visit_event``, in place of the block before.

        It has a row a clinical event, with subject_id, visit (0, 1, … in the person's time order),
        start and end of that visit, code, source_code.
        """
        visits, of_event = self.visits, self.visits.of_event
        first_visit = np.searchsorted(visits.subject_id, visits.subject_id)
        number = (np.arange(len(first_visit)) - first_visit).astype(np.int32)
        columns = {
            "subject_id": visits.subject_id[of_event],
            "visit": number[of_event],
            "start": pa.array(visits.start[of_event]).cast(TIME),
            "end": pa.array(visits.end[of_event]).cast(TIME),
            "code": self.codes["code"],
            "source_code": self.codes["source_code"],
        }
        connection.register("visit_event", pa.table(columns))


def visit_blocks(
    events: Path,
    domains: Sequence[str] = DEFAULT_DOMAINS,
    subjects: Ints | None = None,
    rows_a_block: int = ROWS_A_BLOCK,
) -> Iterator[VisitBlock]:
    """Merge the visits of events.parquet, block of persons by block; there is one at least.

    Parameters
    ----------
    events
        events.parquet, sorted by subject_id.
    domains
        Domains whose events make visits.
    subjects
        Persons to read, shape (persons,); all by default.
    rows_a_block
        Events held in memory at once, roughly: ``event_blocks`` says when a block ends.
    """
    chosen = None if subjects is None else np.unique(subjects)
    for block in event_blocks(events, chosen, rows_a_block):
        rows = _rows(block, domains)
        codes = block.select(["code", "source_code"]).take(pa.array(rows.clinical))
        yield VisitBlock(merge_visits(rows), codes)


def _rows(events: pa.Table, domains: Sequence[str]) -> EventRows:
    """What merging has to know of a block's events."""
    code, time, visit_id = (events[name].combine_chunks() for name in ("code", "time", "visit_id"))
    # Each name is looked at once; the last kind is that of rows without a code.
    names = code.dictionary.to_pylist()
    kinds = np.array([*(_kind(name, domains) for name in names), _NOTHING], dtype=np.uint8)
    kind = kinds[code.indices.fill_null(len(names)).to_numpy()]
    if time.null_count:
        kind[time.is_null().to_numpy(zero_copy_only=False)] = _NOTHING
    return EventRows(
        subject_id=events["subject_id"].to_numpy(),
        time=time.cast(TIME).cast(pa.int64()).fill_null(0).to_numpy(),
        visit_id=visit_id.fill_null(0).to_numpy(),
        has_visit_id=visit_id.is_valid().to_numpy(zero_copy_only=False),
        clinical=np.flatnonzero(kind == _CLINICAL),
        stay_starts=np.flatnonzero(kind == _STAY_START),
        stay_ends=np.flatnonzero(kind == _STAY_END),
    )


def _kind(code: str, domains: Sequence[str]) -> int:
    if code.partition("/")[0] in domains:
        return _CLINICAL
    if code.startswith("visit/"):
        return _STAY_START
    return _STAY_END if code.startswith("visit_end/") else _NOTHING
