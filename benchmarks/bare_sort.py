"""DuckDB's bare sort: what one would write where every row is kept and nothing is checked.

The rows are read from the same Parquet files as ``ingest_site`` reads them from, have its columns,
and are written in its order (subject, time, code, visit, value, source) to one Parquet file; no row
is looked up, counted, dropped or made unique. Engine, threads and limit of memory are ingest's.
"""

import tempfile
from pathlib import Path

from stages import CLINICAL, MEMORY_MB, THREADS

from visitseq.engine import connect

#: What the visits become, by the column of the time: three rows a visit.
_VISITS = {
    "visit_start_datetime": ("'visit/' || visit_concept_id", "'care_site/' || care_site_id"),
    "visit_end_datetime": ("'visit_end/' || visit_concept_id",),
}


def sort_clinical(folder: Path) -> None:
    """Sort the conditions, drugs and procedures."""
    _sort(folder, _clinical(folder))


def sort_all(folder: Path) -> None:
    """Sort the visits' rows as well: all that ingest writes but births, sexes and deaths."""
    _sort(folder, _clinical(folder) + _visits(folder))


def _clinical(folder: Path) -> list[str]:
    return [
        _rows(
            folder,
            table,
            f"'{table.partition('_')[0]}/' || {of['code']}",
            of["time"],
            of["source_code"],
        )
        for table, of in CLINICAL.items()
    ]


def _visits(folder: Path) -> list[str]:
    return [
        _rows(folder, "visit_occurrence", code, time, "CAST(NULL AS VARCHAR)")
        for time, codes in _VISITS.items()
        for code in codes
    ]


def _rows(folder: Path, table: str, code: str, time: str, source_code: str) -> str:
    return (
        f"SELECT person_id AS subject_id, {time} AS time, {code} AS code, "
        "visit_occurrence_id AS visit_id, CAST(NULL AS FLOAT) AS numeric_value, "
        f"{source_code} AS source_code FROM read_parquet('{folder / 'omop' / table}.parquet')"
    )


def _sort(folder: Path, queries: list[str]) -> None:
    """Sort into a file that is deleted: nobody reads it."""
    rows = " UNION ALL ".join(queries)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        connection = connect(
            threads=THREADS["ingest"], memory_mb=MEMORY_MB, scratch=Path(scratch) / "spill"
        )
        connection.execute(
            f"COPY (FROM ({rows}) ORDER BY ALL) TO '{scratch}/sorted.parquet' "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        connection.close()
