"""Read a MEDS data set into the tables of stage 1, and account for every row.

The rows pass through the queries of ``sql/meds_*.sql``, as an OMOP site's pass through theirs:

    meds_data       the rows of data/ with the columns that are read (``meds_data.py``)
    placed          what each code is (``meds_codes.py``)
    checked_row     the rows with what they are and the reason for which one is dropped
    known_birth, known_death, known_person, known_period    what rows say of persons
    stay            visits that rows name by their id and no row tells of

and then, for one block of persons after the other (``blocks.py``), ``meds_coded.sql`` gives what
they become: in a total order and every event once it is events.parquet (``event_file.py``).

Rows without a time are kept; what they say of a person's sex is placed at the birth. Rows that
share a visit id are a visit: its start and end are those that an export tells, else the first and
the last of the rows.
"""

import json
import logging
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from visitseq.engine import connect, is_of_data
from visitseq.errors import UserError
from visitseq.ingest.blocks import blocks_at_once, map_blocks, plan_blocks, put_in_order
from visitseq.ingest.event_file import open_event_file
from visitseq.ingest.event_order import sort_events
from visitseq.ingest.meds_codes import DOMAINS, Placed, place_code
from visitseq.ingest.meds_data import data_query
from visitseq.ingest.meds_files import meds_files
from visitseq.ingest.meds_metadata import code_ancestors, described_codes, read_metadata
from visitseq.ingest.outputs import (
    count_rows,
    know_counts,
    last_year,
    number_codes,
    sql,
    write_tables,
)
from visitseq.ingest.typed import MARK

log = logging.getLogger(__name__)

_FEWEST = 10  # persons: what fewer have does not go into the log
_PLACED = pa.schema([("meds_code", pa.string()), *((f, pa.string()) for f in Placed._fields)])


