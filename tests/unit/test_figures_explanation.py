"""Importance, errors and giveaways as they are shown: by hand, with small numbers hidden."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from arrow_visits import Row, write_visits, write_vocabulary
from matplotlib.text import Text
from scipy import stats
from study_results import study_of, write_results

from visitseq import tables
from visitseq.figures.errors_table import errors_table
from visitseq.figures.giveaways_table import giveaways_table
from visitseq.figures.importance import draw_importance
from visitseq.figures.importance_results import (
    TOP,
    importance_table,
    interval_over_folds,
    read_importances,
)
from visitseq.figures.published import HEADING
from visitseq.figures.small_cells import HIDDEN, SUPPRESSED
from visitseq.figures.study import Setting, Study

SETTING = Setting("riverside", "heart_failure", "one_hot")
INDEX = datetime(2015, 6, 1)

#: Of fold 0: visits, days to the index of each, whether a case, whether predicted to be one.
FOUND = [
    ([[0, 1], [0], [2]], [100, 50, 10], True, True),
    ([[0]], [30], True, True),
    ([[3], [3]], [90, 60], True, False),
    ([[1]], [20], False, True),
    ([[2, 3]], [200], False, False),
    ([], [], False, False),
]


@pytest.fixture(scope="module")
def two_folds(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = study_of(folds=[0, 3], draws=60)
    results = tmp_path_factory.mktemp("two_folds")
    write_results(study, results, sets=140)
    return Study.from_mapping(study, results)


def by_hand(folder: Path, copies: int = 1, patients: Any = FOUND, **changes: Any) -> Study:
    """Write ``copies`` of the rows of ``patients`` into fold 0, a person each."""
    study = study_of(models=["gru"], draws=100, minimum_cell=1, **changes)
    rows, predicted = [], []
    for copy in range(copies):
        for number, (visits, days, label, positive) in enumerate(patients):
            subject = copy * len(patients) + number
            rows.append(Row(visits, label, 0, days, subject, copy, INDEX))
            predicted.append(positive)
    encoded = folder.joinpath("3_encode", *SETTING)
    write_visits(rows, encoded / "visits.arrow")
    write_vocabulary(rows, 4, 7, encoded / "vocabulary.parquet")
    columns = {
        "set_id": [row.set_id for row in rows],
        "score": [float(positive) for positive in predicted],
        "subject_id": [row.subject_id for row in rows],
        "prediction_time": [INDEX] * len(rows),
        "boolean_value": [row.label for row in rows],
        "predicted_boolean_value": predicted,
        "predicted_boolean_probability": [float(positive) for positive in predicted],
    }
    place = folder.joinpath("5_evaluate", *SETTING, "gru", "fold0")
    tables.write_parquet(pa.table(columns).cast(tables.PREDICTIONS), place / "predictions.parquet")
    return Study.from_mapping(study, folder)


def estimates(study: Study) -> dict[tuple[str, str, str], str]:
    table = errors_table(study)
    keys = zip(table["cell"], table["measure"], table["code"], strict=True)
    return dict(zip(keys, table["estimate"], strict=True))


def test_a_table_of_errors_by_hand(tmp_path: Path) -> None:
    found = estimates(by_hand(tmp_path, copies=3))
    values = {
        ("true positives", "persons", ""): "6",
        ("true positives", "visits", ""): "2.00 [2.00, 2.00]",  # (3 + 1) / 2
        ("true positives", "days between visits", ""): "45.00 [45.00, 45.00]",  # 90 / 2
        ("true positives", "codes a visit", ""): "1.25 [1.25, 1.25]",  # 5 / 4
        ("true positives", "share with the code", "condition/0"): "1.000 [1.000, 1.000]",
        ("true positives", "share with the code", "condition/1"): "0.500 [0.500, 0.500]",
        ("false negatives", "days between visits", ""): "30.00 [30.00, 30.00]",
        ("false positives", "days between visits", ""): "undefined (no person)",
        ("true negatives", "visits", ""): "0.50 [0.50, 0.50]",
        ("true negatives", "codes a visit", ""): "2.00 [2.00, 2.00]",
    }
    assert {key: found[key] for key in values} == values
    assert ("true positives", "share with the code", "condition/3") not in found


def test_cells_and_codes_of_few_persons_are_not_shown(tmp_path: Path) -> None:
    """True positives 16, false negatives 8: 24 are known, and means would tell the 16."""
    found = estimates(replace(by_hand(tmp_path, copies=8), minimum_cell=10))
    assert found["false negatives", "persons", ""] == "<10"
    assert found["true positives", "persons", ""] == HIDDEN
    assert found["true negatives", "persons", ""] == HIDDEN
    assert {text for (_, name, _), text in found.items() if name != "persons"} == {SUPPRESSED}
    assert not any(code for _, _, code in found)


def test_a_code_that_all_but_few_have_is_not_shown(tmp_path: Path) -> None:
    """Sixteen true positives and nobody missed: eight have code 1, and so eight have not."""
    right = [patient for patient in FOUND if patient[2] == patient[3]]
    found = estimates(replace(by_hand(tmp_path, copies=8, patients=right), minimum_cell=10))
    assert found["true positives", "persons", ""] == "16"
    assert found["true positives", "visits", ""] == "2.00 [2.00, 2.00]"
    assert found["false negatives", "persons", ""] == "0"
    assert ("true positives", "share with the code", "condition/0") in found
    assert ("true positives", "share with the code", "condition/1") not in found


def test_the_papers_numbers_stand_beside_its_own_model_and_window(tmp_path: Path) -> None:
    section = {"kind": "onset", "cohort": "heart_failure", "phenotype_codes": "keep"}
    windows = {"observation_months": 12, "prediction_months": 6}
    papers = by_hand(tmp_path / "own", tasks={"heart_failure": {**section, **windows}})
    table = errors_table(papers)
    published = dict(zip(zip(table["cell"], table["measure"]), table[HEADING]))  # noqa: B905
    assert published["true positives", "visits"] == "31.72"
    assert published["false negatives", "codes a visit"] == "2.94"
    assert published["true positives", "share with the code"] == ""
    assert set(errors_table(by_hand(tmp_path / "other"))[HEADING]) == {""}


def test_an_interval_over_folds_is_students() -> None:
    values = [0.31, 0.42, 0.28, 0.4]
    found = interval_over_folds(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((sum(values) / 4, low, high))
    assert interval_over_folds([0.0, 1.0]).low == 0


def test_importance_is_averaged_over_folds(two_folds: Study) -> None:
    (importance,) = read_importances(two_folds)
    assert [code.code for code in importance.codes] == [f"condition/{n}" for n in range(TOP)]
    second = importance.codes[1]
    assert second.mean == pytest.approx(-(0.5 + 0.65) / 2)
    assert second.mean_absolute == pytest.approx(interval_over_folds([0.5, 0.65]), nan_ok=True)
    assert importance.interval == "95% t-interval over 2 folds"
    table = importance_table(two_folds, [importance])
    assert table["rank"].tolist() == list(range(1, TOP + 1))
    assert set(table["records"]) == {"synthetic"}


def test_a_code_that_one_fold_leaves_out_is_left_out(tmp_path: Path) -> None:
    study = study_of(models=["gru"], folds=[0, 3], draws=60)
    write_results(study, tmp_path, sets=70)
    path = tmp_path.joinpath("5_evaluate", *SETTING, "gru", "fold3", "importance.csv")
    fewer = pd.read_csv(path).iloc[1:]
    fewer.to_csv(path, index=False)
    (importance,) = read_importances(Study.from_mapping(study, tmp_path))
    assert importance.codes[0].code == "condition/1"


def test_one_fold_has_its_bootstrap_interval(tmp_path: Path) -> None:
    study = study_of(models=["gru"], draws=60)
    write_results(study, tmp_path, sets=70)
    shown = Study.from_mapping(study, tmp_path)
    (importance,) = read_importances(shown)
    assert importance.interval == "95% bootstrap interval of matched sets, one fold"
    assert importance.codes[0].mean_absolute == pytest.approx((1, 0.99, 1.01, None))


def test_the_figure_names_method_and_interval(two_folds: Study) -> None:
    figure = draw_importance(two_folds, read_importances(two_folds))
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert "synthetic records" in texts
    assert any("integrated gradients" in t and "95% t-interval over 2 folds" in t for t in texts)
    assert "raises the scores on average" in texts
    (axes,) = figure.axes
    assert len(axes.get_yticks()) == TOP


def test_a_study_that_explains_nothing_says_so(tmp_path: Path) -> None:
    study = Study.from_mapping(study_of(explained=[]), tmp_path)
    figure = draw_importance(study, read_importances(study))
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert "no model is explained: run/explain names none of run/models" in texts
    assert importance_table(study, []).empty
    assert errors_table(study).empty


def test_giveaways_of_few_persons_are_not_shown(two_folds: Study) -> None:
    table = giveaways_table(two_folds).set_index("giveaway")
    assert table.loc["heart_failure", "cases"] == "0 persons"
    assert table.loc["heart_failure", "controls"] == "<10 persons"
    assert table.loc["loop_diuretics", "cases"] == "25.0% [21.0, 29.0]"
    assert set(table["observation_months"]) == {18}


def test_giveaways_of_nested_windows_do_not_differ_by_few(tmp_path: Path) -> None:
    """Cases with it, in the longest window first: 60, 55 (5 too near), 45; elsewhere 58."""
    windows = {"year": (12, 6), "months_9": (9, 6), "months_3": (3, 6), "late": (12, 0)}
    tasks = {
        name: {"kind": "onset", "cohort": "heart_failure"}
        | {"observation_months": observed, "prediction_months": gap}
        for name, (observed, gap) in windows.items()
    }
    study = Study.from_mapping(study_of(tasks=tasks), tmp_path)
    numbers = {"year": (60, 30), "months_9": (55, 30), "months_3": (45, 12), "late": (58, 31)}
    for task, (cases, controls) in numbers.items():
        path = study.giveaways("riverside", task)
        path.parent.mkdir(parents=True)
        lines = ["giveaway,group,persons,persons_with,share,low,high,reason"]
        lines.append(f"heart_failure,cases,100,{cases},{cases / 100},0.1,0.9,")
        lines.append(f"heart_failure,controls,400,{controls},{controls / 400},0.01,0.2,")
        path.write_text("\n".join(lines) + "\n", "utf-8")
    table = giveaways_table(study).set_index("task")
    shown = {task: text.split()[0] for task, text in table["cases"].items() if text != HIDDEN}
    assert shown == {"year": "60.0%", "months_3": "45.0%", "late": "58.0%"}
    assert HIDDEN not in set(table["controls"])  # 30, 30 and 12; 31 is of a window of its own


def test_what_a_site_cannot_show_has_its_reason(tmp_path: Path) -> None:
    study = Study.from_mapping(study_of(), tmp_path)
    path = study.giveaways("riverside", "heart_failure")
    path.parent.mkdir(parents=True)
    header = "giveaway,group,persons,persons_with,share,low,high,reason\n"
    lines = [
        f"loop_diuretics,{group},,,,,,the site has no drug codes" for group in ("cases", "controls")
    ]
    path.write_text(header + "\n".join(lines) + "\n", "utf-8")
    assert giveaways_table(study)["cases"].tolist() == ["unknown (the site has no drug codes)"]
