"""The sheets: as many items as the guidelines have, answered from the results or open."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from study_results import study_of, write_results

from visitseq.audit.sheet_facts import Facts
from visitseq.audit.sheets import COLUMNS, PERSON, SHEETS, fill_sheets, question, read_sheet, sheet
from visitseq.audit.table import COLUMNS as AUDIT
from visitseq.figures.cohort_table import cohort_table
from visitseq.figures.giveaways_table import giveaways_table
from visitseq.figures.metrics_table import readable_metrics
from visitseq.figures.model_results import read_results
from visitseq.figures.study import Study
from visitseq.figures.variance_table import variance_table

COHORT: dict[str, Any] = {
    "kind": "case_control",
    "phenotype": "heart_failure",
    "qualifying_encounters": 3,
    "qualifying_months": 12,
    "age": [40, 85],
    "min_visits": 1,
    "eligibility_months": 18,
    "matching": {"ratio": 10, "method": "random", "exact": ["sex"]},
}
SECTIONS = {
    "sites": {"riverside": {"source": "omop"}},
    "cohorts": {"heart_failure": COHORT},
}


def study(**changes: Any) -> dict[str, Any]:
    content = study_of(draws=100, **changes)
    for task in content["tasks"].values():
        task["phenotype_codes"] = "drop"
    for encoding in content["encoding_sections"].values():
        encoding["min_count"] = 5
    return content


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """A study of 42 cases, 6 of them tested."""
    folder, content = tmp_path_factory.mktemp("sheets"), study()
    write_results(content, folder, sets=42)
    own = Study.from_mapping(content, folder)
    models = read_results(own)
    tables = {
        "cohort": cohort_table(own),
        "giveaways": giveaways_table(own),
        "metrics": readable_metrics(own, models),
        "variance": variance_table(own, models),
        "subgroups": pd.DataFrame({"variable": ["all", "sex", "age"]}),
    }
    (folder / "7_figures").mkdir()
    for name, table in tables.items():
        table.to_csv(folder / f"7_figures/table_{name}.csv", index=False)
    audit = pd.DataFrame([{"verdict": "pass", "check": "check_windows"}], columns=list(AUDIT))
    audit.to_csv(folder / "7_figures/audit.csv", index=False)
    person = {"read": 1_004, "kept": 1_000, "dropped": {"no_date": 4}}
    summary = {"persons": 1_000, "visits": 9_000, "events": 20_000, "last_year": 2016}
    path = folder / "1_ingest/riverside/summary.json"
    path.write_text(json.dumps({**summary, "tables": {"person": person}}))
    card = own.trained(own.settings[0], "logistic", 0)
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"training": {"rows": 150, "cases": 30}, "known": [0, 2]}))
    return Facts(own, SECTIONS, {"heart_failure": 56})


def test_sheets_have_the_items_of_their_guidelines() -> None:
    numbers = {name: [item["item"] for item in read_sheet(name)] for name in SHEETS}
    main = {re.sub("[a-z]$", "", item) for item in numbers["tripod_ai"]}
    assert main == {str(number) for number in range(1, 28)}
    assert len(numbers["tripod_ai"]) == 52
    assert len(numbers["record"]) == 13
    domains = Counter(item.rpartition(".")[0] for item in numbers["probast_ai"])
    assert [domains[f"D{n}"] for n in range(1, 5)] == [3, 4, 4, 5]
    assert [domains[f"E{n}"] for n in range(1, 5)] == [3, 4, 4, 7]
    for items in numbers.values():
        assert len(set(items)) == len(items)


@pytest.mark.parametrize("name", SHEETS)
def test_every_item_names_a_question_that_there_is(name: str) -> None:
    for item in read_sheet(name):
        assert set(item) == {"item", "section", "asked", "answer"}
        assert item["answer"] == PERSON or callable(question(item["answer"]))


@pytest.mark.parametrize("name", SHEETS)
def test_an_item_is_answered_from_files_or_open(facts: Facts, name: str) -> None:
    table = sheet(facts, name)
    assert list(table.columns) == COLUMNS
    answered = table["answered_by"] == "results"
    assert set(table.loc[~answered, "answered_by"]) <= {"person: open"}
    assert table.loc[~answered, "answer"].str.startswith("open: ").all()
    assert not table.loc[answered, "answer"].str.startswith("open").any()
    assert (table.loc[answered, "from"].str.startswith("results/")).all()
    assert (table.loc[~answered, "from"] == "").all()
    assert set(table["records"]) == {"synthetic"}


def test_answers_have_the_numbers_of_the_files(facts: Facts) -> None:
    table = sheet(facts, "tripod_ai").set_index("item")["answer"]
    assert "1,000 persons with 9,000 visits and 20,000 events" in table["5a"]
    assert "age 40 to 85 at the index date" in table["6b"]
    assert "3 visits with a code of the phenotype heart failure within 12 months" in table["8a"]
    assert "18 months observed, no gap" in table["8a"]
    assert "150 rows, of them cases 30" in table["21"]
    assert "42 (cases)" in table["20a"]
    assert "up to 10" in table["13"]
    assert "sex and age" in table["14"]
    assert (
        "verdicts on it: 1 pass" in sheet(facts, "probast_ai").set_index("item")["answer"]["D2.3"]
    )


def test_sheets_tell_of_a_landmark_cohort_and_its_scores(facts: Facts) -> None:
    """Who was drawn, who was censored and what was recalibrated, beside the matched cohort."""
    landmark = {**COHORT, "kind": "landmark", "horizon_months": 12, "persons": 12_000}
    onset = facts.onsets["heart_failure"]
    study = replace(
        facts.study,
        onsets={**facts.onsets, "as_used": {**onset, "cohort": "each_january"}},
        as_used=(("heart_failure", "as_used", "one_hot", "logistic"),),
    )
    sections = {**SECTIONS, "cohorts": {"heart_failure": COHORT, "each_january": landmark}}
    own = Facts(study, sections, {})
    answers = sheet(own, "tripod_ai").set_index("item")["answer"]
    before = sheet(facts, "tripod_ai").set_index("item")["answer"]
    assert "the onset of heart failure (" in answers["1"]
    assert "no qualifying run before it; at most 12,000 persons" in answers["6b"]
    assert "Persons were drawn at random: at most 12,000 persons in each_january" in answers["10"]
    for item, words in (
        ("11", "inverse probability of censoring"),
        ("12e", "net benefit"),
        ("12f", "recalibrated"),
        ("16", "landmark rows"),
    ):
        assert words in answers[item]
        assert words not in before[item]


def test_the_canaries_are_among_what_the_audit_says_of_leaks(facts: Facts) -> None:
    rows = [("pass", "check_splits"), ("fail", "run_canaries"), ("warn", "check_matching")]
    path = facts.study.results / "7_figures/audit.csv"
    before = path.read_bytes()
    audit = pd.DataFrame(rows, columns=["verdict", "check"]).reindex(columns=list(AUDIT))
    audit.to_csv(path, index=False)
    answer = sheet(facts, "probast_ai").set_index("item")["answer"]["E4.5"]
    path.write_bytes(before)
    assert "verdicts on it: 1 fail, 1 pass" in answer


def test_matching_is_told_as_it_was_asked(facts: Facts) -> None:
    matching = {**COHORT["matching"], "age_years": 2, "first_visit_days": None, "visits": 1}
    cohort = {**COHORT, "matching": matching}
    own = Facts(facts.study, {**SECTIONS, "cohorts": {"heart_failure": cohort}}, {})
    answer = sheet(own, "probast_ai").set_index("item")["answer"]["D1.2"]
    assert "random matching on sex, age and visits, so" in answer


def test_what_is_small_is_small_in_the_sheets_too(facts: Facts) -> None:
    """Of 6 cases tested and 4 rows dropped no number stands there, nor an estimate."""
    table = sheet(facts, "tripod_ai").set_index("item")["answer"]
    assert "<10 dropped (no_date)" in table["7"]
    assert "not shown rows, of them cases <10" in table["21"]
    assert "AUROC suppressed" in table["23a"]
    assert not re.search(r"0\.\d+ \[", table["23a"])


def test_without_an_outcome_items_are_open_and_nothing_fails(tmp_path: Path) -> None:
    task = {"kind": "next_visit", "cohort": "everyone", "labels": ["condition"], "rollup": "none"}
    content = study_of(tasks={"next_visit": task}, sites={}, models=[], folds=[])
    figures = tmp_path / "7_figures"
    figures.mkdir()
    for name in ("cohort", "giveaways", "metrics", "variance", "subgroups"):
        columns = ["characteristic", "giveaway", "model", "task", "variable"]
        pd.DataFrame(columns=columns).to_csv(figures / f"table_{name}.csv", index=False)
    pd.DataFrame(columns=list(AUDIT)).to_csv(figures / "audit.csv", index=False)
    fill_sheets(
        study=content,
        sections={"sites": {}, "cohorts": {}},
        phenotypes={},
        results=tmp_path,
        folder=figures,
    )
    table = pd.read_csv(figures / "table_tripod_ai.csv", keep_default_na=False).set_index("item")
    for item in ("5a", "6b", "8a", "12c", "20a", "23a"):
        assert table.loc[item, "answered_by"] == "person: open"
        assert len(str(table.loc[item, "answer"])) > len("open: ")
