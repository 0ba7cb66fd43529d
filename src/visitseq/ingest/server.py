"""A SQL server as an engine, read through ADBC: its rows arrive as Arrow batches.

The URL stands in an environment variable and nowhere else. It may hold a password, and an engine's
own words may quote it, or a row, or the ids of a statement: so no word of an engine is passed on,
but what its error code (SQLSTATE) means.

PostgreSQL is read in one read-only transaction, of one snapshot, which the server itself enforces.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import adbc_driver_manager
import adbc_driver_manager.dbapi
import adbc_driver_postgresql.dbapi
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.errors import UserError
from visitseq.ingest.engine import id_lists
from visitseq.ingest.translate import Relation

#: SQLGlot's dialect by the URL's scheme; of those after Redshift that is the ADBC driver's name.
DIALECTS = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "redshift": "redshift",
    "mssql": "tsql",
    "sqlserver": "tsql",
    "bigquery": "bigquery",
    "snowflake": "snowflake",
    "oracle": "oracle",
    "databricks": "databricks",
}
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
#: In which zone a time with a zone has its day.
_UTC = "SET LOCAL TIME ZONE 'UTC'"
_BATCH_BYTES = str(16 * 2**20)

#: What an SQLSTATE, or the class that its first two characters are, means.
_STATES = {
    "42501": "the account may not read it. Ask for SELECT on it",
    "42P01": "it is not there any more",
    "42703": "it lacks a column that was there when the run began",
    "42883": "a column has a type that OMOP does not give it",
    "42804": "a column has a type that OMOP does not give it",
    "22": "it holds a value that its column's meaning does not allow",
    "53": "the server is out of memory, disk or connections. Try again later",
    "57014": "the server cancelled the statement, for its time limit perhaps",
}
_BROKEN = (
    "the connection broke off, or the server ended the statement part-way. Nothing was kept of it; "
    "run again when the server is up"
)
#: What phrases of PostgreSQL's client mean when it is refused; of several the first counts.
_REFUSALS = {
    # Before the rest: of the file by which one is checked, it says that it does not exist.
    "certificate": "its certificate is not accepted, or the file that sslrootcert names absent",
    "does not support SSL": "it has no TLS, which sslmode in the URL asks for",
    "authentication failed": "it refuses the user or the password",
    "no password supplied": "it asks for a password",
    "does not exist": "it knows no such database or user",
    "refused": "nobody listens at that host and port",
    "translate host name": "there is no such host",
    "timeout": "it does not answer in time",
    "timed out": "it does not answer in time",
    "pg_hba.conf": "it lets nobody in from this machine",
}


class ServerEngine:
    """A connection to a SQL server that reads one schema."""

    def __init__(
        self,
        connection: adbc_driver_manager.dbapi.Connection,
        name: str,
        variable: str,
        schema: str,
        dialect: str,
    ) -> None:
        self.dialect = dialect
        self.place = f"schema {schema} of the server of {variable}"
        self._connection = connection
        self._name = name
        self._variable = variable
        self._schema = schema

    def relations(self, tables: Sequence[str]) -> Mapping[str, Relation]:
        """See :class:`visitseq.ingest.engine.Engine`."""
        with self._explained("its list of tables"):
            schemas = self._schemas("columns", self._schema)
        found = {
            table["table_name"].lower(): Relation(
                (schema, table["table_name"]),
                {entry["column_name"].lower(): entry["column_name"] for entry in columns},
            )
            for schema, listed in schemas.items()
            if schema.lower() == self._schema.lower()
            for table in listed or ()
            if (columns := table["table_columns"])
        }
        there = {table: found[table] for table in tables if table in found}
        if not there:
            with self._explained("its list of schemas"):
                others = ", ".join(sorted(self._schemas("db_schemas"))) or "none"
            raise UserError(
                f"Site {self._name}: the server of {self._variable} has no OMOP table in schema "
                f"{self._schema}; its schemas are {others}. Set sites/{self._name}/schema."
            )
        return there

    def named(self, ids: Sequence[int]) -> Iterator[str]:
        """See :class:`visitseq.ingest.engine.Engine`."""
        return id_lists(ids, self.dialect)

    def count(self, table: str, query: str) -> int:
        """See :class:`visitseq.ingest.engine.Engine`."""
        with self._explained(f"table {table}"), self._connection.cursor() as cursor:
            cursor.execute(query)
            return int(cursor.fetchall()[0][0])

    def copy(self, table: str, query: str, path: Path) -> None:
        """See :class:`visitseq.ingest.engine.Engine`."""
        with self._explained(f"table {table}"), self._connection.cursor() as cursor:
            if self.dialect in ("postgres", "redshift"):
                size = {"adbc.postgresql.batch_size_hint_bytes": _BATCH_BYTES}
                cursor.adbc_statement.set_options(**size)
            cursor.execute(query)
            write_batches(cursor.fetch_record_batch(), path)

    def _schemas(self, depth: Any, schema: str | None = None) -> dict[str, Any]:
        """List schemas, with their tables at depth 'columns'."""
        catalog = None if self.dialect == "postgres" else self._connection.adbc_current_catalog
        with self._connection.adbc_get_objects(
            depth=depth, catalog_filter=catalog, db_schema_filter=schema
        ) as reader:
            return {
                own["db_schema_name"]: own["db_schema_tables"]
                for catalog in reader.read_all().to_pylist()
                for own in catalog["catalog_db_schemas"] or ()
            }

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn what goes wrong with the server into one line that shows none of its words."""
        try:
            yield
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk here; what comes from the server has no number
            state = getattr(error, "sqlstate", None) or ""
            reason = _STATES.get(state, _STATES.get(state[:2], _BROKEN))
            if reason is _BROKEN and state and state[:2] not in ("08", "57"):
                reason = f"the server refuses it (SQLSTATE {state})"
            raise UserError(
                f"Site {self._name}: {what} could not be read from the server of "
                f"{self._variable}: {reason}."
            ) from None


