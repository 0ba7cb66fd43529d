"""The files that every ingest writes, whatever it read, from the views that its queries made."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import duckdb

from visitseq.ingest.event_counts import EventCounts, NumberedCodes
from visitseq.tables import ANCESTORS, CODES, OBSERVATION_PERIODS, PERSONS, write_parquet

_SCHEMAS = {
    "persons": PERSONS,
    "observation_periods": OBSERVATION_PERIODS,
    "codes": CODES,
    "ancestors": ANCESTORS,
}


def sql(name: str) -> str:
    """Text of a query of ``sql/``."""
    return files("visitseq.ingest").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")


def count_rows(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Count the rows of a relation."""
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def number_codes(connection: duckdb.DuckDBPyConnection, codes: str) -> NumberedCodes:
    """Make the table ``numbered_code`` of the codes that events may have, sorted by bytes.

    Parameters
    ----------
    codes
        Query that gives the codes once each, as ``code``; its other columns are kept.
    """
    connection.execute(
        "CREATE TABLE numbered_code AS SELECT "
        "CAST(row_number() OVER (ORDER BY code) - 1 AS INTEGER) AS code_id, "
        f"split_part(code, '/', 1) AS domain, * FROM ({codes}) ORDER BY code_id"
    )
    numbered = connection.sql("SELECT code, domain FROM numbered_code ORDER BY code_id")
    table = numbered.to_arrow_table().combine_chunks()
    return NumberedCodes(*(column.combine_chunks() for column in table.columns))


def know_counts(connection: duckdb.DuckDBPyConnection, counts: EventCounts) -> None:
    """Make ``event_code`` and ``seen``, of what was counted of the codes and of the persons."""
    connection.register("event_code", counts.of_codes())
    connection.register("seen", counts.of_persons())


def last_year(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Year of the last visit start or clinical event, null where there is none."""
    found = connection.execute("SELECT year(max(last_event)) FROM seen").fetchall()[0][0]
    return None if found is None else int(found)


def write_tables(
    connection: duckdb.DuckDBPyConnection, queries: Mapping[str, str], folder: Path
) -> None:
    """Write persons, observation_periods, codes and ancestors, by the schemas of ``tables``.

    Parameters
    ----------
    connection
        Has what the queries read.
    queries
        Query of each table, by its name.
    folder
        Where the files go.
    """
    for name, schema in _SCHEMAS.items():
        table = connection.sql(queries[name]).to_arrow_table()
        write_parquet(table.select(schema.names).cast(schema), folder / f"{name}.parquet")
