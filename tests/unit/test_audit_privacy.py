"""The privacy check: what is planted is found, by its kind and never by its value."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from visitseq import tables
from visitseq.audit import check_privacy, pass_privacy
from visitseq.audit.findings import Finding, read_findings
from visitseq.audit.table import COLUMNS
from visitseq.audit.traces import tellable
from visitseq.errors import UserError

IDS = [940_016_201, 731_552_084, 4711]
VISIT = 880_123_456_789
CONCEPT = 40_481_042
FIGURES = "results/7_figures"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of a study that may be shared."""
    monkeypatch.chdir(tmp_path)
    persons = {name: pa.nulls(len(IDS)) for name in tables.PERSONS.names} | {"subject_id": IDS}
    tables.write_parquet(pa.table(persons).cast(tables.PERSONS), Path("persons.parquet"))
    events = {name: pa.nulls(1) for name in tables.EVENTS.names} | {"visit_id": [VISIT]}
    tables.write_parquet(pa.table(events).cast(tables.EVENTS), Path("events.parquet"))
    codes = {"code": [f"condition/{CONCEPT}"], "description": ["x"], "parent_codes": [[]]}
    tables.write_parquet(pa.table(codes).cast(tables.CODES), Path("codes.parquet"))
    Path("phenotype.yaml").write_text(f"include: [{IDS[1]}]\n")
    plant(f"{FIGURES}/table_metrics.csv", 'site,rows,cases,auroc\nhere,"1,204",<10,0.7402016\n')
    plant(f"{FIGURES}/table_cohort.csv", 'task,cases\n,24 (49.0%)\n,"69.7 (9.8)"\n,0 (0.0%)\n')
    plant(f"{FIGURES}/fig_roc.svg", '<svg width="940016201"><!-- 16 cases --><g d="M 7 3"/></svg>')
    plant("results/logs/build.log", "INFO 3 cases matched; condition/940016201 dropped\n")
    plant("results/run_config.yaml", "sites: {mine: {latest_date: 2024-06-30}}\n")
    return tmp_path


def plant(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")


def checked(minimum: int = 10) -> dict[str, Finding]:
    sites = {"mine": {name: Path(f"{name}.parquet") for name in ("persons", "events", "codes")}}
    check_privacy(
        shared=[Path(FIGURES), Path("results/8_export/model")],
        beside=[Path("results/logs"), Path("results/benchmarks")],
        configuration=Path("results/run_config.yaml"),
        sites=sites,
        phenotypes=[Path("phenotype.yaml")],
        synthetic={"mine": False},
        minimum_cell=minimum,
        findings=Path("results/audit/findings.json"),
        table=Path(f"{FIGURES}/audit_privacy.csv"),
    )
    return {
        finding.question: finding for finding in read_findings(Path("results/audit/findings.json"))
    }


def test_what_may_be_shared_passes(study: Path) -> None:
    found = checked()
    assert {finding.verdict for finding in found.values()} == {"pass"}
    # 4711 has four digits; the other is a concept of the phenotype.
    assert found["ids_looked_for"].numbers == {"ids": 4, "looked_for": 2}
    table = pd.read_csv(f"{FIGURES}/audit_privacy.csv", keep_default_na=False)
    assert tuple(table.columns) == COLUMNS
    assert set(table["records"]) == {"real"}
    assert checked() == found  # its own table is read as well


def _parquet(name: str, column: Any) -> Callable[[], None]:
    def write() -> None:
        path = Path("results/8_export/model/a/vocabulary.parquet")
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table({name: column}), path)

    return write


def _text(path: str, text: str) -> Callable[[], None]:
    return lambda: plant(path, text)


