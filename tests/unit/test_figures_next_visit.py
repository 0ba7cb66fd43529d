"""Doctor AI's tables and figures: ours by hand, the paper's as printed, nothing that overlaps."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from arrow_visits import Row, write_histories, write_vocabulary
from figure_words import overlaps
from figure_words import shown_words as words
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from study_results import CODES, ENCODINGS, PARTS, RECURRENT, study_of, write_next_visits

from visitseq.evaluate.next_visit_strata import strata_table
from visitseq.figures.doctor_ai import doctor_ai_figures, doctor_ai_tables
from visitseq.figures.metrics_table import metrics_table, readable_metrics
from visitseq.figures.next_visit_data import next_visit_data_table
from visitseq.figures.next_visit_entropy import draw_entropy
from visitseq.figures.next_visit_groups import read_group_recalls
from visitseq.figures.next_visit_recall import draw_by_labels
from visitseq.figures.next_visit_results import NextVisitResult, read_next_visits
from visitseq.figures.published import HEADING
from visitseq.figures.published_next_visit import (
    doctor_ai,
    published_labels,
    published_next_visit,
    published_r2,
    published_recalls,
)
from visitseq.figures.schematic_next_visit import draw_schematic_next_visit
from visitseq.figures.study import Study
from visitseq.figures.style import house_style
from visitseq.train.next_visit import NextVisitModel

NAMES = ["schematic_next_visit"]
NAMES += [f"next_visit_{what}" for what in ("recall", "frequency", "labels", "entropy")]
SECTIONS: dict[str, dict[str, Any]] = {
    "gru": RECURRENT,
    "gru_2": {**RECURRENT, "layers": 2},
    "most_frequent": {"kind": "most_frequent"},
    "last_visit": {"kind": "last_visit"},
}


def task(*labels: str, split: str = "parts") -> dict[str, Any]:
    same = {"kind": "next_visit", "cohort": "everyone", "rollup": "icd3"}
    return {**same, "labels": list(labels), "split": split}


DX = {"dx": task("condition")}
BOTH = {**DX, "dx_rx": task("condition", "drug", split="paper")}


def mapping_of(
    tasks: dict[str, Any] = DX,
    sections: dict[str, dict[str, Any]] = SECTIONS,
    encodings: tuple[str, ...] = ("one_hot",),
    **changes: Any,
) -> dict[str, Any]:
    return study_of(
        tasks=tasks,
        models=list(sections),
        model_sections=sections,
        encodings=list(encodings),
        next_visits=list(product(tasks, encodings, sections)),
        draws=20,
        **changes,
    )


def rows_by(table: pd.DataFrame, *keys: str) -> dict[Any, dict[str, Any]]:
    """Rows of a table by what stands in some columns, a tuple where there are several."""
    lines: list[dict[Any, Any]] = table.to_dict("records")
    places = [tuple(line[key] for key in keys) for line in lines]
    single = len(keys) == 1
    return dict(zip((p[0] if single else p for p in places), lines, strict=True))


def written(folder: Path, persons: int = 280, **changes: Any) -> Study:
    mapping = mapping_of(**changes)
    write_next_visits(mapping, folder, persons)
    return Study.from_mapping(mapping, folder)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("doctor_ai")
    return written(folder, tasks=BOTH, encodings=("one_hot", "skipgram"), folds=[0, 1])


@pytest.fixture(scope="module")
def results(study: Study) -> list[NextVisitResult]:
    return read_next_visits(study)


@pytest.fixture(scope="module")
def figures(study: Study, results: list[NextVisitResult]) -> dict[str, Figure]:
    with house_style():
        return doctor_ai_figures(study, results)


def test_the_published_numbers_agree_with_one_another() -> None:
    numbers = doctor_ai()
    first = numbers["table1"]
    assert first["condition_labels"] + first["drug_labels"] == first["labels"] == 1778
    table = numbers["table2"]["per_cent"]
    assert len(table) == 8
    assert table["RNN-2-IR"] == {
        "dx": [64.30, 74.31, 79.58],
        "rx": [68.16, 79.74, 85.48],
        "dx_rx": [54.96, 66.31, 72.48],
        "r2": 0.2534,
    }
    for model, labels in product(table, ("dx", "rx", "dx_rx")):
        assert table[model][labels] == sorted(table[model][labels])
    curves = numbers["fig2a"]
    assert {len(values) for values in curves["recall"].values()} == {len(curves["visits"])} == {20}
    assert np.all(np.diff(list(curves["recall"].values()), axis=0) > 0)
    assert [p[-1] for p in numbers["fig2b"]["entropy_bits"].values()] == [[200, 0.68], [200, 8.51]]


def test_a_model_and_a_task_are_the_papers_where_they_are_the_same() -> None:
    def named(encoding: str, **changes: Any) -> str | None:
        return published_next_visit({**RECURRENT, **changes}, ENCODINGS[encoding])

    assert (named("one_hot"), named("skipgram")) == ("RNN-1", "RNN-1-IR")
    assert (named("grouped", layers=2), named("skipgram", layers=2)) == ("RNN-2", "RNN-2-IR")
    assert {named("one_hot", cell="lstm"), named("one_hot", layers=3)} == {None}
    kinds = ("most_frequent", "last_visit", "logistic", "mlp", "trees")
    found = [published_next_visit({"kind": kind}, ENCODINGS["one_hot"]) for kind in kinds]
    assert found == ["Most frequent", "Last visit", "Logistic", "MLP", None]
    tasks = [("condition",), ("drug",), ("drug", "condition"), ("procedure",)]
    assert [published_labels(task(*own)) for own in tasks] == ["dx", "rx", "dx_rx", None]
    assert published_recalls("Most frequent", "rx") == {10: "0.6299", 20: "0.6902", 30: "0.7007"}
    assert set(published_recalls("Last visit", "dx").values()) == {"0.2917 (any k)"}
    assert set(published_recalls(None, "dx").values()) == {""}
    assert (published_r2("RNN-1", "dx_rx"), published_r2("RNN-1", "dx")) == ("0.2519", "")


def test_table_2_has_the_published_values_beside_ours(
    study: Study, results: list[NextVisitResult]
) -> None:
    table = doctor_ai_tables(study, results)["next_visit"]
    assert len(table) == 2 * 2 * 4
    lines = rows_by(table, "task", "encoding", "model")
    line = lines["dx_rx", "skipgram", "gru_2"]
    printed = [line[f"{HEADING}: {name}"] for name in ("model", "recall at 20", "R2 of log days")]
    assert printed == ["RNN-2-IR", "0.6631", "0.2534"]
    assert lines["dx", "one_hot", "most_frequent"][f"{HEADING}: recall at 10"] == "0.5663"
    assert lines["dx", "one_hot", "most_frequent"][f"{HEADING}: R2 of log days"] == ""
    assert (line["labels"], line["records"], line["persons"]) == (
        "condition + drug",
        "synthetic",
        "80",
    )
    # What was trained on the validation part too is told from what was not.
    assert {place[0]: line["split"] for place, line in lines.items()} == {
        "dx": "parts",
        "dx_rx": "paper",
    }
    result = next(r for r in results if r.setting.task == "dx_rx" and r.model == "gru_2")
    one, two = (fold.metrics["recall_at_20"].value for fold in result.folds)
    shown = lines["dx_rx", "one_hot", "gru_2"]["recall_at_20"]
    assert shown.startswith(f"{(one + two) / 2:.3f} [")
    assert lines["dx", "one_hot", "last_visit"]["mae_days"].startswith("undefined in 2 of 2")


HAND = [
    Row([[1, 2, 3], [4]], None, 0, [50, 10], subject_id=1),
    Row([[1], [1, 2, 3, 4, 5], [2]], None, 1, [40, 30, 10], subject_id=2),
    Row([list(range(12)), [1]], None, 2, [9, 5], subject_id=3),
]


def by_hand(folder: Path, minimum: int) -> dict[str, str]:
    mapping = mapping_of(sections={"last_visit": {"kind": "last_visit"}}, minimum_cell=minimum)
    write_next_visits(mapping, folder, persons=14)
    place = folder / "3_encode/riverside/dx/one_hot"
    write_histories(HAND, place / "visits.arrow")
    write_vocabulary(HAND, 20, PARTS, place / "labels.parquet")
    table = next_visit_data_table(Study.from_mapping(mapping, folder))
    return dict(zip(table["quantity"], table["value"], strict=True))


def test_table_1_by_hand(tmp_path: Path) -> None:
    values = by_hand(tmp_path, minimum=2)
    assert list(values.values()) == [
        "3",
        f"{7 / 3:.2f}",
        f"{(3 + 1 + 1 + 5 + 1 + 12 + 1) / 7:.2f}",
        "5",  # two persons have a visit of five codes or more
        "12",
        "20",
        "20",
        f"{(40 + 10 + 20 + 4) / 4:.2f}",
        "<2",
    ]
    assert "reached by 2 patients" in list(values)[3]


def test_table_1_says_which_share_of_the_codes_was_rolled_up(tmp_path: Path) -> None:
    mapping = mapping_of(sections={"last_visit": {"kind": "last_visit"}}, minimum_cell=2)
    write_next_visits(mapping, tmp_path, persons=14)
    path = tmp_path / "3_encode/riverside/dx/one_hot/visits.arrow"
    batch = pa.ipc.open_file(pa.BufferReader(path.read_bytes())).get_batch(0)
    counted = {"rolled_up_condition": "3", "not_rolled_up_condition": "1"}
    with pa.ipc.new_file(path, batch.schema.with_metadata(counted)) as writer:
        writer.write_batch(batch.replace_schema_metadata(counted))
    table = next_visit_data_table(Study.from_mapping(mapping, tmp_path))
    values = dict(zip(table["quantity"], table["value"], strict=True))
    assert values["codes of domain condition that were rolled up, share"] == "0.75"


def test_table_1_of_few_persons_says_nothing(tmp_path: Path) -> None:
    assert set(by_hand(tmp_path, minimum=4).values()) == {"suppressed"}


def test_table_1_has_the_papers_numbers_of_both_labels_beside_both(study: Study) -> None:
    table = next_visit_data_table(study)
    lines = rows_by(table[table["encoding"] == "one_hot"], "task", "quantity")
    printed = {place: line[HEADING] for place, line in lines.items()}
    assert printed["dx", "patients"] == "263,706"
    assert printed["dx", "distinct labels, condition"] == "1,183"
    assert printed["dx", "distinct labels, all"] == ""
    assert printed["dx_rx", "distinct labels, all"] == "1,778"
    assert printed["dx_rx", "patients with a visit of more than 10 labels"] == "50.7%"


def test_recalls_by_group_are_those_of_stage_5(
    study: Study, results: list[NextVisitResult]
) -> None:
    result = results[0]
    found = read_group_recalls(study, [result])[0].recalls
    tables = []
    for fold in result.folds:
        card = json.loads(study.trained(result.setting, result.model, fold.fold).read_text())
        ids, counts = np.array(card["known_labels"]), np.array(card["label_visits"])
        model = NextVisitModel("last_visit", ids, ids, counts, "here", True, None)
        table = strata_table(fold.visits, model, 20, 0, fold.fold)
        tables.append(rows_by(table, "stratum", "group", "metric"))
    both = [(line, tables[1][place]) for place, line in tables[0].items() if place in tables[1]]
    shown = [(one, two) for one, two in both if one["persons"] >= 10 and two["persons"] >= 10]
    assert sum(len(own) for groups in found.values() for own in groups.values()) == len(shown)
    assert len(shown) < len(both)
    for one, two in shown:
        estimate = found[one["stratum"]][one["group"]][one["metric"]]
        assert estimate.value == pytest.approx((one["value"] + two["value"]) / 2)
        assert estimate.low <= estimate.value <= estimate.high


def points(axes: Axes) -> list[Any]:
    return [bars for bars in axes.containers if isinstance(bars, ErrorbarContainer)]


def test_what_is_drawn_is_what_was_measured(
    figures: dict[str, Figure], study: Study, results: list[NextVisitResult]
) -> None:
    axes = figures["next_visit_recall"].axes
    assert len(axes) == 4 * 3 + 1
    first = read_group_recalls(study, results[:1])[0].recalls["visit_number"]
    drawn = points(axes[1])[0].lines[0].get_ydata()
    assert list(drawn) == [own["recall_at_20"].value for own in first.values()]
    curves = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in axes[-1].lines}
    printed = doctor_ai()["fig2a"]["recall"]
    assert curves == {f"recall at {k}": values for k, values in printed.items()}
    lines = {line.get_label(): line for line in figures["next_visit_entropy"].axes[0].lines}
    assert list(lines) == [f"{m}, {g}" for m in ("gru", "gru_2") for g in ("frequent", "rare")]
    assert (
        np.asarray(lines["gru, frequent"].get_ydata()).tolist() == (5 / np.arange(1, 201)).tolist()
    )
    paper = figures["next_visit_entropy"].axes[-1]
    assert paper.get_title(loc="left").startswith("Published, other data: Choi et al. 2016")
    for line, values in zip(
        paper.lines, doctor_ai()["fig2b"]["entropy_bits"].values(), strict=True
    ):
        assert np.asarray(line.get_xydata()).tolist() == values


@pytest.mark.parametrize("name", NAMES)
def test_no_words_overlap_or_leave_the_figure(figures: dict[str, Figure], name: str) -> None:
    figure = figures[name]
    assert len(words(figure)) > 15
    assert overlaps(figure) == []
    assert figure.get_size_inches()[0] <= 7.1
    assert ("synthetic records" in words(figure)) != name.startswith("schematic")


def test_many_models_and_one_task_are_readable(tmp_path: Path) -> None:
    sections = {f"a_network_of_number_{number}": RECURRENT for number in range(9)}
    study = written(tmp_path, sections=sections, persons=140)
    with house_style():
        drawn = doctor_ai_figures(study, read_next_visits(study))
    for figure in drawn.values():
        assert overlaps(figure) == []


def test_few_persons_are_not_drawn(tmp_path: Path) -> None:
    study = written(tmp_path, persons=14)
    with house_style():
        figure = draw_by_labels(study, read_group_recalls(study, read_next_visits(study)))
    assert sum("fewer than 10\npersons" in text for text in words(figure)) == 3
    assert not any(points(axes) for axes in figure.axes)
    assert overlaps(figure) == []


def test_no_code_of_enough_persons_is_said(tmp_path: Path) -> None:
    study = written(tmp_path, persons=14)
    for path in tmp_path.rglob("repetition.csv"):
        path.write_text(path.read_text().splitlines()[0] + "\n")
    with house_style():
        figure = draw_entropy(study)
    assert any("10 persons have" in text for text in words(figure))
    assert overlaps(figure) == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cell": "lstm", "layers": 3, "loss": "sigmoid", "tradeoff": 0.5},
        {"embed": "tanh", "duration": False, "dropout": 0},
    ],
)
def test_the_network_is_drawn_as_it_was_trained(tmp_path: Path, changes: dict[str, Any]) -> None:
    section = {**RECURRENT, "hidden": 77, **changes}
    vectors = {**ENCODINGS["skipgram"], "dimension": 33}
    sections = {"last_visit": {"kind": "last_visit"}, "gru": section}
    mapping = mapping_of(sections=sections, encodings=("skipgram",))
    mapping["encoding_sections"] = {"skipgram": vectors}
    write_next_visits(mapping, tmp_path, 14)
    with house_style():
        figure = draw_schematic_next_visit(Study.from_mapping(mapping, tmp_path))
    assert overlaps(figure) == []
    said = words(figure)
    assert said.count(section["cell"].upper()) == 3 * section["layers"]
    assert sum(text.endswith(", 77") for text in said) == section["layers"]
    assert "embedding, 33" in said
    assert f"labels of the next visit, {CODES - 3}" in said
    assert {r"$\hat{y}_{2}$", r"$\hat{d}_{3}$", r"$\hat{y}_{T+1}$"} <= set(said)
    loss = changes.get("loss", "multinomial")
    assert any(text.endswith(f"{loss} loss") for text in said)
    assert ("dropout 0.5 where dashed" in said) == (section["dropout"] > 0)


@pytest.mark.parametrize("draw", [draw_entropy, draw_schematic_next_visit])
def test_nothing_to_show_is_said(draw: Callable[[Study], Figure]) -> None:
    mapping = mapping_of(sections={"last_visit": {"kind": "last_visit"}}, folds=[])
    study = Study.from_mapping(mapping, Path("nowhere"))
    with house_style():
        assert "no recurrent network predicted\nthe next visit" in words(draw(study))
        assert "no next visit was predicted" in words(draw_by_labels(study, []))
    assert read_next_visits(study) == []
    onset = Study.from_mapping(study_of(), Path("nowhere"))
    assert doctor_ai_tables(onset, []) == doctor_ai_figures(onset, []) == {}


def test_the_tables_of_metrics_have_them_too(study: Study, results: list[NextVisitResult]) -> None:
    metrics = metrics_table(results, [], 10).to_pandas()
    assert set(metrics["model"]) == set(SECTIONS)
    assert {"recall_at_10", "r2_log_days", "mae_days"} <= set(metrics["metric"])
    gru = metrics[(metrics["task"] == "dx") & (metrics["model"] == "gru")]
    assert len(gru) == 2 * 17 * 3  # encodings, metrics, folds and their mean
    line = rows_by(readable_metrics(study, results), "task", "encoding", "model")[
        "dx", "one_hot", "gru"
    ]
    assert line["ndcg_at_30"].count("[") == 1
    assert (line["folds"], line["rows"]) == (2, "80")
    assert pd.isna(line["auroc"])
