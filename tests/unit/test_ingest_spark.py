"""Ingest through Spark on this machine: the same bytes as from files."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from odd_records import DOMAINS, WITH_FAILURE, write_odd_folder

from visitseq.errors import UserError
from visitseq.ingest.site import ingest_site

SHARED = Path(__file__).resolve().parents[3] / "shared/data/synthea1k"
HEART_FAILURE = Path(__file__).resolve().parents[2] / "workflow/phenotypes/heart_failure.yaml"
INSTALLED = importlib.util.find_spec("pyspark") is not None
TABLES = ["events", "persons", "observation_periods", "codes", "ancestors"]


def site(**place: Any) -> dict[str, Any]:
    lake = {"spark": {"master_env": "SPARK_MASTER", "catalog": "cdm"}}
    return {"domains": ["condition", "drug"], "latest_date": None, **(place or lake)}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A session with the shared Synthea set in the schema cdm, which ingest finds there.

    The odd records are in the schema odd; their folder is what the fixture gives.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("lake")
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.warehouse.dir", str(folder / "warehouse")).getOrCreate()
    session.sql("CREATE DATABASE cdm")
    for path in sorted(SHARED.glob("*.csv")):
        target = folder / f"{path.stem}.parquet"
        duckdb.execute(f"COPY (FROM read_csv('{path}')) TO '{target}' (FORMAT parquet)")
        session.sql(f"CREATE TABLE cdm.{path.stem} USING parquet LOCATION '{target}'")
    session.sql("CREATE DATABASE odd")
    for path in write_odd_folder(folder / "odd").iterdir():
        session.sql(f"CREATE TABLE odd.{path.stem} USING parquet LOCATION '{path}'")
    yield folder / "odd"
    session.stop()


@pytest.mark.skipif(not INSTALLED, reason="PySpark (the extra spark) is not installed")
@pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed")
@pytest.mark.skipif(not SHARED.is_dir(), reason="the records of ../shared/data are absent")
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
@pytest.mark.usefixtures("lake")
def test_the_same_bytes_as_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_MASTER", "local[2]")
    for place, section in (("files", site(path=str(SHARED))), ("spark", site())):
        ingest_site(name="mine", site=section, folder=tmp_path / place)
        restricted = {**section, "restrict": {"until": "2015-12-31"}}
        folder = tmp_path / f"restricted_{place}"
        ingest_site(name="mine", site=restricted, folder=folder, phenotype=HEART_FAILURE)
    for kind in ("", "restricted_"):
        for table in TABLES:
            files, spark = (
                tmp_path / f"{kind}{place}/{table}.parquet" for place in ("files", "spark")
            )
            assert files.read_bytes() == spark.read_bytes(), f"{kind}{table}"
    assert duckdb.execute(
        f"SELECT count(*) FROM read_parquet('{tmp_path}/restricted_spark/persons.parquet')"
    ).fetchall() == [(8,)]
    no_schema = {**site(), "spark": {"master_env": "SPARK_MASTER", "catalog": "cmd"}}
    with pytest.raises(UserError, match=r"Spark finds no OMOP table in cmd. Set sites/mine/spark"):
        ingest_site(name="mine", site=no_schema, folder=tmp_path / "none")


@pytest.mark.skipif(not INSTALLED, reason="PySpark (the extra spark) is not installed")
@pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed")
@pytest.mark.skipif(not SHARED.is_dir(), reason="the records of ../shared/data are absent")
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_odd_records_are_the_same_bytes(
    tmp_path: Path, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_MASTER", "local[2]")
    odd = {"spark": {"master_env": "SPARK_MASTER", "catalog": "odd"}}
    days = {"restrict": {"from": "2010-01-01", "until": "2010-12-31"}}
    for name, place in (("files", {"path": str(lake)}), ("spark", odd)):
        section = {**site(**place), "domains": DOMAINS, **days}
        ingest_site(name="mine", site=section, folder=tmp_path / name, phenotype=HEART_FAILURE)
    for path in (tmp_path / "files").iterdir():
        assert path.read_bytes() == (tmp_path / "spark" / path.name).read_bytes(), path.name
    persons = pq.read_table(tmp_path / "spark/persons.parquet")["subject_id"].to_pylist()
    assert set(persons) == WITH_FAILURE


@pytest.mark.skipif(INSTALLED, reason="PySpark is installed")
def test_without_pyspark_it_is_said_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Site mine: PySpark is not installed, through which"):
        ingest_site(name="mine", site=site(), folder=tmp_path)


@pytest.mark.skipif(not INSTALLED, reason="PySpark (the extra spark) is not installed")
def test_an_unset_master_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_MASTER", raising=False)
    with pytest.raises(UserError, match="variable SPARK_MASTER, which sites/mine/spark/master_env"):
        ingest_site(name="mine", site=site(), folder=tmp_path)


class Standin:
    """A session that knows every table, notes by which name, and ends while rows come."""

    def __init__(self) -> None:
        self.catalog = self
        self.columns = ["PERSON_ID"]
        self.schema = pa.schema([("person_id", pa.int64())])
        self.asked: list[str] = []

    def tableExists(self, table: str) -> bool:
        self.asked.append(table)
        return True

    def table(self, table: str) -> Any:
        return self.tableExists(table) and self

    def sql(self, _query: str) -> Any:
        return self

    def limit(self, _rows: int) -> Any:
        return self

    def toArrow(self) -> Any:
        return self

    def mapInArrow(self, _pack: Any, _schema: str) -> Any:
        return self

    def toLocalIterator(self) -> Iterator[Any]:
        raise EOFError


@pytest.mark.skipif(not INSTALLED, reason="PySpark (the extra spark) is not installed")
def test_a_catalogue_of_any_name_is_found_and_a_driver_that_ends_is_said(tmp_path: Path) -> None:
    from visitseq.ingest.spark import SparkEngine  # noqa: PLC0415

    session: Any = Standin()
    engine = SparkEngine(session, "mine", "my-lake.cdm")
    found = engine.relations(["person"])
    assert session.asked == ["`my-lake`.`cdm`.`person`"] * 2
    assert found["person"].place == ("my-lake", "cdm", "person")
    with pytest.raises(UserError, match=r"table person could not be read from Spark .EOFError."):
        engine.copy("person", "SELECT 1", tmp_path / "part.parquet")