PLANTED: dict[str, tuple[Callable[[], None], str, str]] = {
    "a column of ids": (
        _text(f"{FIGURES}/table_x.csv", "subject_id,score\n17,0.5\n18,0.4\n"),
        "no_id_columns",
        "table_x.csv, subject_id (2)",
    ),
    "a key of ids": (
        _text("results/8_export/model/a/model.json", json.dumps({"a": {"case": [17, 18]}})),
        "no_id_columns",
        "model.json, case (2)",
    ),
    "a column of Parquet": (_parquet("visit_id", [17]), "no_id_columns", "visit_id (1)"),
    "a date in a table": (
        _text(f"{FIGURES}/table_x.csv", "site,last\nhere,2011-03-09\n"),
        "no_dates",
        "table_x.csv, last (1)",
    ),
    "a date in a log": (
        _text("results/logs/x.log", "INFO last event 2011-03-09T10:11:12\n"),
        "no_dates",
        "results/logs/x.log (1)",
    ),
    "a time in Parquet": (
        _parquet("index_time", np.array(["2011-03-09"], dtype="datetime64[us]")),
        "no_dates",
        "index_time (1)",
    ),
    "a column of dates": (
        _text(f"{FIGURES}/table_x.csv", "death_date\n9 March\n"),
        "no_dates",
        "death_date (1)",
    ),
    "a date with dots": (
        _text(f"{FIGURES}/audit.csv", "evidence\nThe last event is of 9.3.2011.\n"),
        "no_dates",
        "audit.csv, evidence (1)",
    ),
    "a date of the year first": (
        _text("results/logs/x.log", "INFO last event 2011/03/09\n"),
        "no_dates",
        "results/logs/x.log (1)",
    ),
    "dates without separators": (
        _text(f"{FIGURES}/table_x.csv", "site,last\nhere,20110309\nthere,20110310.0\n"),
        "no_dates",
        "table_x.csv, last (2)",
    ),
    "a date without separators where a date stands": (
        _text(f"{FIGURES}/table_x.csv", "index_date\n20110309\n"),
        "no_dates",
        "table_x.csv, index_date (1)",
    ),
    "an id in a name": (
        _text("results/logs/x.log", f"INFO reading person_{IDS[0]}_visits\n"),
        "no_ids",
        "results/logs/x.log (1)",
    ),
    "an id beside missing ones": (
        _text(f"{FIGURES}/table_x.csv", f"which\n{IDS[0]}.0\n\n"),
        "no_ids",
        "table_x.csv, which (1)",
    ),
    "an id in a sentence": (
        _text(f"{FIGURES}/audit.html", f"<p>Person {IDS[0]} is on both sides.</p>"),
        "no_ids",
        "audit.html (1)",
    ),
    "an id on a figure": (
        _text(f"{FIGURES}/fig_x.svg", f"<svg><!-- {IDS[0]} --></svg>"),
        "no_ids",
        "fig_x.svg (1)",
    ),
    "a visit's id in a table": (
        _text(f"{FIGURES}/table_x.csv", f"which\n{VISIT}\n{VISIT}\n"),
        "no_ids",
        "table_x.csv, which (2)",
    ),
    "three cases": (
        _text(f"{FIGURES}/table_x.csv", "site,cases\nhere,3\nthere,30\n"),
        "no_small_cells",
        "table_x.csv, cases (1)",
    ),
    "three with a share": (
        _text(f"{FIGURES}/table_x.csv", "site,controls\nhere,3 (1.2%)\n"),
        "no_small_cells",
        "table_x.csv, controls (1)",
    ),
    "three persons of a measure": (
        _text(f"{FIGURES}/table_x.csv", "measure,estimate\nvisits,4.1\npersons,3\n"),
        "no_small_cells",
        "table_x.csv, measure (1)",
    ),
    "three of so many": (
        _text(f"{FIGURES}/audit.csv", "evidence\n3 of 250 cases are unmatched.\n"),
        "no_small_cells",
        "audit.csv, evidence (1)",
    ),
    "three in a key": (
        _text("results/8_export/model/a/metrics.json", json.dumps({"n": 60, "cases": 3})),
        "no_small_cells",
        "metrics.json, cases (1)",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(study: Path, name: str) -> None:
    write, question, place = PLANTED[name]
    write()
    found = checked()
    failed = {key for key, finding in found.items() if finding.verdict == "fail"}
    assert failed == {question}
    assert place in found[question].evidence
    written = (
        Path("results/audit/findings.json").read_text()
        + Path(f"{FIGURES}/audit_privacy.csv").read_text()
    )
    for secret in (*map(str, IDS), str(VISIT), "2011"):
        assert secret not in written


def test_small_numbers_of_the_log_are_the_houses_own(study: Path) -> None:
    assert checked(minimum=2000)["no_small_cells"].evidence.count("results/logs") == 0


def test_dates_of_the_configuration_are_the_studys(study: Path) -> None:
    plant(f"{FIGURES}/audit.csv", "evidence\nRecords end on 2024-06-30.\n")
    assert checked()["no_dates"].verdict == "pass"


def test_a_ratio_is_no_number_of_persons(study: Path) -> None:
    plant(f"{FIGURES}/table_x.csv", "answer\nUp to 4 controls a case; 5 controls for each case.\n")
    assert checked()["no_small_cells"].verdict == "pass"


def test_durations_are_no_dates(study: Path) -> None:
    plant("results/benchmarks/x.tsv", "s\th:m:s\tcpu_time\n1.2\t0:00:01\t0.98\n")
    assert checked()["no_dates"].verdict == "pass"


def test_numbers_that_look_like_days_or_ids_are_none(study: Path) -> None:
    plant("results/run_config.yaml", "run: {seed: 20240115}\n")
    plant(f"{FIGURES}/table_x.csv", f"seed,events,share\n20240115,20110309,0.{IDS[0]}\n,7310,\n")
    plant("results/logs/x.log", f"INFO version 1.9.3.2011.4; loss {IDS[0]}.25; 20110309 events\n")
    found = checked()
    assert {finding.verdict for finding in found.values()} == {"pass"}


def test_ids_that_look_like_counts_are_not_looked_for() -> None:
    through = np.arange(1_000_000, 3_000_000)
    far = np.array([940_016_201, -731_552_084])
    assert tellable(np.concatenate([through, far]), np.array([5])).tolist() == [
        731_552_084,
        940_016_201,
    ]
    assert tellable(far, far).tolist() == [731_552_084]


def test_a_file_that_cannot_be_read_is_said(study: Path) -> None:
    plant(f"{FIGURES}/notes.docx", "x")
    found = checked()["every_file_read"]
    assert (found.verdict, ".docx" in found.evidence) == ("warn", True)


def test_a_hit_stops_the_study_and_names_the_file(study: Path) -> None:
    findings, passed = Path("results/audit/findings.json"), Path("results/audit/passed.json")
    checked()
    pass_privacy(findings=findings, on_failure="stop", passed=passed)
    assert json.loads(passed.read_text())["fail"] == 0
    passed.unlink()
    plant(f"{FIGURES}/table_x.csv", "subject_id\n17\n")
    checked()
    with pytest.raises(UserError, match=r"Do not share .*table_x\.csv, subject_id \(1\)"):
        pass_privacy(findings=findings, on_failure="stop", passed=passed)
    assert not passed.exists()
    pass_privacy(findings=findings, on_failure="warn", passed=passed)
    assert json.loads(passed.read_text())["fail"] == 1
