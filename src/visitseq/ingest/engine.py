"""What the ingest asks of an engine in which a site's records lie, whichever it is.

``local.py`` is DuckDB over files here, ``server.py`` a SQL server, ``spark.py`` Spark.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from visitseq.ingest.translate import Relation


class Engine(Protocol):
    """An open connection that reads; it is given nothing but SELECTs in its own dialect."""

    #: SQLGlot's name of the dialect.
    dialect: str

    def relations(self, tables: Sequence[str]) -> Mapping[str, Relation]:
        """Find which of the OMOP ``tables`` are there, and how they are written there."""
        ...

    def count(self, table: str, query: str) -> int:
        """Run a query that counts; ``table`` is for messages."""
        ...

    def copy(self, table: str, query: str, path: Path) -> None:
        """Run a query and write what it gives to a Parquet file, a batch at a time."""
        ...
