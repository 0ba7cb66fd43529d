"""A user's mistake gets one clear line and exit code 1, before any job starts where it can."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from calls import ROOT, Workflow
from omop_site import Tables, condition, person, visit, write_folder, write_parquet_folder

TABLES: Tables = {
    "person": [person(1), person(2, 1955)],
    "visit_occurrence": [visit(9, 1, "2010-01-01")],
    "condition_occurrence": [condition(1, "2010-01-01", 5, visit_occurrence_id=9)],
}


def run(tmp_path: Path, target: str, **overlay: Any) -> tuple[str, bool]:
    """Run with ``overlay``; return what was printed and whether a job was started."""
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(overlay), "utf-8")
    directory = tmp_path / "run"
    directory.mkdir()
    done = Workflow(ROOT, directory).snakemake("--cores", "1", target, "--configfile", path)
    printed = done.stdout + done.stderr
    assert done.returncode == 1, printed
    assert "Traceback" not in printed
    return printed, (directory / "results").exists()


def study_of(path: Path) -> dict[str, Any]:
    return {"run": {"sites": ["mine"]}, "sites": {"mine": {"source": "omop", "path": str(path)}}}


def nowhere(folder: Path) -> dict[str, Any]:
    return study_of(folder / "nowhere")


def without_person(folder: Path) -> dict[str, Any]:
    return study_of(write_folder(folder / "omop", {"condition_occurrence": [condition(1, "x")]}))


def restricted_by(folder: Path, key: str, text: str, path: str | None = None) -> dict[str, Any]:
    """A study whose restriction names a file of this text, or another by its path."""
    study = study_of(write_folder(folder / "omop", TABLES))
    (folder / "named.yaml").write_text(text, "utf-8")
    study["sites"]["mine"]["restrict"] = {key: path or str(folder / "named.yaml")}
    return study


EXCLUDED = """
description: Gout without gout
source: nobody
concepts: [{id: 440674, name: Gout}]
exclude: [{id: 440674, name: Gout}]
"""

BEFORE: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "missing path": (nowhere, r"Site mine: path /\S*/nowhere does not exist\. Set"),
    "missing relative path": (
        lambda _: study_of(Path("nowhere")),
        r"Site mine: path nowhere does not exist \(/\S*/run/nowhere; it is",
    ),
    "no person": (without_person, "Site mine: .* has no table person"),
    "unknown key": (lambda _: {"run": {"fold": [0]}}, "run: unknown key fold"),
    "unknown preset": (
        lambda _: {"sites": {"lakeview": {"preset": "primary"}}},
        r"sites/lakeview/preset: 'primary' is not one of .*\. Did you mean primary_care\?",
    ),
    "no dial": (
        lambda _: {"sites": {"lakeview": {"preset": "order_only", "order_effect": 1}}},
        "sites/lakeview: order_effect works in primary_care and intensive_care only",
    ),
    "undefined model": (
        lambda _: {"run": {"models": ["perceiver"]}},
        "run/models: perceiver is not defined",
    ),
    "age upside down": (
        lambda _: {"cohorts": {"heart_failure": {"age": [85, 40]}}},
        "cohorts/heart_failure/age: .85, 40. is upside down",
    ),
    "no such mapping": (
        lambda _: {
            "run": {
                "transfer": [{"source": "riverside", "target": "lakeview", "mapping": "no.csv"}]
            }
        },
        r"run/transfer, riverside to lakeview/mapping: no.csv does not exist \(/\S*/run/no.csv\)",
    ),
    "no such phenotype": (
        lambda _: {"cohorts": {"heart_failure": {"phenotype": "gout"}}},
        "cohorts/heart_failure/phenotype: gout does not exist.*heart_failure_strict",
    ),
    "no such file of persons": (
        lambda folder: restricted_by(folder, "persons", "1\n", "ids.txt"),
        r"sites/mine/restrict/persons: ids.txt does not exist \(/\S*/run/ids.txt\)",
    ),
    "empty file of persons": (
        lambda folder: restricted_by(folder, "persons", "person_id\n"),
        r"Site mine: the file of persons /\S* cannot be used: it holds no id",
    ),
    "no such phenotype to restrict by": (
        lambda _: {
            "sites": {"mine": {"source": "omop", "path": "omop", "restrict": {"phenotype": "gout"}}}
        },
        "sites/mine/restrict/phenotype: gout does not exist",
    ),
    "phenotype that does not parse": (
        lambda folder: restricted_by(folder, "phenotype", "concepts: ["),
        r"The phenotype file /\S*/named.yaml is no YAML: .* line 1, column 12",
    ),
    "phenotype that excludes itself": (
        lambda folder: restricted_by(folder, "phenotype", EXCLUDED),
        "Site mine: restrict/phenotype: named names neither an ICD code nor a concept that it",
    ),
}


@pytest.mark.parametrize("mistake", BEFORE)
def test_found_before_any_job_starts(tmp_path: Path, mistake: str) -> None:
    build, message = BEFORE[mistake]
    printed, started = run(tmp_path, "ingest", **build(tmp_path))
    assert not started
    assert one_line(printed, message), printed


def one_line(printed: str, message: str) -> bool:
    """Whether a line of what was printed matches ``message``."""
    return any(re.search(message, line) for line in printed.splitlines())


def missing_column(folder: Path) -> Path:
    rows = [{"person_id": 1, "condition_concept_id": 2}]
    return write_folder(folder, {"person": [person(1)], "condition_occurrence": rows})


def truncated(folder: Path) -> Path:
    write_parquet_folder(folder, TABLES)
    path = folder / "CONDITION_OCCURRENCE.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    return folder


def text_for_ids(folder: Path) -> Path:
    return write_folder(folder, {**TABLES, "condition_occurrence": [condition("P1", "2010-01-01")]})


INSIDE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing column": (
        missing_column,
        "table condition_occurrence: .*condition_start_date is miss",
    ),
    "truncated file": (truncated, "table condition_occurrence: it cannot be opened"),
    "text for ids": (text_for_ids, "condition_occurrence.person_id holds a value that is no"),
}


@pytest.mark.parametrize("mistake", INSIDE)
def test_found_by_the_job_that_reads_it(tmp_path: Path, mistake: str) -> None:
    build, message = INSIDE[mistake]
    printed, _ = run(tmp_path, "ingest", **study_of(build(tmp_path / "omop")))
    assert one_line(printed, f"ERROR visitseq: Site mine.*{message}"), printed
    log = (tmp_path / "run/results/logs/ingest_site/mine.log").read_text("utf-8")
    assert one_line(log, message)


def test_a_site_outside_the_study_that_is_not_there(tmp_path: Path) -> None:
    """It does not stand in the study's way, and its own ingest names it."""
    target = "results/1_ingest/other/summary.json"
    sites = {"other": {"source": "omop", "path": str(tmp_path / "nowhere")}}
    printed, _ = run(tmp_path, target, sites=sites)
    assert one_line(printed, "ERROR visitseq: Site other: path .* does not exist"), printed


def test_a_cohort_without_cases_says_what_was_looked_for(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "omop", TABLES)
    printed, _ = run(tmp_path, "cohort", **study_of(folder))
    assert one_line(printed, "ERROR visitseq: .*heart_failure.*mine"), printed
    # What was finished stays.
    events = tmp_path / "run/results/1_ingest/mine/events.parquet"
    assert pq.read_metadata(events).num_rows > 0
