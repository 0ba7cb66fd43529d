"""Read a site's OMOP records into one table of events, and account for every row.

Records on a server, in Spark or of a restricted study are brought to Parquet files first
(``pull.py``). From there on they pass through the queries of ``sql/``, each over the views that the
ones before it made::

    <table>               typed columns of the site's table (``typed.py``)
    checked_<table>       its rows with the reason for which a row is dropped (``checked.sql``)
    known_person, known_death, known_period    the rows that are kept, once each
    numbered_code         every code that a row may become (``site_code.sql``)

and then, for one block of persons after the other (``blocks.py``), so that what is joined and
sorted fits in memory::

    known_visit           the visits that are kept, once each
    clinical_event.sql    gives coded events with their visit
    visit_event.sql       gives what visits and persons become

Both leave DuckDB as Arrow tables, which are sorted, freed of copies and written to events.parquet
(``event_file.py``). What exceeds the memory limit DuckDB spills to a folder beside the output.
"""

import importlib.util
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb

from visitseq.engine import connect, is_of_data
from visitseq.errors import UserError
from visitseq.ingest.account import Rows, account, checked, count_reasons, drop_duplicates
from visitseq.ingest.blocks import blocks_at_once
from visitseq.ingest.engine import Engine
from visitseq.ingest.files import domains_of, list_inputs
from visitseq.ingest.local import open_local
from visitseq.ingest.omop import tables_to_read
from visitseq.ingest.outputs import count_rows, sql
from visitseq.ingest.pull import pull_tables
from visitseq.ingest.restriction import Restriction, read_restriction
from visitseq.ingest.server import open_server
from visitseq.ingest.site_events import write_site_events
from visitseq.ingest.typed import MARK, open_tables

log = logging.getLogger(__name__)

_SPILL = ".spill_"