def ingest_meds(
    *,
    name: str,
    site: Mapping[str, Any],
    folder: Path,
    threads: int = 1,
    memory_mb: int = 3000,
) -> None:
    """Read site ``name`` and write the files that ``ingest_site`` writes.

    Parameters
    ----------
    name
        The site's name, for messages.
    site
        Its filled section of the configuration: path, domains, sex_codes, latest_date.
    folder
        Gets events.parquet, persons.parquet, observation_periods.parquet, codes.parquet,
        ancestors.parquet and summary.json, whose ``tables`` are ``{"data": …}``; ``static`` counts
        the rows without a time that are kept.
    threads, memory_mb
        As ``ingest_site`` has them.

    Raises
    ------
    UserError
        The folder holds no data set of MEDS 0.3 or 0.4, naming file and column.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = meds_files(name, site)
    metadata = read_metadata(name, found.codes)
    query = data_query(name, found.data)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".spill_") as scratch,
        connect(threads=threads, memory_mb=memory_mb, scratch=Path(scratch)) as connection,
    ):
        try:
            connection.execute(f"CREATE VIEW meds_data AS {query}")
            summary = _run(
                connection,
                site,
                metadata=metadata,
                data=[str(path) for path in found.data],
                folder=folder,
                scratch=Path(scratch),
                at_once=blocks_at_once(threads, memory_mb),
            )
        except duckdb.Error as error:
            raise _explain(name, site, error) from None
        _warn_without_domain(connection, name)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    counts = (summary[key] for key in ("persons", "visits", "events", "static"))
    log.info("site %s: %d persons, %d visits, %d events; %d rows without a time", name, *counts)


def _run(
    connection: duckdb.DuckDBPyConnection,
    site: Mapping[str, Any],
    *,
    metadata: pa.Table,
    data: list[str],
    folder: Path,
    scratch: Path,
    at_once: int,
) -> dict[str, Any]:
    """Run the queries in order; return what summary.json holds."""
    connection.execute(
        "CREATE TABLE setting AS SELECT CAST($latest AS DATE) AS latest_date",
        {"latest": site["latest_date"]},
    )
    placed = _place_codes(connection, site)
    _check_rows(connection)
    _know_persons(connection)
    _write_events(connection, folder / "events.parquet", data, scratch, at_once)
    connection.register("code_metadata", described_codes(metadata, placed))
    connection.register("code_ancestor", code_ancestors(metadata, placed))
    _write_tables(connection, folder)
    return {
        "persons": count_rows(connection, "known_person"),
        "visits": _count_visits(connection),
        "events": _count_events(connection),
        "last_year": last_year(connection),
        "detached": 0,
        "static": count_rows(connection, "checked_row WHERE reason IS NULL AND time IS NULL"),
        "tables": {"data": _account(connection)},
    }


def _place_codes(
    connection: duckdb.DuckDBPyConnection, site: Mapping[str, Any]
) -> dict[str, Placed]:
    """Make the table ``placed``: what each code of the data is."""
    patterns = {domain: re.compile(pattern) for domain, pattern in site["domains"].items()}
    codes = connection.execute(
        "SELECT DISTINCT code FROM meds_data WHERE code IS NOT NULL ORDER BY code"
    ).fetchall()
    placed = {code: place_code(code, patterns, site["sex_codes"]) for (code,) in codes}
    rows = [{"meds_code": code, **own._asdict()} for code, own in placed.items()]
    connection.register("registered_code", pa.Table.from_pylist(rows, schema=_PLACED))
    connection.execute("CREATE TABLE placed AS FROM registered_code")
    return placed


def _check_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``checked_row``; births are checked before any is known, and deaths before any death."""
    connection.execute("CREATE TABLE known_birth (person_id BIGINT, birth_time TIMESTAMP)")
    connection.execute(
        "CREATE TABLE known_death (person_id BIGINT, death_date DATE, death_time TIMESTAMP)"
    )
    connection.execute(f"CREATE VIEW checked_row AS {sql('meds_checked')}")
    kept = "FROM checked_row WHERE reason IS NULL AND kind = '{}' GROUP BY subject_id"
    connection.execute(
        f"INSERT INTO known_birth SELECT subject_id, min(time) {kept.format('birth')}"
    )
    connection.execute(
        "INSERT INTO known_death SELECT subject_id, CAST(min(time) AS DATE), min(time) "
        f"{kept.format('death')}"
    )


def _know_persons(connection: duckdb.DuckDBPyConnection) -> None:
    """Make known_person, known_period and ``stay``, the visits that no row tells of."""
    connection.execute(
        "CREATE TABLE person_row AS SELECT subject_id, time, kind, value, reason "
        "FROM checked_row WHERE kind NOT IN ('event', 'end')"
    )
    connection.execute(f"CREATE TABLE known_person AS {sql('meds_person')}")
    connection.execute(f"CREATE TABLE checked_period AS {sql('meds_period')}")
    connection.execute(f"CREATE TABLE known_period AS {sql('known_period')}")
    connection.execute(f"CREATE TABLE stay AS {sql('meds_stay')}")


def _write_events(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    data: list[str],
    scratch: Path,
    at_once: int,
) -> None:
    """Write every event once, in a total order; make event_code, and the view ``event`` of them."""
    columns = {"meds_data": "subject_id"}
    blocks = plan_blocks(connection, columns, "SELECT person_id FROM known_person", at_once)
    put_in_order(connection, columns, {"meds_data": data}, blocks, scratch)
    connection.execute(f"CREATE VIEW made AS {sql('meds_made')}")
    codes = number_codes(connection, "SELECT code FROM placed UNION SELECT code FROM made")
    with open_event_file(path, codes) as file:
        for events in map_blocks(connection, blocks, _read_block, at_once):
            file.append(events)
    know_counts(connection, file.counts)
    place = str(path).replace("'", "''")
    connection.execute(f"CREATE VIEW event AS FROM read_parquet('{place}')")


