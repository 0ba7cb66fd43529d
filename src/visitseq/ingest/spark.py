"""Spark as an engine: its rows arrive as Arrow batches, a partition at a time.

The executors pack each batch into bytes, so that neither they nor this machine ever hold a table.
What the driver does here is SELECT; the master, the catalogue and their credentials are Spark's own
configuration (spark-defaults.conf) and one environment variable.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from visitseq.errors import UserError
from visitseq.ingest.engine import id_lists
from visitseq.ingest.server import environment, write_batches
from visitseq.ingest.translate import Relation


class SparkEngine:
    """A Spark session that reads one catalogue."""

    dialect = "spark"

    def __init__(self, session: SparkSession, name: str, catalog: str) -> None:
        self.place = f"Spark's {catalog}"
        self._session = session
        self._name = name
        self._catalog = catalog

    def relations(self, tables: Sequence[str]) -> Mapping[str, Relation]:
        """See :class:`visitseq.ingest.engine.Engine`."""
        found = {}
        parts = tuple(self._catalog.split("."))
        with self._explained("its list of tables"):
            for table in tables:
                name = ".".join(f"`{part}`" for part in (*parts, table))
                if self._session.catalog.tableExists(name):
                    columns = self._session.table(name).columns
                    own = {column.lower(): column for column in columns}
                    found[table] = Relation((*parts, table), own)
        if not found:
            raise UserError(
                f"Site {self._name}: Spark finds no OMOP table in {self._catalog}. Set "
                f"sites/{self._name}/spark/catalog to the schema (catalog.schema) that holds them."
            )
        return found

    def named(self, ids: Sequence[int]) -> Iterator[str]:
        """See :class:`visitseq.ingest.engine.Engine`."""
        return id_lists(ids, self.dialect)

    def count(self, table: str, query: str) -> int:
        """See :class:`visitseq.ingest.engine.Engine`."""
        with self._explained(f"table {table}"):
            return int(self._session.sql(query).collect()[0][0])

    def copy(self, table: str, query: str, path: Path) -> None:
        """See :class:`visitseq.ingest.engine.Engine`."""
        with self._explained(f"table {table}"):
            frame = self._session.sql(query)
            schema = frame.limit(0).toArrow().schema
            write_batches(pa.RecordBatchReader.from_batches(schema, _batches(frame)), path)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn Spark's error into one line with its name for it and none of its words."""
        try:
            yield
        except PySparkException as error:
            reason = error.getCondition() or type(error).__name__
            raise self._unread(what, reason) from None
        except (Py4JError, pa.ArrowException, OSError, EOFError) as error:
            raise self._unread(what, type(error).__name__) from None

    def _unread(self, what: str, reason: str) -> UserError:
        return UserError(
            f"Site {self._name}: {what} could not be read from Spark ({reason}). Nothing was kept "
            "of it; Spark's own log says more."
        )


def _batches(frame: DataFrame) -> Iterator[pa.RecordBatch]:
    """Arrow batches of a frame, packed by the executors, of one partition at a time."""

    # Within this function, so that it travels by value: executors need pyarrow, not visitseq.
    def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            yield pa.RecordBatch.from_pydict({"packed": [sink.getvalue().to_pybytes()]})

    for row in frame.mapInArrow(pack, "packed binary").toLocalIterator():
        with pa.ipc.open_stream(row.packed) as stream:
            yield from stream


@contextmanager
def open_spark(name: str, site: Mapping[str, Any]) -> Iterator[SparkEngine]:
    """Open a session of site ``name`` at the master that the variable ``master_env`` names.

    A session that is there already is used, and left open.

    Raises
    ------
    UserError
        If the variable is not set, Java is missing, or the master is not reached.
    """
    master = environment(name, "spark/master_env", site["spark"]["master_env"])
    remote = master.startswith("sc://")
    if not remote and shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise UserError(f"Site {name}: Spark needs Java (17 or newer), which is not installed.")
    if master.startswith("local"):
        # Without it the workers are whatever python3 the path finds.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("visitseq").config("spark.sql.session.timeZone", "UTC")
    active = SparkSession.getActiveSession()
    try:
        session = (builder.remote(master) if remote else builder.master(master)).getOrCreate()
    except (PySparkException, Py4JError) as error:
        raise UserError(
            f"Site {name}: no Spark session at the master of {site['spark']['master_env']} "
            f"({type(error).__name__}). Spark's own log says more."
        ) from None
    try:
        yield SparkEngine(session, name, site["spark"]["catalog"])
    finally:
        if active is None:
            session.stop()
