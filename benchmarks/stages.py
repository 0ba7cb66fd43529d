"""The workflow's stages from OMOP files to sequences, each called as its rule calls it.

A study is one folder: ``omop`` holds the simulated hospital (other folders its copies), ``site``,
``cohort`` and ``encoded`` what the stages make of it. Cohort, task and encoding are those of the
default study (config.yaml): the case-control cohort of heart failure, its windows of 18 months,
one-hot visits.
"""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from visitseq.cohort import build_cohort
from visitseq.config import fill_config
from visitseq.encode import encode_visits
from visitseq.engine import connect
from visitseq.ingest import ingest_site
from visitseq.simulate.site import simulate_site

ROOT = Path(__file__).resolve().parents[1]
PHENOTYPE = ROOT / "workflow" / "phenotypes" / "heart_failure.yaml"
#: Threads of the rules ingest_site, build_cohort and encode_visits.
THREADS = {"ingest": 2, "cohort": 1, "encode": 1}
#: Three quarters of the memory of the rule ingest_site.
MEMORY_MB = 3000
#: The tables that the default study reads, and their columns by what an event makes of them.
CLINICAL = {
    "condition_occurrence": {
        "code": "condition_concept_id",
        "time": "condition_start_datetime",
        "source_code": "condition_source_value",
    },
    "drug_exposure": {
        "code": "drug_concept_id",
        "time": "drug_exposure_start_datetime",
        "source_code": "drug_source_value",
    },
    "procedure_occurrence": {
        "code": "procedure_concept_id",
        "time": "procedure_datetime",
        "source_code": "procedure_source_value",
    },
}


def _filled() -> dict[str, Any]:
    """The default study's configuration, filled by the schema as the workflow fills it."""
    default = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return fill_config(default, ROOT / "workflow" / "schemas" / "config.schema.yaml")


#: What the workflow reads once, when it is parsed.
STUDY = _filled()


def simulate(folder: Path, persons: int) -> None:
    site = {"preset": "primary_care", "persons": persons, "seed": 1, "order_effect": 0.5}
    simulate_site({**site, "messy": False}, folder, threads=2)


def shuffle(folder: Path) -> None:
    """Put the rows of every table of the simulated hospital in another order, always the same."""
    with connect(threads=2, memory_mb=MEMORY_MB, scratch=folder / "spill") as connection:
        for path in sorted((folder / "omop").glob("*.parquet")):
            shuffled = path.with_suffix(".shuffled")
            connection.execute(
                "COPY (SELECT * EXCLUDE (file_row_number) "
                f"FROM read_parquet('{path}', file_row_number = true) "
                f"ORDER BY hash(file_row_number)) TO '{shuffled}' (FORMAT parquet)"
            )
            shuffled.replace(path)


def ingest(folder: Path, files: str = "omop") -> None:
    ingest_site(
        name="site",
        site={"path": str(folder / files), "domains": ["condition", "drug", "procedure"]},
        folder=folder / "site",
        threads=THREADS["ingest"],
        memory_mb=MEMORY_MB,
    )


def cohort(folder: Path) -> None:
    build_cohort(
        site="site",
        name="heart_failure",
        cohort=STUDY["cohorts"]["heart_failure"],
        phenotype=PHENOTYPE,
        **_site_tables(folder, "events", "persons", "observation_periods", "codes"),
        folder=folder / "cohort",
        seed=STUDY["run"]["seed"],
        parts=STUDY["run"]["parts"],
    )


def encode(folder: Path) -> None:
    encode_visits(
        task=STUDY["tasks"]["heart_failure"],
        encoding=STUDY["encodings"]["one_hot"],
        phenotype=PHENOTYPE,
        cohort=folder / "cohort" / "cohort.parquet",
        **_site_tables(folder, "events", "codes", "ancestors"),
        folder=folder / "encoded",
        seed=STUDY["run"]["seed"],
        parts=STUDY["run"]["parts"],
    )


def rows_of(path: Path) -> int:
    """Rows of a Parquet file."""
    return int(pq.read_metadata(path).num_rows)


def clinical_rows(folder: Path) -> int:
    """Conditions, drugs and procedures of the simulated hospital."""
    return sum(rows_of(folder / "omop" / f"{table}.parquet") for table in CLINICAL)


def _site_tables(folder: Path, *names: str) -> dict[str, Path]:
    return {name: folder / "site" / f"{name}.parquet" for name in names}
