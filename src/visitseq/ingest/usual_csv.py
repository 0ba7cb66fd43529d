"""CSV files whose values have the usual form, cast by Arrow, which is faster than the SQL.

Arrow's parser is strict: an id in digits, a date as 2010-12-31, a time as 2010-12-31 13:45:00, each
with no more than blanks around it. What it refuses may be right all the same, or deserve an error
that says what is wrong; ``typed.py`` casts such a file by SQL. So it does

- where lines and rows are not as many, or a quotation mark has no other: a field that is quoted and
  does not end would swallow the rows after it;
- where a text holds a quotation mark, since the two readers differ in where a quoted field begins.

Of the rest they read the same, but that Arrow takes an id in hexadecimal digits (0x1F), a time that
is an hour alone (2010-12-31 13) and, within a line, text after a closing quotation mark, which the
SQL refuses.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from visitseq.ingest.files import CsvHeader, TableFiles, read_header
from visitseq.ingest.omop import TABLES, Kind
from visitseq.tables import TIME

_TYPES: dict[Kind, pa.DataType] = {
    "id": pa.int64(),
    "date": pa.date32(),
    "datetime": TIME,
    "text": pa.string(),
    "number": pa.float32(),
}
_BLANKS = " \t\n\r"
_BLOCK = 2**24  # bytes of a file in memory at once


class _UnusualError(Exception):
    """A value that Arrow and SQL may read in different ways."""


class _WatchedFile(io.RawIOBase):
    """The bytes of a file, compressed or not, in which lines and quotation marks are counted."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = pa.input_stream(str(path))
        self._line_ends, self.quotes, self._end = 0, 0, b""

    @property
    def lines(self) -> int:
        """Lines that were read, the last one with or without an end."""
        return self._line_ends + (self._end not in (b"", b"\n"))

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes."""
        content: bytes = self._file.read(size)
        self._line_ends += content.count(b"\n")
        self.quotes += content.count(b'"')
        self._end = content[-1:] or self._end
        return content

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def cast_usual(
    tables: Mapping[str, TableFiles], targets: Mapping[str, Path], threads: int
) -> set[str]:
    """Cast the CSV files of several tables to a Parquet file each, ``threads`` tables at once.

    Parameters
    ----------
    tables
        The CSV files by table, which have its required columns.
    targets
        The Parquet file of each table; gets the columns of ``omop.TABLES``, by their names.
    threads
        How many tables are cast at once.

    Returns
    -------
    set
        Tables all of whose values have the usual form. The files of others are of no use.
    """
    largest_first = sorted(tables, key=lambda table: -_size(tables[table]))
    with ThreadPoolExecutor(max_workers=threads) as pool:
        is_cast = pool.map(lambda table: _cast(table, tables[table], targets[table]), largest_first)
        return {table for table, cast in zip(largest_first, is_cast, strict=True) if cast}


def _size(files: TableFiles) -> int:
    return sum(path.stat().st_size for path in files.paths)


def _cast(table: str, files: TableFiles, target: Path) -> bool:
    columns = TABLES[table].columns
    schema = pa.schema([(column, _TYPES[kind]) for column, kind in columns.items()])
    texts = [column for column, kind in columns.items() if kind == "text"]
    try:
        with pq.ParquetWriter(
            target, schema, compression="lz4", use_dictionary=texts, write_statistics=["person_id"]
        ) as writer:
            for path in files.paths:
                for batch in _read(path, columns):
                    writer.write_batch(batch.cast(schema))
    except (pa.ArrowInvalid, OSError, _UnusualError):
        return False
    return True


def _read(path: Path, columns: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    """Read the ``columns`` of a file, those that it lacks as nulls."""
    header = read_header(path)
    if len({name.lower() for name in header.columns}) < len(header.columns):
        raise _UnusualError
    file, rows = _WatchedFile(path), 0
    with file, _open(file, header, columns) as reader:
        for batch in reader:
            rows += len(batch)
            cleaned = [
                _CLEAN[kind](value, header.quote)
                for value, kind in zip(batch.columns, columns.values(), strict=True)
            ]
            yield pa.record_batch(cleaned, names=list(columns))
    if file.lines != rows + 1 or (header.quote and file.quotes % 2):
        raise _UnusualError


def _open(
    file: _WatchedFile, header: CsvHeader, columns: Mapping[str, Kind]
) -> pa.csv.CSVStreamingReader:
    written = {name.lower(): name for name in header.columns}
    types = {written.get(column, column): _TYPES[kind] for column, kind in columns.items()}
    return pa.csv.open_csv(
        file,
        pa.csv.ReadOptions(
            use_threads=False, block_size=_BLOCK, skip_rows=1, column_names=header.columns
        ),
        pa.csv.ParseOptions(
            delimiter=header.delimiter, quote_char=header.quote or False, newlines_in_values=True
        ),
        pa.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            include_missing_columns=True,
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _as_it_is(values: pa.Array, _quote: str) -> pa.Array:
    return values


def _trimmed(texts: pa.Array, quote: str) -> pa.Array:
    """Texts without the blanks around them, null where nothing is left."""
    if quote and pc.any(pc.match_substring(texts, quote)).as_py():
        raise _UnusualError
    trimmed = pc.utf8_trim(texts, _BLANKS)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _a_number(numbers: pa.Array, _quote: str) -> pa.Array:
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float32()), numbers)


_CLEAN: dict[Kind, Callable[[pa.Array, str], pa.Array]] = {
    "id": _as_it_is,
    "date": _as_it_is,
    "datetime": _as_it_is,
    "text": _trimmed,
    "number": _a_number,
}
