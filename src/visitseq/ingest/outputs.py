"""The files that every ingest writes, whatever it read, from the views that its queries made."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.tables import ANCESTORS, CODES, OBSERVATION_PERIODS, PERSONS, write_parquet

_SCHEMAS = {
    "persons": PERSONS,
    "observation_periods": OBSERVATION_PERIODS,
    "codes": CODES,
    "ancestors": ANCESTORS,
}
#: Events that agree in these are one.
_KEY = ("subject_id", "time", "code_id", "visit_id", "numeric_value")


def sql(name: str) -> str:
    """Text of a query of ``sql/``."""
    return files("visitseq.ingest").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")


def count_rows(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Count the rows of a relation."""
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def number_codes(connection: duckdb.DuckDBPyConnection, codes: str) -> pa.Array:
    """Make the table ``numbered_code``, and tables for what ``sort_block`` finds of each code.

    Parameters
    ----------
    codes
        Query that gives the codes that events may have, once each, as ``code``; its other columns
        are kept.

    Returns
    -------
    pa.Array
        The codes by ``code_id``, their place when sorted by bytes, shape (codes,).
    """
    connection.execute(
        "CREATE TEMP TABLE numbered_code AS SELECT "
        "CAST(row_number() OVER (ORDER BY code) - 1 AS INTEGER) AS code_id, "
        f"split_part(code, '/', 1) AS domain, * FROM ({codes}) ORDER BY code_id"
    )
    connection.execute(
        "CREATE TEMP TABLE block_code (code_id INTEGER, events BIGINT, last_time TIMESTAMP)"
    )
    connection.execute(
        "CREATE TEMP TABLE seen (subject_id BIGINT, first_event TIMESTAMP, last_event TIMESTAMP)"
    )
    connection.execute(f"CREATE TEMP VIEW event_code AS {sql('event_code')}")
    numbered = connection.sql("SELECT code FROM numbered_code ORDER BY code_id")
    return numbered.to_arrow_table()["code"].combine_chunks()


def sort_block(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Give every event of the block in the view ``coded`` once, in a total order.

    What the block has of each code goes into ``block_code``, of each person into ``seen``.

    Returns
    -------
    pa.Table
        The columns of ``tables.EVENTS``, ``code_id`` of ``numbered_code`` in the place of ``code``.
    """
    events = _once_each(connection.sql(sql("event")).to_arrow_table())
    connection.register("block_event", events)
    connection.execute(
        "INSERT INTO block_code SELECT code_id, count(*), max(time) FROM block_event GROUP BY ALL"
    )
    connection.execute(f"INSERT INTO seen {sql('seen')}")
    connection.unregister("block_event")
    return events


def _once_each(events: pa.Table) -> pa.Table:
    """Leave the first of sorted events that agree in all but the source code."""
    first = np.ones(len(events), dtype=bool)
    first[1:] = np.logical_or.reduce([_changes(events[name]) for name in _KEY])
    return events if first.all() else events.filter(pa.array(first))


def _changes(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Whether each value but the first is another than the one before; nulls are alike."""
    if column.null_count == len(column):
        return np.zeros(max(len(column) - 1, 0), dtype=bool)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values = column.fill_null(0).to_numpy()
    changed: npt.NDArray[np.bool_] = values[1:] != values[:-1]
    if column.null_count:
        known = column.is_valid().to_numpy()
        changed |= known[1:] != known[:-1]
    return changed


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
