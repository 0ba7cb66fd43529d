"""What models are worth at another site: by hand, as published, and nothing that overlaps."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure_words import overlaps
from figure_words import shown_words as words
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from moved_models import FEW, WORTH, coverage_of, write_json, write_moved
from study_results import study_of, write_next_visits, write_results

from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.figures.metrics_table import metrics_table
from visitseq.figures.model_results import ModelResult, read_results
from visitseq.figures.next_visit_results import NextVisitResult, read_next_visits
from visitseq.figures.published_next_visit import doctor_ai
from visitseq.figures.small_cells import HIDDEN, show_count
from visitseq.figures.study import Direction, Study
from visitseq.figures.style import house_style
from visitseq.figures.transfer_counts import training_counts
from visitseq.figures.transfer_curve import read_curves
from visitseq.figures.transfer_figures import transfer_figures, transfer_tables
from visitseq.figures.transfer_fraction import draw_by_fraction
from visitseq.figures.transfer_results import (
    Counts,
    TransferResult,
    mean_of_folds,
    read_transfers,
)

NAMES = [f"transfer_{what}" for what in ("matrix", "fraction", "curve", "coverage", "calibration")]
ONSET = {"kind": "onset", "cohort": "heart_failure", "observation_months": 18}
ONSET |= {"prediction_months": 0}
NEXT = {"kind": "next_visit", "cohort": "everyone", "labels": ["condition"], "rollup": "none"}
ONSETS = {"heart_failure": ONSET}
TASKS: dict[str, Any] = {**ONSETS, "next_visit": NEXT}
SITES = ("riverside", "lakeview")
SITE = {"synthetic": True, "simulated": False}
THERE = [("riverside", "lakeview")]
#: What is trained of a model; all of it unless said.
STRATEGIES: dict[str, Sequence[str]] = {"logistic": ("last_layer", "scratch"), "svm": ("scratch",)}


def mapping_of(
    pairs: list[tuple[str, str]] = THERE,
    models: tuple[str, ...] = ("gru",),
    tasks: dict[str, Any] = TASKS,
    sites: tuple[str, ...] = SITES,
    **changes: Any,
) -> dict[str, Any]:
    next_visits = [(t, "one_hot", m) for t in tasks if t == "next_visit" for m in models]
    moved = [[*pair, t, "one_hot", m] for pair in pairs for t in tasks for m in models]
    return study_of(
        sites=dict.fromkeys(sites, SITE),
        tasks=tasks,
        models=list(models),
        next_visits=next_visits,
        transfer=moved,
        draws=20,
        **changes,
    )


def written(folder: Path, sizes: dict[str, int] | None = None, **changes: Any) -> Study:
    mapping = mapping_of(**changes)
    onsets = {name: task for name, task in mapping["tasks"].items() if task["kind"] == "onset"}
    write_results({**mapping, "tasks": onsets}, folder, sets=280)
    if mapping["next_visits"]:
        write_next_visits(mapping, folder, 140)
    study = Study.from_mapping(mapping, folder)
    write_moved(study, STRATEGIES, **(sizes or {}))
    return study


def drawn(study: Study) -> dict[str, Figure]:
    home: list[ModelResult | NextVisitResult] = [*read_results(study), *read_next_visits(study)]
    with house_style():
        return transfer_figures(study, home, read_transfers(study))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return written(tmp_path_factory.mktemp("moved"))


@pytest.fixture(scope="module")
def results(study: Study) -> list[TransferResult]:
    return read_transfers(study)


@pytest.fixture(scope="module")
def figures(study: Study) -> dict[str, Figure]:
    return drawn(study)


def panel(figure: Figure, title: str) -> Axes:
    return next(axes for axes in figure.axes if title in axes.get_title(loc="left"))


def test_the_mean_of_two_folds_by_hand() -> None:
    folds = [Estimate(0.6, 0.5, 0.64), Estimate(0.8, 0.6, 0.86)]
    mean = mean_of_folds(folds)
    assert mean.value == pytest.approx(0.7)
    assert mean.low == pytest.approx(0.7 - math.hypot(0.1, 0.2) / 2)
    assert mean.high == pytest.approx(0.7 + math.hypot(0.04, 0.06) / 2)
    assert mean_of_folds(folds[:1]) == folds[0]
    few = mean_of_folds([folds[0], undefined(FEW)])
    assert few.reason == f"undefined in 1 of 2 folds: {FEW}"
    without = mean_of_folds([folds[0], Estimate(0.8, math.nan, math.nan, "no interval")])
    assert without.value == pytest.approx(0.7)
    assert without.reason == "no interval: a fold has none"


def test_the_interval_over_folds_is_that_of_the_folds_draws(tmp_path: Path) -> None:
    mapping = study_of(models=["logistic"], folds=[0, 1, 2, 3], draws=2000)
    write_results(mapping, tmp_path, sets=280)
    shown = Study.from_mapping(mapping, tmp_path)
    (home,) = read_results(shown)
    own = mean_of_folds([fold.metrics["auroc"] for fold in home.folds])
    by_draw = home.means["auroc"]
    assert own.value == pytest.approx(by_draw.value)
    assert own.low == pytest.approx(by_draw.low, abs=0.003)
    assert own.high == pytest.approx(by_draw.high, abs=0.003)


def test_metrics_have_every_arm(study: Study, results: list[TransferResult]) -> None:
    table = metrics_table([], results, 10).to_pandas()
    assert set(zip(table["source"], table["target"], strict=True)) == set(THERE)
    auroc = table[(table["metric"] == "auroc") & (table["fold"] == 0)]
    assert auroc["strategy"].tolist() == ["zero_shot"] + [s for s in WORTH for _ in range(6)]
    assert auroc["fraction"].tolist() == [0] + 3 * [5, 10, 20, 40, 80, 100]
    last = auroc[(auroc["strategy"] == "scratch") & (auroc["fraction"] == 100)].iloc[0]
    assert (last["value"], last["low"], last["high"]) == pytest.approx((0.77, 0.74, 0.80))
    assert table["fold"].isna().sum() == (table["fold"] == 0).sum()
    assert {"peak", "recalibrated_slope", "recall_source_labels_at_30"} <= set(table["metric"])
    everybody = results[0].zero_shot.means["auroc"].value
    assert auroc.iloc[0]["value"] == everybody == 0.68


def lines_of(study: Study) -> dict[tuple[Any, ...], dict[str, Any]]:
    table = transfer_tables(study, read_transfers(study))["transfer"]
    keys = ["task", "model", "strategy", "fraction", "patients"]
    lines: list[dict[Any, Any]] = table.to_dict("records")
    return {tuple(line[key] for key in keys): line for line in lines}


def test_the_table_by_hand(study: Study) -> None:
    lines = lines_of(study)
    assert len(lines) == 2 * (3 + 3 * 6)
    line = lines["heart_failure", "gru", "fine_tuned", 100, "all"]
    assert (line["records"], line["source_records"]) == ("synthetic", "synthetic")
    assert (line["training_rows"], line["training_cases"]) == ("2,500", "500")
    assert (line["rows"], line["cases"]) == ("500", "100")
    assert line["auroc"] == "0.790 [0.760, 0.820]"
    assert line["peak_auroc_optimistic"] == "0.810 [0.780, 0.840]"
    assert line["auroc_less_scratch"] == line["auroc_less_zero_shot"] == "0.020 [0.010, 0.030]"
    assert (line["recall_at_30"], line["recall_at_30_less_scratch"]) == ("", "")
    low = lines["heart_failure", "gru", "zero_shot", 0, "low coverage"]
    assert (low["auroc"], low["rows"], low["cases"]) == ("0.640 [0.610, 0.670]", "250", "50")
    assert low["training_rows"] == low["auroc_less_scratch"] == ""
    visits = lines["next_visit", "gru", "scratch", 5, "all"]
    assert (visits["training_rows"], visits["training_cases"]) == ("125", "")
    assert visits["recall_source_labels_at_30"] == "0.550 [0.520, 0.580]"


def test_what_is_small_is_not_shown(tmp_path: Path) -> None:
    shown = written(tmp_path, sizes={"train": 300, "n": 90})
    lines = lines_of(shown)
    few = lines["heart_failure", "gru", "scratch", 5, "all"]
    assert (few["training_rows"], few["training_cases"]) == ("not shown", "<10")
    assert few["auroc"] == few["peak_auroc_optimistic"] == FEW
    some = lines["heart_failure", "gru", "scratch", 20, "all"]
    assert (some["training_rows"], some["training_cases"]) == ("60", "12")
    # 18 cases are tested, 9 of them of high coverage: both groups are hidden, their sum is not.
    group = lines["heart_failure", "gru", "zero_shot", 0, "high coverage"]
    assert group["auroc"] == group["rows"] == group["cases"] == "suppressed"
    assert lines["heart_failure", "gru", "zero_shot", 0, "all"]["auroc"] == "0.680 [0.650, 0.710]"
    figures = drawn(shown)
    said = words(figures["transfer_fraction"])
    assert {"5%\n<10", "not estimable or undefined"} <= set(said)
    crosses = [
        line for line in figures["transfer_fraction"].axes[0].lines if line.get_marker() == "x"
    ]
    assert sum(len(np.asarray(line.get_xdata())) for line in crosses) == 3 * 3  # 5, 10 and 20%
    assert words(figures["transfer_coverage"]).count("suppressed") == 2
    for name in ("transfer_fraction", "transfer_coverage"):
        assert overlaps(figures[name]) == []


def test_the_legend_names_what_is_drawn(tmp_path: Path) -> None:
    shown = written(tmp_path, models=("gru", "svm"), tasks=ONSETS)
    gru, svm = read_transfers(shown)
    few = replace(gru.zero_shot, tested=[Counts(100, 3)])
    gru = replace(gru, arms=[few, *gru.trained])
    with house_style():
        said = words(draw_by_fraction(shown, [gru, svm]))
        both = words(draw_by_fraction(shown, read_transfers(shown)))
    assert "from scratch" in said
    assert "last layer" not in said
    assert "last layer" in both


def test_rows_that_tell_few_cases_or_controls_are_hidden() -> None:
    assert training_counts(Counts(200, 40), 10) == ("200", "40")
    assert training_counts(Counts(49, 40), 10) == (HIDDEN, "40")
    assert training_counts(Counts(90, 9), 10) == (HIDDEN, show_count(9, 10))
    assert training_counts(Counts(90, None), 10) == ("90", "")


def test_an_empty_group_is_undefined_and_not_small(tmp_path: Path) -> None:
    shown = written(tmp_path, tasks=ONSETS)
    path = shown.transfer_folder(shown.directions[0], "gru", 0) / "metrics.json"
    content = json.loads(path.read_text("utf-8"))
    content["zero_shot_high_coverage"] |= {"n": 500, "cases": 100}
    nobody = {"value": None, "low": None, "high": None, "reason": "no cases in this half"}
    content["zero_shot_low_coverage"] |= {"n": 0, "cases": 0, "auroc": nobody}
    write_json(content, path)
    low = lines_of(shown)["heart_failure", "gru", "zero_shot", 0, "low coverage"]
    assert low["auroc"] == "undefined (no cases in this half)"
    assert words(drawn(shown)["transfer_coverage"]).count("undefined") == 1


def test_a_test_part_of_few_is_not_drawn(tmp_path: Path) -> None:
    figures = drawn(written(tmp_path, sizes={"n": 45}, tasks=ONSETS))
    for name in ("transfer_fraction", "transfer_curve"):
        assert any("fewer than 10 cases" in text for text in words(figures[name]))
    assert "suppressed" in words(figures["transfer_matrix"])
    assert words(figures["transfer_calibration"]).count("suppressed") == 2 * 4
    for figure in figures.values():
        assert "0.680" not in words(figure)
        assert overlaps(figure) == []


def test_coverage_by_hand(study: Study) -> None:
    table = transfer_tables(study, read_transfers(study))["coverage"]
    assert list(zip(table["task"], table["of"], strict=True)) == [
        ("heart_failure", "codes"),
        ("next_visit", "codes"),
        ("next_visit", "labels"),
    ]
    codes, labels = table.iloc[0], table.iloc[2]
    assert (codes["of_source"], codes["of_target"], codes["shared"]) == (1200, 880, 625)
    assert (codes["target_in_source_by_event"], codes["source_in_target_by_event"]) == (
        "0.930",
        "0.880",
    )
    assert (codes["unknown_rate"], codes["in_both"]) == ("0.070", "<10")
    assert (labels["of_target"], labels["unknown_rate"], labels["in_both"]) == (300, "", "")


def test_a_carried_model_has_no_records(tmp_path: Path) -> None:
    shown = written(tmp_path, pairs=[("carried", "lakeview")], tasks=ONSETS)
    content = coverage_of("onset")
    for by in ("by_event", "by_patient"):
        content[by] |= {"source_in_target": None, "reason": "no records came with it"}
    write_json(
        content, shown.coverage(Direction("carried", "lakeview", "heart_failure", "one_hot"))
    )
    tables = transfer_tables(shown, read_transfers(shown))
    assert set(tables["transfer"]["source_records"]) == {"carried model"}
    line = tables["coverage"].iloc[0]
    assert line["source_in_target_by_event"] == "undefined (no records came with it)"
    assert line["source_in_target_by_code"] == "0.520"
    figures = drawn(shown)
    assert words(figures["transfer_matrix"]).count("not run") == 3
    assert "carried" in words(figures["transfer_matrix"])
    assert overlaps(figures["transfer_matrix"]) == []


def test_the_matrix_has_home_on_its_diagonal(study: Study, figures: dict[str, Figure]) -> None:
    (home, away), said = read_results(study), words(figures["transfer_matrix"])
    assert f"{home.means['auroc'].value:.3f}" in said
    assert f"{away.means['auroc'].value:.3f}" in said
    recall = read_next_visits(study)[0].means["recall_at_30"].value
    assert f"{recall:.3f}" in said
    assert said.count("[0.650, 0.710]") == said.count("not run") == 2


def test_the_curve_by_hand(study: Study, results: list[TransferResult]) -> None:
    tuned, scratch = read_curves(study, results[0])
    assert (tuned.fraction, scratch.fraction) == (100, 100)
    assert (tuned.epochs[0], scratch.epochs[0], tuned.epochs[-1]) == (0, 1, 12)
    assert tuned.mean[0] == pytest.approx(0.69 + 0.01)  # draws add 0, 0.005 .. 0.02
    assert (tuned.low[0], tuned.high[0]) == pytest.approx((0.69, 0.71))
    assert np.isnan(tuned.mean).tolist() == [False] * 9 + [True] * 4  # draw 0 has 8 epochs
    assert tuned.chosen[:, 0].tolist() == [3, 4, 5, 6, 7]


def test_the_curve_is_of_the_folds_that_could_be_trained(tmp_path: Path) -> None:
    study = written(tmp_path, tasks=ONSETS, folds=[0, 1])
    ((direction, model),) = study.transferred
    path = study.transfer_folder(direction, model, 0) / "curve.csv"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    tuned, _ = read_curves(study, *read_transfers(study))
    assert tuned.mean[0] == pytest.approx(0.7)
    assert overlaps(drawn(study)["transfer_curve"]) == []


def test_the_published_curve_stands_apart(figures: dict[str, Figure]) -> None:
    printed = doctor_ai()["fig3"]["recall_at_30"]
    assert [len(curve) for curve in printed.values()] == [21, 20]
    assert printed["pre-trained"][0] == [0, 0.4495]
    assert max(value for _, value in printed["pre-trained"]) == 0.6257
    assert max(printed["from scratch"], key=lambda point: point[1]) == [9, 0.5229]
    axes = figures["transfer_curve"].axes[-1]
    assert axes.get_title(loc="left").startswith("Published, other data: Choi et al. 2016, Fig. 3")
    for line in axes.lines:
        assert np.asarray(line.get_xydata()).tolist() == printed[str(line.get_label())]


def test_fractions_are_drawn_as_measured(figures: dict[str, Figure]) -> None:
    axes = panel(figures["transfer_fraction"], "heart_failure")
    assert [text.get_text() for text in axes.get_xticklabels()][::5] == ["5%\n25", "100%\n500"]
    bars = [own for own in axes.containers if isinstance(own, ErrorbarContainer)]
    ends = {round(float(np.asarray(own.lines[0].get_ydata())[-1]), 3) for own in bars}
    assert ends == {0.74, 0.79, 0.77}
    assert list(np.asarray(axes.lines[0].get_ydata())) == [0.68, 0.68]
    persons = panel(figures["transfer_fraction"], "next_visit")
    assert persons.get_xticklabels()[-1].get_text() == "100%\n2,500"
    assert persons.get_xlabel().endswith("persons in it")


def test_calibration_is_of_onsets_alone(figures: dict[str, Figure]) -> None:
    intercept, slope = figures["transfer_calibration"].axes
    names = [text.get_text() for text in intercept.get_yticklabels()]
    assert names == ["gru   zero-shot"] + [
        f"{name} 100%" for name in ("last layer", "fine-tuned", "from scratch")
    ]
    dots = {
        round(float(np.asarray(line.get_xdata())[0]), 2)
        for line in slope.lines
        if str(line.get_marker()) in "Dos^"
    }
    assert dots == {0.6, 1.05}


@pytest.mark.parametrize("name", NAMES)
def test_no_words_overlap_or_leave_the_figure(figures: dict[str, Figure], name: str) -> None:
    assert overlaps(figures[name]) == []
    assert "synthetic records" in words(figures[name])


def test_several_directions_and_models_are_readable(tmp_path: Path) -> None:
    models, pairs = ("logistic", "gru"), [*THERE, ("lakeview", "lakeview")]
    shown = written(tmp_path, pairs=pairs, models=models, tasks=ONSETS, folds=[0, 1])
    figures = drawn(shown)
    for figure in figures.values():
        assert overlaps(figure) == []
        assert figure.get_size_inches()[0] <= 7.1
    assert len(figures["transfer_matrix"].axes) == len(models)
    assert words(figures["transfer_matrix"]).count("not run") == len(models)
    assert len(figures["transfer_fraction"].axes) == len(pairs) * len(models)


def test_sites_of_long_names_are_readable(tmp_path: Path) -> None:
    sites = ("riverside", "the_hospital_of_a_very_long_name_indeed", "lakeview")
    pairs = [("riverside", site) for site in sites[1:]]
    shown = written(tmp_path, pairs=pairs, sites=sites, tasks=ONSETS)
    figures = drawn(shown)
    for name in ("transfer_matrix", "transfer_fraction", "transfer_coverage"):
        assert overlaps(figures[name]) == []


def test_a_study_that_moves_nothing_draws_none_of_it(tmp_path: Path) -> None:
    shown = Study.from_mapping(study_of(), tmp_path)
    assert read_transfers(shown) == []
    assert transfer_tables(shown, []) == transfer_figures(shown, [], []) == {}


def test_without_a_fold_the_figures_say_so(tmp_path: Path) -> None:
    shown = replace(written(tmp_path), folds=())
    figures = drawn(shown)
    assert "no fold was run" in words(figures["transfer_matrix"])
    assert "no model that is trained in epochs was moved" in words(figures["transfer_curve"])
    tables = transfer_tables(shown, [])
    assert (len(tables["transfer"]), len(tables["coverage"])) == (0, 3)