@contextmanager
def open_server(name: str, site: Mapping[str, Any]) -> Iterator[ServerEngine]:
    """Connect site ``name`` to the server whose URL stands in the variable ``url_env``.

    Raises
    ------
    UserError
        If the variable is not set, the URL is of no known kind, or the server does not let us in.
    """
    variable = site["url_env"]
    url = environment(name, "url_env", variable)
    scheme = url.partition(":")[0].lower()
    if scheme not in DIALECTS or "://" not in url:
        raise UserError(
            f"Site {name}: the value of {variable} is no URL of a SQL server. It begins with one "
            f"of {', '.join(f'{scheme}://' for scheme in DIALECTS)}."
        )
    connection = _connect(name, variable, url, scheme)
    try:
        yield ServerEngine(connection, name, variable, site["schema"], DIALECTS[scheme])
    finally:
        _close(connection)


def environment(name: str, key: str, variable: str) -> str:
    """Return the value of an environment variable that site ``name`` names under ``key``.

    Raises
    ------
    UserError
        If it is not set, or empty.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise UserError(
            f"Site {name}: the environment variable {variable}, which sites/{name}/{key} names, "
            "is not set. Export it in the shell from which the workflow is started."
        )
    return value


def write_batches(reader: pa.RecordBatchReader, path: Path) -> None:
    """Write Arrow batches to a Parquet file as they come, one in memory at a time.

    A type of the engine's own (PostgreSQL's numeric) is written as what stores it, its text.
    """
    schema = pa.schema([pa.field(field.name, _stored(field.type)) for field in reader.schema])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in reader:
            columns = [column.cast(_stored(column.type)) for column in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _stored(found: pa.DataType) -> pa.DataType:
    return found.storage_type if isinstance(found, pa.BaseExtensionType) else found


def _connect(
    name: str, variable: str, url: str, scheme: str
) -> adbc_driver_manager.dbapi.Connection:
    try:
        if DIALECTS[scheme] in ("postgres", "redshift"):
            libpq = "postgresql" + url[len(scheme) :]
            connection: adbc_driver_manager.dbapi.Connection
            connection = adbc_driver_postgresql.dbapi.connect(libpq)
        else:
            connection = adbc_driver_manager.dbapi.connect(scheme, url, autocommit=True)
        if DIALECTS[scheme] == "postgres":
            with connection.cursor() as cursor:
                cursor.execute(_SNAPSHOT)
                cursor.execute(_UTC)
    except adbc_driver_manager.Error as error:
        words = str(error) if DIALECTS[scheme] in ("postgres", "redshift") else ""
        reasons = [meaning for phrase, meaning in _REFUSALS.items() if phrase in words]
        reason = reasons[0] if reasons else "its URL may be wrong, or its driver not installed"
        raise UserError(
            f"Site {name}: the server of {variable} cannot be reached: {reason}. Its words are "
            "not shown, for they may hold the password."
        ) from None
    return connection


def _close(connection: adbc_driver_manager.dbapi.Connection) -> None:
    """Close a connection, whether or not the server is still there."""
    try:
        connection.close()
    except adbc_driver_manager.Error:
        return
