"""Blocks of persons: what the rows of one block become fits in memory, whatever the site's size.

A block is a range of ids. Queries ask for its rows (``IN_BLOCK``), and DuckDB skips every part of a
Parquet file whose persons lie outside, by the least and the greatest id that the file states of the
part. A table that lies in another order, or whose ids have to be cast first, is written once more
in the order of persons: each block would read all of it otherwise.

Where one block ends and the next begins changes nothing of what is written.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import duckdb
import numpy as np

from visitseq.ingest.outputs import count_rows

#: Condition for the rows of the block, on a column of persons' ids.
IN_BLOCK = "{} BETWEEN getvariable('low') AND getvariable('high')"

#: Rows of the site's tables that a block has, about, at most, and at least where it is for the sake
#: of the threads alone that there is more than one block.
_ROWS = 1_000_000
_FEWEST_ROWS = 250_000
#: What a block may take of the memory, about.
_MEMORY_MB = 250
#: A table is read where it lies if the blocks together read no more than so many times its rows.
_TIMES_READ = 3
_LEAST, _GREATEST = -(2**63), 2**63 - 1

Block = tuple[int, int]
Result = TypeVar("Result")


def blocks_at_once(threads: int, memory_mb: int) -> int:
    """How many blocks ``threads`` threads may work on within ``memory_mb`` megabytes."""
    return max(min(threads, memory_mb // _MEMORY_MB), 1)


def plan_blocks(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, str],
    persons: str,
    at_once: int,
) -> list[Block]:
    """Divide all ids into ranges with about as many of the persons each.

    Parameters
    ----------
    connection
        Has the tables.
    tables
        The column of the person in each table that is read by blocks.
    persons
        Query that gives one column, ``person_id``, with the id of each person once.
    at_once
        How many blocks will be worked on at once.

    Returns
    -------
    list
        First and last id of each block, ascending; between them they hold every 64-bit integer.
    """
    rows = sum(count_rows(connection, table) for table in tables)
    blocks = max(1 + rows // _ROWS, min(at_once, rows // _FEWEST_ROWS))
    ends = connection.execute(
        "SELECT max(person_id) FROM ("
        f"SELECT person_id, ntile({blocks}) OVER (ORDER BY person_id) AS block "
        f"FROM ({persons})) GROUP BY block ORDER BY block"
    ).fetchall()
    edges = [_LEAST - 1, *(end for (end,) in ends[:-1]), _GREATEST]
    return [(before + 1, last) for before, last in pairwise(edges)]


def put_in_order(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, str],
    files: Mapping[str, Sequence[str]],
    blocks: Sequence[Block],
    scratch: Path,
) -> None:
    """Make the views ``tables`` quick to read by ``blocks``.

    Parameters
    ----------
    tables
        The column of the person in each view.
    files
        The Parquet files behind each view, none where it lies in a database.
    scratch
        Gets what is written in order; it has to stay as long as the views are used.
    """
    for table, column in tables.items():
        if len(blocks) == 1 or _is_in_order(connection, files[table], column, blocks):
            continue
        place = str(scratch / f"ordered_{table}.parquet").replace("'", "''")
        connection.execute(f"COPY (FROM {table} ORDER BY {column}) TO '{place}' (FORMAT parquet)")
        connection.execute(f"CREATE OR REPLACE VIEW {table} AS FROM read_parquet('{place}')")


def _is_in_order(
    connection: duckdb.DuckDBPyConnection,
    paths: Sequence[str],
    column: str,
    blocks: Sequence[Block],
) -> bool:
    """Whether the ids in Parquet files are integers, and the parts that a block needs few."""
    if not paths or not _holds_integers(connection, paths[0], column):
        return False
    stated = connection.execute(
        "SELECT row_group_num_rows, TRY_CAST(stats_min_value AS BIGINT), "
        "TRY_CAST(stats_max_value AS BIGINT) FROM parquet_metadata($paths) "
        "WHERE lower(path_in_schema) = $column AND row_group_num_rows > 0",
        {"paths": list(paths), "column": column},
    ).fetchall()
    if any(None in part for part in stated):
        return False
    rows, least, greatest = np.array(stated, dtype=np.int64).reshape(-1, 3).T
    last = np.array([last for _, last in blocks])
    blocks_of_part = 1 + np.searchsorted(last, greatest) - np.searchsorted(last, least)
    return bool((rows * blocks_of_part).sum() <= _TIMES_READ * rows.sum())


def _holds_integers(connection: duckdb.DuckDBPyConnection, path: str, column: str) -> bool:
    described = connection.execute(
        "DESCRIBE SELECT * FROM read_parquet($path)", {"path": path}
    ).fetchall()
    types = {name.lower(): found_type for name, found_type, *_ in described}
    return types.get(column) in ("TINYINT", "SMALLINT", "INTEGER", "UINTEGER", "BIGINT")


def map_blocks(
    connection: duckdb.DuckDBPyConnection,
    blocks: Sequence[Block],
    work: Callable[[duckdb.DuckDBPyConnection], Result],
    at_once: int,
) -> Iterator[Result]:
    """Do ``work`` for each block, for ``at_once`` blocks at a time, each on a thread of its own.

    Parameters
    ----------
    work
        Gets a connection of its own to the same database, in which ``IN_BLOCK`` means the block;
        temporary tables that it makes are gone with the block.

    Yields
    ------
    object
        What ``work`` returns, in the order of the blocks.
    """
    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        for block in blocks:
            if len(running) > at_once:
                yield running.popleft().result()
            running.append(pool.submit(_in_block, connection.cursor(), block, work))
        while running:
            yield running.popleft().result()


def _in_block(
    connection: duckdb.DuckDBPyConnection,
    block: Block,
    work: Callable[[duckdb.DuckDBPyConnection], Result],
) -> Result:
    with connection:
        for name, value in zip(("low", "high"), block, strict=True):
            connection.execute(f"SET VARIABLE {name} = CAST({value} AS BIGINT)")
        return work(connection)
