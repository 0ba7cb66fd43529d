"""A simulated hospital once more, with the columns that other software asks for besides.

They are columns of the standard that the simulator leaves out: PyHealth goes by the time of death
and wants the ends of conditions and drugs, meds-etl where a visit ended. All that is compared reads
the same files.
"""

from pathlib import Path
from typing import Literal

import duckdb

#: What the default study reads of a site, and no more, so that nobody reads more than another.
TABLES = (
    "person",
    "observation_period",
    "visit_occurrence",
    "condition_occurrence",
    "drug_exposure",
    "procedure_occurrence",
    "death",
    "care_site",
    "concept",
    "concept_ancestor",
)
_ADDED = {
    "visit_occurrence": "CAST(NULL AS BIGINT) AS discharged_to_concept_id",
    "condition_occurrence": "CAST(NULL AS DATE) AS condition_end_date, "
    "CAST(NULL AS TIMESTAMP) AS condition_end_datetime",
    "drug_exposure": "CAST(drug_exposure_end_date AS TIMESTAMP) AS drug_exposure_end_datetime",
    "death": "CAST(death_date AS TIMESTAMP) AS death_datetime",
}
_FORMATS = {
    "csv": "FORMAT csv, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S'",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


def write_files(source: Path, target: Path, kind: Literal["csv", "parquet"]) -> None:
    """Write the tables of the folder ``source`` to the folder ``target``."""
    target.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        for table in TABLES:
            columns = f"*, {_ADDED[table]}" if table in _ADDED else "*"
            connection.execute(
                f"COPY (SELECT {columns} FROM read_parquet('{source / table}.parquet')) "
                f"TO '{target / table}.{kind}' ({_FORMATS[kind]})"
            )
