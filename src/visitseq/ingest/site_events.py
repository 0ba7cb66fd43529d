"""Visits and clinical events of an OMOP site become events.parquet, block of persons by block.

Persons, deaths and care sites are known before (``site.py``). Every row of the visits and of the
event tables is counted: as kept, or by the reason for which it is dropped.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.ingest.account import Rows, checked, count_reasons, drop_duplicates
from visitseq.ingest.blocks import IN_BLOCK, Block, map_blocks, plan_blocks, put_in_order
from visitseq.ingest.event_file import open_event_file
from visitseq.ingest.event_order import sort_events
from visitseq.ingest.omop import EVENT_TABLES
from visitseq.ingest.outputs import (
    count_rows,
    know_counts,
    last_year,
    number_codes,
    sql,
    write_tables,
)

_VISITS = "visit_occurrence"
_NAMELESS = "WHERE person_id IS NULL"  # rows of nobody, which are in no block


@dataclass(frozen=True)
class _Block:
    """What a block of persons adds: sorted events, rows by table and reason, visits, detached."""

    events: pa.Table
    rows: Rows
    visits: int
    detached: int


def write_site_events(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, Sequence[str]],
    folder: Path,
    *,
    scratch: Path,
    rows: Rows,
    at_once: int,
) -> dict[str, Any]:
    """Write every event once, in a total order, and beside them what is known by then.

    Parameters
    ----------
    connection
        Has the typed views of the site's tables, known_person, known_death and ``life``.
    files
        The Parquet files of each table found (``typed.open_tables``).
    folder
        Gets events.parquet, persons.parquet, observation_periods.parquet, codes.parquet and
        ancestors.parquet.
    scratch
        Gets tables in another order; it has to stay as long as their views are used.
    rows
        Gets the count of the visits and of each event table.
    at_once
        How many blocks of persons are worked on at once.

    Returns
    -------
    dict
        visits, events, last_year and detached of the summary.
    """
    tables = [table for table in EVENT_TABLES.values() if table in files]
    blocks = _open_blocks(connection, files, tables, scratch, at_once)
    codes = number_codes(connection, sql("site_code"))
    for table in (_VISITS, *tables):
        rows[table] = Counter(unknown_person=count_rows(connection, f"{table} {_NAMELESS}"))
    visits = detached = 0
    with open_event_file(folder / "events.parquet", codes) as file:
        for block in map_blocks(connection, blocks, _read_block, at_once):
            visits += block.visits
            detached += block.detached
            for table, count in block.rows.items():
                rows[table] += count
            file.append(block.events)
        know_counts(connection, file.counts)
        _write_tables(connection, folder)
    drop_duplicates(rows[_VISITS], visits)
    return {
        "visits": visits,
        "events": _count_events(connection, rows),
        "last_year": last_year(connection),
        "detached": detached,
    }


def _open_blocks(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, Sequence[str]],
    tables: list[str],
    scratch: Path,
    at_once: int,
) -> list[Block]:
    """Divide the persons into blocks, and make the views of what is read block by block."""
    columns = {table: "person_id" for table in (_VISITS, *tables) if table in files}
    blocks = plan_blocks(connection, columns, "SELECT person_id FROM known_person", at_once)
    put_in_order(connection, columns, files, blocks, scratch)
    union = "\nUNION ALL BY NAME\n".join(sql(table) for table in tables)
    for name, dated in (("visit", sql(_VISITS)), ("event", union)):
        of_block = f"FROM dated_{name} WHERE {IN_BLOCK.format('person_id')}"
        connection.execute(f"CREATE VIEW dated_{name} AS {dated}")
        connection.execute(f"CREATE VIEW checked_{name} AS {checked(of_block)}")
    domains = ", ".join(f"'{domain}'" for domain in EVENT_TABLES)
    connection.execute(f"CREATE TYPE event_domain AS ENUM ({domains})")
    connection.execute(f"CREATE TABLE known_concept AS {sql('known_concept')}")
    return blocks


def _read_block(connection: duckdb.DuckDBPyConnection) -> _Block:
    """Make of a block's rows what is written of them, and count them."""
    rows: Rows = defaultdict(Counter)
    visits = _know_visits(connection, rows)
    events, detached = _code_events(connection, rows)
    return _Block(sort_events(events), rows, visits, detached)


def _know_visits(connection: duckdb.DuckDBPyConnection, rows: Rows) -> int:
    """Make known_visit and visit_span; return how many visits are known."""
    queries = {
        "block_visit": "SELECT * EXCLUDE (table_name, date, datetime) FROM checked_visit",
        "known_visit": sql("known_visit"),
        "visit_span": sql("visit_span"),
    }
    for table, query in queries.items():
        connection.execute(f"CREATE TEMP TABLE {table} AS {query}")
    rows[_VISITS] += count_reasons(connection, "block_visit")
    return count_rows(connection, "known_visit")


def _code_events(connection: duckdb.DuckDBPyConnection, rows: Rows) -> tuple[pa.Table, int]:
    """Return what the block's rows become, in no order, and how many events are detached."""
    found = connection.sql(sql("clinical_event")).to_arrow_table()
    counted = found.group_by(["domain", "reason"], use_threads=False)
    detached = 0
    for outcome in counted.aggregate([([], "count_all"), ("detached", "sum")]).to_pylist():
        reason = outcome["reason"] or "kept"
        rows[EVENT_TABLES[outcome["domain"]]][reason] += outcome["count_all"]
        detached += outcome["detached_sum"] if reason == "kept" else 0
    if found["reason"].null_count < len(found):
        found = found.filter(pc.is_null(found["reason"]))
    kept = found.drop_columns(["domain", "reason", "detached"])
    made = connection.sql(sql("visit_event")).to_arrow_table()
    return pa.concat_tables([kept, made], promote_options="default"), detached


def _count_events(connection: duckdb.DuckDBPyConnection, rows: Rows) -> int:
    """Count what is left of each table now that every event stands once; return all events."""
    written = dict(
        connection.execute(
            "SELECT domain, sum(events)::BIGINT FROM event_code GROUP BY ALL"
        ).fetchall()
    )
    for domain, table in EVENT_TABLES.items():
        if table in rows:
            drop_duplicates(rows[table], written.get(domain, 0))
    return sum(written.values())


def _write_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    for known in ("known_code", "known_ancestor"):
        connection.execute(f"CREATE TABLE {known} AS {sql(known)}")
    queries = {
        "persons": sql("persons"),
        "observation_periods": "SELECT * FROM known_period",
        "codes": sql("codes"),
        "ancestors": "SELECT * FROM known_ancestor ORDER BY code, levels, ancestor_concept_id",
    }
    write_tables(connection, queries, folder)