def _read_block(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """What a block's rows become, in order and each once."""
    return sort_events(connection.sql(sql("meds_coded")).to_arrow_table())


def _write_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    queries = {
        "persons": sql("persons"),
        "observation_periods": "SELECT * FROM known_period",
        "codes": sql("meds_codes"),
        "ancestors": sql("meds_ancestors"),
    }
    write_tables(connection, queries, folder)


def _count_events(connection: duckdb.DuckDBPyConnection, condition: str = "true") -> int:
    """Count the events of the codes that fulfil a condition."""
    found = connection.execute(
        f"SELECT coalesce(sum(events), 0)::BIGINT FROM event_code WHERE {condition}"
    ).fetchall()
    return int(found[0][0])


def _count_visits(connection: duckdb.DuckDBPyConnection) -> int:
    """Visits told or found by their id, and the days on which events without one fall."""
    told = _count_events(connection, "domain = 'visit'")
    days = (
        "(SELECT DISTINCT subject_id, CAST(time AS DATE) FROM event "
        f"WHERE visit_id IS NULL AND time IS NOT NULL AND split_part(code, '/', 1) IN {DOMAINS})"
    )
    return told or count_rows(connection, days)


def _account(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Rows of data/ that were read, kept and dropped by reason."""
    outcomes = _person_outcomes(connection)
    counted = connection.execute(
        "SELECT coalesce(reason, 'kept'), count(*) FROM checked_row "
        "WHERE kind IN ('event', 'end') OR kind IS NULL GROUP BY ALL"
    ).fetchall()
    # Of rows that agree one is an event; what was made is no row of data/.
    events = Counter(dict(counted))
    duplicates = events["kept"] - _count_events(connection) + count_rows(connection, "made")
    events.update(kept=-duplicates, duplicate=duplicates)
    outcomes += events
    dropped = {reason: n for reason, n in sorted(outcomes.items()) if reason != "kept"}
    return {"read": outcomes.total(), "kept": outcomes["kept"], "dropped": dropped}


def _person_outcomes(connection: duckdb.DuckDBPyConnection) -> Counter[str]:
    """Count the rows that tell of persons by what became of them; a period takes two."""
    outcomes: Counter[str] = Counter()
    for kind, outcome, rows in connection.execute(sql("meds_person_outcome")).fetchall():
        outcomes[outcome] += rows
        if kind in ("period", "period_end") and outcome == "kept":
            unpaired = rows - count_rows(connection, "checked_period WHERE reason IS NULL")
            outcomes.update(kept=-unpaired, unpaired=unpaired)
    return outcomes


def _warn_without_domain(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Say with what the codes begin where none of them is of a domain."""
    if _count_events(connection, f"domain IN {DOMAINS}"):
        return
    words = connection.execute(
        "SELECT split_part(code, '/', 1) AS word FROM event GROUP BY word "
        f"HAVING count(DISTINCT subject_id) >= {_FEWEST} ORDER BY count(*) DESC, word LIMIT 10"
    ).fetchall()
    log.warning(
        "site %s: no code is of a domain, so that nobody has a visit. Set sites/%s/domains to "
        "patterns such as {condition: '^DIAGNOSIS//'}; the commonest codes begin with %s",
        name,
        name,
        ", ".join(word for (word,) in words) or "words that few persons have",
    )


def _explain(name: str, site: Mapping[str, Any], error: duckdb.Error) -> Exception:
    """Turn an engine's error about the records into a UserError that shows no record."""
    message = str(error)
    if MARK in message:
        return UserError(
            f"Site {name}: {message.split(MARK, 1)[1].splitlines()[0]}. Mend that column; null "
            "stands for what is unknown."
        )
    if is_of_data(error):
        return UserError(
            f"Site {name}: a file in {site['path']}/data broke off, is malformed, or holds a value "
            f"that its column's type cannot ({type(error).__name__}). Check that it is complete."
        )
    return error
