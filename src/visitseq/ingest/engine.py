"""What the ingest asks of an engine in which a site's records lie, whichever it is.

``local.py`` is DuckDB over files here, ``server.py`` a SQL server, ``spark.py`` Spark.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from visitseq.ingest.translate import Relation

#: Ids that one statement names at most.
_LONGEST_LIST = {"oracle": 1_000, "tsql": 1_000}
_LONG_LIST = 10_000


class Engine(Protocol):
    """An open connection that reads; it is given nothing but SELECTs in its own dialect."""

    #: SQLGlot's name of the dialect.
    dialect: str
    #: Where the tables are, for messages.
    place: str

    def relations(self, tables: Sequence[str]) -> Mapping[str, Relation]:
        """Find which of the OMOP ``tables`` are there, and how they are written there."""
        ...

    def named(self, ids: Sequence[int]) -> Iterator[str]:
        """Give what names the ids, ascending, within ``IN (…)``: all, or a part a statement.

        A text holds until the ids after it are named.
        """
        ...

    def count(self, table: str, query: str) -> int:
        """Run a query that counts; ``table`` is for messages."""
        ...

    def copy(self, table: str, query: str, path: Path) -> None:
        """Run a query and write what it gives to a Parquet file, a batch at a time."""
        ...


def id_lists(ids: Sequence[int], dialect: str) -> Iterator[str]:
    """Write ids as lists of a length that one statement of ``dialect`` takes."""
    size = _LONGEST_LIST.get(dialect, _LONG_LIST)
    for start in range(0, len(ids), size):
        yield ", ".join(map(str, ids[start : start + size]))