def ingest_site(
    *,
    name: str,
    site: Mapping[str, Any],
    folder: Path,
    threads: int = 1,
    memory_mb: int = 3000,
    phenotype: Path | None = None,
    persons: Path | None = None,
) -> None:
    """Read site ``name`` and write its events, persons, periods, codes, ancestors and a summary.

    Parameters
    ----------
    name
        The site's name, for messages.
    site
        Its filled section of the configuration: where the records are (path, url_env or spark),
        schema, domains, latest_date, restrict.
    folder
        Gets events.parquet, persons.parquet, observation_periods.parquet, codes.parquet,
        ancestors.parquet (schemas in ``visitseq.tables``) and summary.json: persons, visits,
        events, last_year, detached and, for every clinical table read, rows read = kept + dropped,
        by reason.
    threads, memory_mb
        How many blocks of persons are worked on at once, as far as the memory goes, and what DuckDB
        may use. Events outside DuckDB take some 100 MB a block more. The files do not depend on
        either.
    phenotype, persons
        The files that ``restrict`` names under these keys.

    Raises
    ------
    UserError
        If the records cannot be reached, or not be read as OMOP CDM 5.3 or 5.4, naming table and
        column.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for remains in folder.glob(f"{_SPILL}*"):
        shutil.rmtree(remains)  # of a run that was killed; it may hold rows of patients
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=_SPILL) as scratch,
        connect(threads=threads, memory_mb=memory_mb, scratch=Path(scratch)) as connection,
    ):
        limits = {"threads": threads, "memory_mb": memory_mb}
        restriction = read_restriction(name, site.get("restrict") or {}, phenotype, persons)
        try:
            place, left = _pull(name, site, restriction, Path(scratch), limits)
            files = _open(connection, name, site, place, Path(scratch))
            summary = _run(
                connection,
                site,
                files=files,
                folder=folder,
                scratch=Path(scratch),
                left=left,
                at_once=blocks_at_once(threads, memory_mb),
            )
        except duckdb.Error as error:
            raise _explain(name, site, error) from None
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    log.info(
        "site %s: %d persons, %d visits, %d events",
        name,
        summary["persons"],
        summary["visits"],
        summary["events"],
    )


def _pull(
    name: str,
    site: Mapping[str, Any],
    restriction: Restriction,
    scratch: Path,
    limits: Mapping[str, int],
) -> tuple[str, dict[str, int]]:
    """Find where the site's tables lie as files, and how many rows its restriction left out.

    They are where the site says, or else in a folder of ``scratch`` that is filled now.
    """
    domains, folder = domains_of(site), scratch / "pulled"
    list_inputs(name, site)  # raises where nothing is to be found
    if site.get("url_env") is not None:
        opened: AbstractContextManager[Engine] = open_server(name, site)
    elif site.get("spark") is not None:
        opened = _open_spark(name, site)
    elif restriction != Restriction():
        read = list(dict.fromkeys([*domains, *restriction.domains()]))
        opened = open_local(name, site, read, scratch, **limits)
    else:
        return site["path"], {}
    with opened as engine:
        return str(folder), pull_tables(engine, name, domains, restriction, folder)


def _open_spark(name: str, site: Mapping[str, Any]) -> AbstractContextManager[Engine]:
    """Open a Spark session, where PySpark is installed: it is large, and few need it."""
    if importlib.util.find_spec("pyspark") is None:
        raise UserError(
            f"Site {name}: PySpark is not installed, through which sites/{name}/spark is read. "
            "Install it beside visitseq: make spark"
        )
    from visitseq.ingest.spark import open_spark  # noqa: PLC0415

    return open_spark(name, site)


def _open(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    site: Mapping[str, Any],
    place: str,
    scratch: Path,
) -> dict[str, list[str]]:
    """Make the views of the tables that lie at ``place``; return the files of those there are."""
    domains = domains_of(site)
    schema = site.get("schema", "main")
    found = open_tables(connection, name, place, schema, domains, scratch=scratch)
    absent = [table for table in tables_to_read(domains) if table not in found]
    log.info("site %s: tables read: %s", name, ", ".join(found))
    log.info("site %s: tables absent: %s", name, ", ".join(absent) or "none")
    return found


def _run(
    connection: duckdb.DuckDBPyConnection,
    site: Mapping[str, Any],
    *,
    files: Mapping[str, Sequence[str]],
    folder: Path,
    scratch: Path,
    left: Mapping[str, int],
    at_once: int,
) -> dict[str, Any]:
    """Run the queries in order; return what summary.json holds.

    ``left`` counts the rows that the restriction left out, by table.
    """
    latest = site.get("latest_date")
    connection.execute(
        "CREATE TABLE setting AS SELECT CAST($latest AS DATE) AS latest_date",
        {"latest": latest},
    )
    rows: Rows = {}
    _know_care_sites(connection, rows)
    _know_persons(connection, rows)
    _know_deaths(connection, rows)
    _know_periods(connection, rows)
    counted = write_site_events(
        connection, files, folder, scratch=scratch, rows=rows, at_once=at_once
    )
    for table, count in left.items():
        rows[table]["restricted"] += count
    return {
        "persons": count_rows(connection, "known_person"),
        **counted,
        "tables": {
            table: account(rows[table])
            for table in tables_to_read(domains_of(site))
            if table in files and table in rows
        },
    }


def _know_care_sites(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    connection.execute(f"CREATE TABLE checked_care_site AS {sql('care_site')}")
    rows["care_site"] = count_reasons(connection, "checked_care_site")


def _know_persons(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    connection.execute(f"CREATE TABLE checked_person AS {sql('person')}")
    connection.execute(
        "CREATE TABLE known_person AS SELECT * FROM checked_person WHERE reason IS NULL"
    )
    rows["person"] = count_reasons(connection, "checked_person")


def _know_deaths(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    """Make known_death: a person dies once, on the first day recorded."""
    # A death is checked before any is known: none can come after itself.
    connection.execute(
        "CREATE TABLE known_death (person_id BIGINT, death_date DATE, death_time TIMESTAMP)"
    )
    connection.execute(f"CREATE VIEW life AS {sql('life')}")
    connection.execute(f"CREATE TABLE checked_death AS {checked(sql('death'))}")
    connection.execute(
        "INSERT INTO known_death SELECT person_id, min(day), min(time) FROM checked_death "
        "WHERE reason IS NULL GROUP BY person_id"
    )
    rows["death"] = count_reasons(connection, "checked_death")
    drop_duplicates(rows["death"], count_rows(connection, "known_death"))


def _know_periods(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    connection.execute(f"CREATE TABLE checked_period AS {checked(sql('observation_period'))}")
    connection.execute(f"CREATE TABLE known_period AS {sql('known_period')}")
    rows["observation_period"] = count_reasons(connection, "checked_period")
    unique = count_rows(
        connection,
        "(SELECT DISTINCT person_id, day, end_date FROM checked_period WHERE reason IS NULL)",
    )
    drop_duplicates(rows["observation_period"], unique)


def _explain(name: str, site: Mapping[str, Any], error: duckdb.Error) -> Exception:
    """Turn an engine's error about the records into a UserError that shows no record.

    The engine's own words may hold a row of the file, so they are not passed on.
    """
    message = str(error)
    if MARK in message:
        found = message.split(MARK, 1)[1].splitlines()[0]
        return UserError(
            f"Site {name}: {found}. Mend the export of that column; an empty cell or NULL stands "
            "for what is unknown."
        )
    if is_of_data(error):
        culprits = [path for path in list_inputs(name, site) if str(path) in message]
        place = site.get("path") or site.get("url_env") or "Spark"
        culprit = culprits[0] if culprits else f"a table of {place}"
        return UserError(
            f"Site {name}: {culprit} broke off, is malformed, or holds a value that its column's "
            f"type cannot ({type(error).__name__}). Check that it is complete, in UTF-8, and that "
            "each row has as many fields as the header, and each quotation mark has another."
        )
    return error
