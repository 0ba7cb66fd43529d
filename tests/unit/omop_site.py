"""Write a few rows as an OMOP site, in any of the forms in which sites keep their tables."""

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.ingest.site import ingest_site

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]

ALL_DOMAINS = ["condition", "drug", "procedure", "measurement", "observation"]


def person(person_id: Any, year: Any = 1950, **other: Any) -> Row:
    return {"person_id": person_id, "gender_concept_id": 8507, "year_of_birth": year, **other}


def condition(person_id: Any, date: Any, concept: Any = 316139, **other: Any) -> Row:
    return {
        "person_id": person_id,
        "condition_concept_id": concept,
        "condition_start_date": date,
        **other,
    }


def visit(visit_id: Any, person_id: Any, start: Any, end: Any = None, **other: Any) -> Row:
    return {
        "visit_occurrence_id": visit_id,
        "person_id": person_id,
        "visit_concept_id": 9202,
        "visit_start_date": start,
        "visit_end_date": end,
        **other,
    }


def columns_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def write_csv(path: Path, rows: Sequence[Row], delimiter: str = ",") -> None:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns_of(rows), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_folder(folder: Path, tables: Tables) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        write_csv(folder / f"{name}.csv", rows)
    return folder


def write_parquet_folder(folder: Path, tables: Tables) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        full = [{column: row.get(column) for column in columns_of(rows)} for row in rows]
        pq.write_table(pa.Table.from_pylist(full), folder / f"{name.upper()}.parquet")
    return folder


def write_database(path: Path, tables: Tables, schema: str = "main") -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for name, rows in tables.items():
            full = [{column: row.get(column) for column in columns_of(rows)} for row in rows]
            connection.register("given", pa.Table.from_pylist(full))
            connection.execute(f"CREATE TABLE {schema}.{name} AS FROM given")
            connection.unregister("given")
    return path


def ingest(path: Path, folder: Path, threads: int = 1, **site: Any) -> tuple[list[Row], Row]:
    """Ingest ``path``; return the events as rows and the summary."""
    section = {"path": str(path), "domains": ALL_DOMAINS, "latest_date": None, **site}
    ingest_site(name="mine", site=section, folder=folder, threads=threads)
    summary: Row = json.loads((folder / "summary.json").read_text("utf-8"))
    return pq.read_table(folder / "events.parquet").to_pylist(), summary
