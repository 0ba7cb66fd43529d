"""DuckDB over files as an engine: the restriction of a site whose tables are files."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from visitseq.engine import connect
from visitseq.ingest.omop import TABLES
from visitseq.ingest.translate import Relation
from visitseq.ingest.typed import open_tables


class LocalEngine:
    """DuckDB over the typed views of a site's files (``typed.py``)."""

    dialect = "duckdb"

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, place: str, found: Collection[str]
    ) -> None:
        self.place = place
        self._connection = connection
        self._found = found

    def relations(self, tables: Sequence[str]) -> Mapping[str, Relation]:
        """See :class:`visitseq.ingest.engine.Engine`."""
        return {
            table: Relation((table,), {column: column for column in TABLES[table].columns})
            for table in tables
            if table in self._found
        }

    def named(self, ids: Sequence[int]) -> Iterator[str]:
        """See :class:`visitseq.ingest.engine.Engine`; a table holds them all, for one scan."""
        self._connection.register("named_id", pa.table({"id": pa.array(ids, pa.int64())}))
        yield "SELECT id FROM named_id"

    def count(self, table: str, query: str) -> int:
        """See :class:`visitseq.ingest.engine.Engine`."""
        return int(self._connection.execute(query).fetchall()[0][0])

    def copy(self, table: str, query: str, path: Path) -> None:
        """See :class:`visitseq.ingest.engine.Engine`."""
        escaped = str(path).replace("'", "''")
        self._connection.execute(f"COPY ({query}) TO '{escaped}' (FORMAT parquet)")


@contextmanager
def open_local(
    name: str, site: Mapping[str, Any], domains: list[str], scratch: Path, **limits: int
) -> Iterator[LocalEngine]:
    """Open the files of site ``name``; ``limits`` are the threads and memory_mb of DuckDB."""
    with connect(scratch=scratch, **limits) as connection:
        schema = site.get("schema", "main")
        found = open_tables(connection, name, site["path"], schema, domains, scratch=scratch)
        yield LocalEngine(connection, site["path"], found)
