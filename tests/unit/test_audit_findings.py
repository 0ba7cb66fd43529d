"""What a check found, written and read back."""

from pathlib import Path

from visitseq.audit.findings import Finding, read_findings, write_findings


def test_findings_come_back_as_they_were_written(tmp_path: Path) -> None:
    findings = [
        Finding("window_end", "pass", "0 of 12 visits end late.", numbers={"late": 0}),
        Finding("ratio", "warn", "3 cases are unmatched.", "Widen the calipers."),
    ]
    path = tmp_path / "new" / "findings.json"
    write_findings(findings, path)
    assert read_findings(path) == findings
