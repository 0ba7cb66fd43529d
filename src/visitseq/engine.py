"""How this project opens DuckDB: bounded memory, a stated number of threads, UTC, no bar drawn.

And whom an error of it concerns.
"""

from pathlib import Path

import duckdb


def connect(
    *, threads: int = 1, memory_mb: int = 3000, scratch: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that holds at most ``memory_mb`` megabytes of data.

    What is more spills to the folder ``scratch``; without one it is an error. The rows that a
    query with a total order gives do not depend on ``threads``.
    """
    connection = duckdb.connect(
        config={
            "threads": threads,
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": "" if scratch is None else str(scratch),
            "autoinstall_known_extensions": False,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    # Where Python is interactive a long query would draw a bar between the lines of the log.
    connection.execute("SET enable_progress_bar = false")
    return connection


def threads_of(connection: duckdb.DuckDBPyConnection) -> int:
    """How many threads a connection may use."""
    return int(connection.execute("SELECT current_setting('threads')").fetchall()[0][0])


def is_of_data(error: duckdb.Error) -> bool:
    """Whether the data that a query read are at fault, and not the query.

    DuckDB has no class of its own for the errors of its Parquet reader in a broken page.
    """
    of_data = duckdb.DataError | duckdb.IOException | duckdb.InvalidInputException
    return isinstance(error, of_data) or type(error) is duckdb.Error
