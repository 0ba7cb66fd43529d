"""The audit's table, its page, and the gate before the figures."""

import json
import logging
from pathlib import Path

import pandas as pd
import pytest

from visitseq.audit.findings import Finding, write_findings
from visitseq.audit.gate import pass_audit
from visitseq.audit.table import COLUMNS, write_audit
from visitseq.errors import UserError

PASSED = Finding("window_end", "pass", "0 of 12 visits end late.")
WARNED = Finding("ratio", "warn", "3 cases <unmatched>.", "Widen the calipers.")
FAILED = [Finding(f"question_{n}", "fail", f"Evidence {n}.", "Mend it.") for n in range(5)]


def audited(folder: Path, *findings: Finding) -> Path:
    """Write audit.csv and audit.html of two checks, the first of which found nothing."""
    checks = {}
    for check, found in (("check_b", findings), ("check_a", (PASSED,))):
        path = folder / check / "findings.json"
        write_findings(found, path)
        checks[str(path)] = {"check": check, "site": "lakeview", "task": "heart_failure"}
    write_audit(checks=checks, synthetic={"lakeview": True}, folder=folder)
    return folder / "audit.csv"


def test_the_table_is_sorted_by_verdict_then_name(tmp_path: Path) -> None:
    table = pd.read_csv(audited(tmp_path, PASSED, WARNED, FAILED[0]), keep_default_na=False)
    assert tuple(table.columns) == COLUMNS
    assert table["verdict"].tolist() == ["fail", "warn", "pass", "pass"]
    assert table["check"].tolist() == ["check_b", "check_b", "check_a", "check_b"]
    assert set(table["records"]) == {"synthetic"}
    assert set(table["cohort"]) == {""}


def test_records_of_a_pair_are_those_of_both_sites(tmp_path: Path) -> None:
    write_findings([PASSED], tmp_path / "findings.json")
    named = {"check": "check_pair", "source": "lakeview", "target": "mine"}
    write_audit(
        checks={str(tmp_path / "findings.json"): named},
        synthetic={"lakeview": True, "mine": False},
        folder=tmp_path,
    )
    row = pd.read_csv(tmp_path / "audit.csv").iloc[0]
    assert (row["site"], row["target"], row["records"]) == (
        "lakeview",
        "mine",
        "real and synthetic",
    )


def test_the_page_names_verdict_evidence_advice_and_file(tmp_path: Path) -> None:
    audited(tmp_path, WARNED)
    page = (tmp_path / "audit.html").read_text("utf-8")
    for words in (">warn</span> 1", ">pass</span> 1", ">fail</span> 0", "Widen the calipers."):
        assert words in page
    assert "3 cases &lt;unmatched&gt;." in page
    assert "check_b/findings.json" in page
    assert "synthetic" in page


def test_a_failed_check_stops_and_is_named_with_its_evidence(tmp_path: Path) -> None:
    audit, passed = audited(tmp_path, *FAILED), tmp_path / "passed.json"
    with pytest.raises(
        UserError, match=r"\(check_b\): Evidence 0\. .*Evidence 2\. And 2 more"
    ) as e:
        pass_audit(audit=audit, on_failure="stop", passed=passed)
    assert "audit.csv; run.audit: warn draws the figures all the same" in str(e.value)
    assert not passed.exists()


def test_with_warn_it_passes_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audit, passed = audited(tmp_path, FAILED[0]), tmp_path / "passed.json"
    with caplog.at_level(logging.WARNING):
        pass_audit(audit=audit, on_failure="warn", passed=passed)
    assert json.loads(passed.read_text("utf-8")) == {"pass": 1, "warn": 0, "fail": 1}
    assert "The audit failed (check_b): Evidence 0." in caplog.text


def test_a_warning_stops_nothing(tmp_path: Path) -> None:
    audit, passed = audited(tmp_path, WARNED), tmp_path / "passed.json"
    pass_audit(audit=audit, on_failure="stop", passed=passed)
    assert json.loads(passed.read_text("utf-8")) == {"pass": 1, "warn": 1, "fail": 0}
