"""The test in time: who stands on which side, what is learned, and what is said of it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_site import ENCODING, MODEL, PARTS, TASK, write_site
from study_results import study_of

from visitseq.audit import in_time
from visitseq.audit.findings import read_findings
from visitseq.audit.in_time_rows import divide_in_time, index_years, last_early_year
from visitseq.audit.in_time_verdicts import in_time_findings, is_enough
from visitseq.audit.pipeline import Pipeline
from visitseq.audit.sample import set_of
from visitseq.figures.in_time_table import in_time_table
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Study
from visitseq.tables import COHORT

EARLY, LATE = datetime(2010, 5, 1), datetime(2012, 5, 1)


def cohort(rows: list[tuple[int, int, datetime, bool, int]]) -> pa.Table:
    lines = [dict(zip(COHORT.names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(lines, schema=COHORT)


def test_a_cohort_of_eight_rows() -> None:
    rows = cohort(
        [
            *[(1, 1, EARLY, True, 0), (1, 10, EARLY, False, 0)],
            *[(2, 2, EARLY, True, 1), (2, 11, EARLY, False, 1)],
            # Person 10 was a control before: the row goes, the case stays.
            *[(3, 3, LATE, True, 2), (3, 10, LATE, False, 2)],
            # The case was a control before: the set goes.
            *[(4, 11, LATE, True, 1), (4, 13, LATE, False, 1)],
        ]
    )
    divided = divide_in_time(rows, fold=0, parts=3)
    assert divided is not None
    assert divided.year == 2010
    assert divided.left_out == {"rows": 3, "sets": 1}
    kept = divided.rows.select(["set_id", "subject_id", "part"]).to_pylist()
    # Fold 0 trains on part 2: there goes set 1, of its test part; by set 2 it still chooses.
    assert [tuple(row.values()) for row in kept] == [
        *[(1, 1, 2), (1, 10, 2), (2, 2, 1), (2, 11, 1)],
        (3, 3, 0),
    ]


def test_the_year_is_the_first_with_cases_enough() -> None:
    assert last_early_year(np.array([2001] * 5 + [2002, 2003, 2003, 2004, 2004])) == 2002
    assert last_early_year(np.array([2001, 2001, 2001, 2002])) == 2001
    # Until the last year there are all, and none would be tested.
    assert last_early_year(np.array([2001, 2005, 2005, 2005])) == 2001
    assert last_early_year(np.array([2005, 2005])) is None


sets = st.tuples(st.integers(2001, 2006), st.lists(st.integers(0, 15), min_size=2, max_size=4))


@given(st.lists(sets, min_size=2, max_size=12), st.integers(0, 2))
def test_nobody_stands_on_both_sides(made: list[tuple[int, list[int]]], fold: int) -> None:
    rows = cohort(
        [
            (number, person, datetime(year, 1, 1), place == 0, person % 3)
            for number, (year, persons) in enumerate(made)
            for place, person in enumerate(persons)
        ]
    )
    divided = divide_in_time(rows, fold, 3)
    if divided is None:
        assert len({year for year, _ in made}) == 1
        return
    later = index_years(divided.rows) > divided.year
    persons, part = (divided.rows[name].to_numpy() for name in ("subject_id", "part"))
    assert not set(persons[later]) & set(persons[~later])
    assert (part[later] == fold).all()
    assert (part[~later] != fold).all()
    assert len(rows) - len(divided.rows) == divided.left_out["rows"]
    # No control is left whose case went.
    cases = set(set_of(divided.rows)[divided.rows["label"].to_numpy()])
    assert set(set_of(divided.rows)) == cases


def codes_of(label: bool, index: datetime, day: datetime) -> list[str]:
    """An old code in every visit, in the later years a new one as well; cases have one more."""
    new = ["condition/new"] if index.year > 2010 else []
    return ["condition/old", *new, *(["condition/case"] if label and index.year <= 2010 else [])]


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in_time")
    # Of 48 sets every third is of 2012.
    site: dict[str, Any] = write_site(
        folder / "site", codes_of, lambda number: EARLY if number % 3 else LATE
    )
    settings: dict[str, Any] = {"fold": 0, "parts": PARTS, "seed": 0, "draws": 100}
    files = (site["phenotype"], site["codes"], site["ancestors"])
    pipeline = Pipeline(TASK, ENCODING, *files, **settings)
    rows = pq.read_table(site["cohort"])
    pipeline.encode(rows, site["events"], folder / "random")
    pipeline.score(folder / "random", MODEL, "logistic")
    in_time.test_in_time(
        **site,
        evaluated={"logistic": folder / "random/logistic"},
        task=TASK,
        encoding=ENCODING,
        models={"logistic": MODEL},
        **settings,
        minimum_cell=10,
        folder=folder / "audit",
    )
    return folder / "audit"


def test_what_came_up_later_is_unknown(tested: Path) -> None:
    content = json.loads((tested / "in_time.json").read_text("utf-8"))
    assert content["year"] == 2010
    assert content["trained"] == {"rows": 116, "cases": 29}
    assert content["tested"] == {"rows": 64, "cases": 16}
    model = content["models"]["logistic"]
    # Half of what a later visit holds, the new code. At random it is known.
    assert model["in_time"]["unknown_codes"] == 0.5
    assert model["random"]["unknown_codes"] == 0.0
    # Nothing tells the later cases from their controls.
    assert model["in_time"]["auroc"]["value"] == 0.5
    assert model["random"]["auroc"]["value"] > 0.8
    assert model["difference"]["value"] == pytest.approx(0.5 - model["random"]["auroc"]["value"])
    assert sorted(path.name for path in tested.iterdir()) == ["findings.json", "in_time.json"]


def test_a_loss_in_time_is_a_warning(tested: Path) -> None:
    (finding,) = read_findings(tested / "findings.json")
    assert (finding.question, finding.verdict) == ("in_time", "warn")
    assert "index years up to 2010" in finding.evidence
    assert (
        "with 29 cases; tested after it on 16 cases among 64 rows, at random on 20;"
        in finding.evidence
    )
    assert finding.numbers["model"] == "logistic"
    content = json.loads((tested / "in_time.json").read_text("utf-8"))
    model = content["models"]["logistic"]
    model["difference"] = {"value": -0.1, "low": -0.2, "high": 0.01}
    assert in_time_findings(content, 10)[0].verdict == "pass"
    model["difference"] = {"value": -0.1, "low": None, "high": None, "reason": "no interval"}
    assert in_time_findings(content, 10)[0].verdict == "warn"


def test_too_few_cases_are_a_warning(tested: Path) -> None:
    content = json.loads((tested / "in_time.json").read_text("utf-8"))
    few = {**content, "models": {}, "tested": {"rows": 40, "cases": 9}}
    (finding,) = in_time_findings(few, 10)
    assert finding.verdict == "warn"
    assert finding.evidence.startswith("Too few cases: ")
    assert "on <10 cases among 40 rows" in finding.evidence
    assert finding.numbers["tested_cases"] is None
    assert is_enough(content, 16)
    assert not is_enough(content, 17)
    assert not is_enough({**content, "random": {"rows": 90, "cases": 15}}, 16)
    assert not is_enough({**content, "tested": {"rows": 20, "cases": 11}}, 0)
    assert not is_enough({**content, "trained": {"rows": 90, "cases": 19}}, 0)
    (alone,) = in_time_findings({"year": None, "models": {}}, 10)
    assert alone.evidence == "Too few cases: all have their index date in the same year."


def test_the_table_shows_no_metric_of_few(tested: Path, tmp_path: Path) -> None:
    study = Study.from_mapping(study_of(in_time=[["heart_failure", "one_hot"]]), tmp_path)
    path = tmp_path / "audit/test_in_time/riverside/heart_failure/one_hot/in_time.json"
    path.parent.mkdir(parents=True)
    content = json.loads((tested / "in_time.json").read_text("utf-8"))
    path.write_text(json.dumps(content))
    table = in_time_table(study).set_index("metric")
    line = table.loc["auroc"]
    assert (line["trained_until"], line["cases"], line["records"]) == (2010, "16", "synthetic")
    assert line["tested_later"].startswith("0.5000 [0.5000, 0.5000]")
    assert line["difference"].startswith("-0.")
    assert table["difference"].notna().sum() == 1
    content["models"]["logistic"]["random"]["cases"] = 9
    path.write_text(json.dumps(content))
    hidden = in_time_table(study).set_index("metric")
    assert (hidden["tested_at_random"] == SUPPRESSED).all()
    assert hidden.loc["auroc", "difference"] == SUPPRESSED
    assert hidden.loc["auroc", "tested_later"] == line["tested_later"]
