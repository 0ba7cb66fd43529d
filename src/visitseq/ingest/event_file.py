"""events.parquet, written from blocks of sorted events while the next block is prepared.

DuckDB writes the file, in an engine of its own: the threads of the engine that prepares would have
to wait for the next block instead of preparing it. The bytes depend on the rows and their order
alone, not on where one block ends.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Full, Queue

import duckdb
import pyarrow as pa

from visitseq.engine import connect
from visitseq.tables import EVENTS

_ROW_GROUP = 122_880  # rows; small enough that a block of persons is found without a whole scan
_MEMORY_MB = 1000
_SECONDS = 1.0  # between two looks at whether the writer still runs
_CODE = EVENTS.get_field_index("code")
#: The names that the numbers of the codes stand for are handed over once, not once a row.
_NAMED = EVENTS.set(_CODE, pa.field("code", pa.dictionary(pa.int32(), pa.string())))

_Blocks = Queue[pa.Table | None]


@contextmanager
def open_event_file(path: Path, codes: pa.Array) -> Iterator[Callable[[pa.Table], None]]:
    """Open the file ``path``; give the function that appends a block's events.

    Parameters
    ----------
    path
        File events.parquet.
    codes
        The code that each ``code_id`` stands for, shape (codes,).

    Yields
    ------
    callable
        Takes a table with the columns of ``tables.EVENTS``, ``code_id`` in the place of ``code``.
        It returns before the rows are written, and waits where two blocks are not written yet.
    """
    blocks: _Blocks = Queue(maxsize=1)
    with (
        connect(memory_mb=_MEMORY_MB) as connection,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        reader = pa.RecordBatchReader.from_batches(_NAMED, _row_groups(blocks, codes))
        written = pool.submit(_copy, connection, reader, path)
        try:
            yield lambda events: _put(blocks, written, events)
        finally:
            _put(blocks, written, None)
        written.result()


def _row_groups(blocks: _Blocks, codes: pa.Array) -> Iterator[pa.RecordBatch]:
    """Cut the blocks into batches of a row group each, the last one shorter."""
    events = None
    while (block := blocks.get()) is not None:
        events = block if events is None else pa.concat_tables([events, block])
        while len(events) >= _ROW_GROUP:
            yield _named(events[:_ROW_GROUP], codes)
            events = events[_ROW_GROUP:]
    if events is not None:
        yield _named(events, codes)


def _named(events: pa.Table, codes: pa.Array) -> pa.RecordBatch:
    columns = {name: events[name].combine_chunks() for name in events.column_names}
    columns["code"] = pa.DictionaryArray.from_arrays(columns["code_id"], codes)
    return pa.RecordBatch.from_arrays([columns[name] for name in _NAMED.names], schema=_NAMED)


def _put(blocks: _Blocks, written: "Future[None]", block: pa.Table | None) -> None:
    """Hand a block to the writer, unless it has given up: then there is nobody to take it."""
    while not written.done():
        try:
            return blocks.put(block, timeout=_SECONDS)
        except Full:
            continue
    written.result()


def _copy(connection: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader, path: Path) -> None:
    connection.register("block", reader)
    place = str(path).replace("'", "''")
    connection.execute(
        "COPY (SELECT * REPLACE (CAST(code AS VARCHAR) AS code) FROM block) "
        f"TO '{place}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
    )
