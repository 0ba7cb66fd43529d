"""The files that every ingest writes, whatever it read, from the views that its queries made."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import duckdb

from visitseq.tables import ANCESTORS, CODES, OBSERVATION_PERIODS, PERSONS, write_parquet

_ROW_GROUP = 122_880  # rows; small enough that a block of persons is found without a whole scan
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


def write_events(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write every event of the view ``coded`` once, in a total order, and make the view ``event``.

    Parameters
    ----------
    connection
        Has the view ``coded``, in the columns of ``tables.EVENTS``.
    path
        File events.parquet.
    """
    place = str(path).replace("'", "''")
    connection.execute(
        f"COPY ({sql('event')}) TO '{place}' "
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
    )
    connection.execute(f"CREATE TEMP VIEW event AS SELECT * FROM read_parquet('{place}')")


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
