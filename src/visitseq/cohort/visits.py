"""Visits: which events belong together, the same for the cohort and for every encoding.

A visit is the events of some domains that share a visit id, or without one a calendar day. A
visit id whose recorded stay exceeds 366 days groups nothing: its events go by calendar day.
Visits that overlap or share a day are one. A visit starts at the earliest of its events and ends
at the latest of them or at the recorded end. ``sql/visit_event.sql`` says the same as SQL.

The events of a site are read in blocks of persons, so that memory does not grow with the site; a
block that is larger than the memory limit spills to a folder beside the events.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.engine import connect

DEFAULT_DOMAINS = ("condition", "drug", "procedure")

_VISIT_EVENT = files("visitseq.cohort").joinpath("sql/visit_event.sql").read_text("utf-8")


@dataclass(frozen=True)
class VisitBlock:
    """The visits of one block of persons.

    Parameters
    ----------
    connection
        Holds, until the next block is asked for, the table ``visit_event``: one row a clinical
        event, with subject_id, visit (0, 1, … in the person's time order), start and end of that
        visit, time, code, source_code.
    open_ended
        How many visit ids grouped nothing because their stay exceeds 366 days.
    """

    connection: duckdb.DuckDBPyConnection
    open_ended: int


def visit_blocks(
    events: Path,
    domains: Sequence[str] = DEFAULT_DOMAINS,
    subjects: npt.NDArray[np.int64] | None = None,
    persons_a_block: int = 10_000,
) -> Iterator[VisitBlock]:
    """Merge the visits of events.parquet, block of persons by block.

    Parameters
    ----------
    events
        events.parquet, sorted by subject_id.
    domains
        Domains whose events make visits.
    subjects
        Persons to read, shape (persons,); all by default.
    persons_a_block
        Persons held in memory at once.
    """
    with (
        tempfile.TemporaryDirectory(dir=events.parent, prefix=".spill_") as scratch,
        connect(scratch=Path(scratch)) as connection,
    ):
        subjects = read_subjects(events) if subjects is None else np.unique(subjects)
        connection.register("domain", pa.table({"name": list(domains)}))
        for first in range(0, max(len(subjects), 1), persons_a_block):
            _read_block(connection, events, subjects[first : first + persons_a_block])
            yield VisitBlock(connection, _count_open_ended(connection))


def read_subjects(events: Path) -> npt.NDArray[np.int64]:
    """Persons of events.parquet, ascending, shape (persons,)."""
    with connect() as connection:
        found = connection.execute(
            "SELECT DISTINCT subject_id FROM read_parquet($events)", {"events": str(events)}
        ).fetchnumpy()
    return np.sort(np.asarray(found["subject_id"], dtype=np.int64))


def _read_block(
    connection: duckdb.DuckDBPyConnection, events: Path, subjects: npt.NDArray[np.int64]
) -> None:
    """Make the table visit_event for ``subjects``, which are sorted."""
    connection.register("subject", pa.table({"subject_id": subjects}))
    first, last = (int(subjects[0]), int(subjects[-1])) if len(subjects) else (0, -1)
    # The bounds let the reader skip whole row groups; the semi-join picks among what is left.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE event AS "
        "SELECT subject_id, time, code, visit_id, source_code FROM read_parquet($events) "
        "WHERE subject_id BETWEEN $first AND $last "
        "AND subject_id IN (SELECT subject_id FROM subject) "
        "AND (code LIKE 'visit%' OR split_part(code, '/', 1) IN (SELECT name FROM domain))",
        {"events": str(events), "first": first, "last": last},
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE visit_event AS {_VISIT_EVENT}")


def _count_open_ended(connection: duckdb.DuckDBPyConnection) -> int:
    counted = connection.execute(
        "SELECT count(*) FROM "
        "(SELECT DISTINCT subject_id, open_visit_id FROM visit_event "
        "WHERE open_visit_id IS NOT NULL)"
    ).fetchall()
    return int(counted[0][0])
