"""Ingest of records that nobody here wrote, against counts by independent SQL."""

from pathlib import Path

import duckdb
import pytest
from omop_site import ALL_DOMAINS, ingest

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
SITES = {
    "synthea1k": SHARED / "synthea1k",
    "synthea27nj csv": SHARED / "synthea27nj/csv",
    "synthea27nj parquet": SHARED / "synthea27nj/parquet",
    "gibleed": SHARED / "gibleed/gibleed.duckdb",
}
EVENT_TABLES = {
    "condition_occurrence": ("condition_concept_id", "condition_start_date"),
    "drug_exposure": ("drug_concept_id", "drug_exposure_start_date"),
    "procedure_occurrence": ("procedure_concept_id", "procedure_date"),
    "measurement": ("measurement_concept_id", "measurement_date"),
    "observation": ("observation_concept_id", "observation_date"),
}
pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the third-party records of ../shared/data are absent"
)


def open_raw(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the tables of a site as they are, under their lower-case names."""
    if path.suffix == ".duckdb":
        return duckdb.connect(str(path), read_only=True)
    connection = duckdb.connect()
    for file in path.iterdir():
        connection.execute(f"CREATE VIEW {file.stem.lower()} AS FROM '{file}'")
    return connection


def has(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    return bool(
        connection.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_name = ?", [table]
        ).fetchall()
    )


@pytest.mark.parametrize("name", SITES)
def test_every_row_is_accounted_for(tmp_path: Path, name: str) -> None:
    _, summary = ingest(SITES[name], tmp_path)
    with open_raw(SITES[name]) as raw:
        for table, counted in summary["tables"].items():
            (rows,) = raw.execute(f"SELECT count(*) FROM {table}").fetchall()
            assert counted["read"] == rows[0]
            assert counted["read"] == counted["kept"] + sum(counted["dropped"].values())
        persons = raw.execute("SELECT count(DISTINCT person_id) FROM person").fetchall()
        assert summary["persons"] == persons[0][0]


@pytest.mark.parametrize("name", SITES)
def test_dropped_events_by_independent_sql(tmp_path: Path, name: str) -> None:
    _, summary = ingest(SITES[name], tmp_path)
    with open_raw(SITES[name]) as raw:
        for table, (concept, day) in EVENT_TABLES.items():
            if not has(raw, table):
                assert table not in summary["tables"]
                continue
            source = concept.replace("_concept_id", "_source_value")
            ((before, unknown, no_concept),) = raw.execute(
                f"""
                SELECT count(*) FILTER (p.person_id IS NOT NULL
                                        AND year(CAST({day} AS DATE)) < year_of_birth),
                       count(*) FILTER (p.person_id IS NULL),
                       count(*) FILTER (p.person_id IS NOT NULL AND {concept} = 0
                                        AND trim(CAST({source} AS VARCHAR)) = '')
                FROM {table} e LEFT JOIN person p USING (person_id)
                """
            ).fetchall()
            dropped = dict(summary["tables"][table]["dropped"])
            dropped.pop("duplicate", None)
            dropped.pop("after_death", None)
            expected = {"before_birth": before, "no_concept": no_concept, "unknown_person": unknown}
            assert dropped == {reason: n for reason, n in expected.items() if n}


@pytest.mark.parametrize("name", ["synthea1k", "gibleed"])
def test_detached_events_by_independent_sql(tmp_path: Path, name: str) -> None:
    _, summary = ingest(SITES[name], tmp_path)
    detached = 0
    with open_raw(SITES[name]) as raw:
        for table, (_, day) in EVENT_TABLES.items():
            if has(raw, table):
                ((found,),) = raw.execute(
                    f"""
                    SELECT count(*) FROM {table} e JOIN visit_occurrence v
                    ON e.person_id = v.person_id
                    AND e.visit_occurrence_id = v.visit_occurrence_id
                    WHERE {day} < visit_start_date - 1 OR {day} > visit_end_date + 1
                    """
                ).fetchall()
                detached += found
    assert summary["detached"] == detached > 0


def test_csv_and_parquet_of_the_same_records_agree(tmp_path: Path) -> None:
    for name in ("csv", "parquet"):
        ingest(SITES[f"synthea27nj {name}"], tmp_path / name, domains=ALL_DOMAINS)
    files = sorted(path.name for path in (tmp_path / "csv").iterdir())
    assert len(files) == 6
    for file in files:
        same = (tmp_path / "csv" / file).read_bytes() == (tmp_path / "parquet" / file).read_bytes()
        assert same, file
