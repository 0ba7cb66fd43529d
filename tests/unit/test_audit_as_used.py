import json
from pathlib import Path
from typing import Any

import pytest

from visitseq.audit.as_used import check_as_used
from visitseq.audit.findings import Finding, read_findings


def estimate(value: float, low: float | None, high: float | None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def content(**changes: Any) -> dict[str, Any]:
    fitting = {"calibration_intercept": estimate(0.1, -0.2, 0.3)}
    fitting |= {"calibration_slope": estimate(0.9, 0.7, 1.1), "auroc": estimate(0.7, 0.6, 0.8)}
    return {
        "test": {"n": 4000, "onset": 40, "death": 60, "censored": 3, "free": 3897},
        "case_control": {"auroc": estimate(0.75, 0.7, 0.8)},
        "raw": fitting,
        "recalibration": {"intercept": 0, "slope": 1},
        "recalibrated": fitting,
        "drop": {"auroc": estimate(0.05, -0.02, 0.12)},
        **changes,
    }


def checked(folder: Path, **changes: Any) -> dict[str, Finding]:
    own = folder / "as_used.json"
    own.write_text(json.dumps({"each_year": content(**changes)}), "utf-8")
    before = folder / "onset_before.csv"
    before.write_text("days,person_years\n10,7\n31,8\n32,50\n400,9\n", "utf-8")
    check_as_used(
        results={"gru": own},
        onset_before={"each_year": before},
        prediction_months=1,
        minimum_cell=10,
        path=folder / "findings.json",
    )
    return {finding.question: finding for finding in read_findings(folder / "findings.json")}


def test_a_score_that_keeps_its_worth_passes(tmp_path: Path) -> None:
    found = checked(tmp_path)
    assert [own.verdict for own in found.values()] == ["pass", "pass"]
    evidence = found["score_as_used"].evidence
    assert "a drop of 0.050 [-0.020, 0.120]" in evidence
    assert "40 an onset within the horizon, 60 a death before one, <10 censored" in evidence
    # 7 and 8: a month has 31 days.
    assert "of all parts 15 left out who fell ill in the gap" in evidence
    assert "cannot be told" in evidence
    assert found["score_as_used"].numbers["censored"] is None
    small = checked(tmp_path, drop={"auroc": estimate(0.01, -0.02, 0.04)})["score_as_used"]
    assert small.verdict == "pass"
    assert "cannot be told" not in small.evidence


@pytest.mark.parametrize(("low", "verdict"), [(0.051, "warn"), (0.049, "pass"), (None, "warn")])
def test_a_drop_that_is_large_for_certain_is_said(
    tmp_path: Path, low: float | None, verdict: str
) -> None:
    drop = estimate(0.1, low, None if low is None else 0.15)
    found = checked(tmp_path, drop={"auroc": drop | ({} if low else {"reason": "no interval"})})
    assert found["score_as_used"].verdict == verdict
    assert found["calibration_as_used"].verdict == "pass"


@pytest.mark.parametrize("name", ["calibration_intercept", "calibration_slope"])
def test_probabilities_that_do_not_fit_are_said(tmp_path: Path, name: str) -> None:
    wrong = {**content()["raw"], name: estimate(-3, -3.5, -2.5)}
    found = checked(tmp_path, raw=wrong)["calibration_as_used"]
    assert found.verdict == "warn"
    assert "-3.00 [-3.50, -2.50]" in found.evidence
    assert "recalibrated intercept 0.10 [-0.20, 0.30], slope 0.90 [0.70, 1.10]" in found.evidence


def test_too_few_onsets_say_nothing(tmp_path: Path) -> None:
    test = {"n": 4000, "onset": 9, "death": 60, "censored": 0, "free": 3931}
    found = checked(tmp_path, test=test)
    assert {own.verdict for own in found.values()} == {"warn"}
    assert all(
        "too few: fewer than 10 rows with an onset" in own.evidence for own in found.values()
    )
    assert "9 an" not in found["score_as_used"].evidence
