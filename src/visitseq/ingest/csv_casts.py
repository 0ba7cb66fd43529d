"""CSV tables are cast once, to Parquet: by Arrow where values have the usual form, else by SQL.

Two quotation marks that have no other make valid CSV of the rows between them. Where that shows, in
a source value with several lines, it is said.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import duckdb

from visitseq.engine import threads_of
from visitseq.ingest.files import TableFiles
from visitseq.ingest.omop import TABLES
from visitseq.ingest.usual_csv import cast_usual

log = logging.getLogger(__name__)


def cast_csv(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    texts: Mapping[str, TableFiles],
    queries: Mapping[str, str],
    scratch: Path,
) -> dict[str, Path]:
    """Cast the CSV files of each table to one Parquet file.

    Parameters
    ----------
    name
        The site's name, for messages.
    texts
        The CSV files by table.
    queries
        Query that gives each table's typed columns (``typed.py``), for what Arrow cannot cast.
    scratch
        Gets the Parquet files.

    Returns
    -------
    dict
        The Parquet file of each table.
    """
    casts = {table: scratch / f"{table}.parquet" for table in texts}
    done = cast_usual(texts, casts, threads_of(connection))
    for table in sorted(casts.keys() - done):
        place = str(casts[table]).replace("'", "''")
        connection.execute(f"COPY ({queries[table]}) TO '{place}' (FORMAT parquet)")
        _warn_of_line_breaks(connection, name, table, place)
    return casts


def _warn_of_line_breaks(
    connection: duckdb.DuckDBPyConnection, name: str, table: str, place: str
) -> None:
    """Say where a source value has more than one line: it may be what were other rows."""
    for column in TABLES[table].columns:
        if column.endswith("_source_value"):
            query = (
                f"SELECT count(*) FROM read_parquet('{place}') WHERE contains({column}, chr(10))"
            )
            ((found,),) = connection.execute(query).fetchall()
            if found:
                log.warning(
                    "site %s: %s.%s holds a line break in %d rows: if that is not so at the site, "
                    "a quotation mark without another swallowed rows there",
                    name,
                    table,
                    column,
                    found,
                )
