import io
import json
import logging
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arrow_visits import Row, write_visits
from figure_words import overlaps
from figure_words import shown_words as words
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from sklearn.metrics import roc_curve
from study_results import (
    ATTRITION,
    INDEX,
    study_of,
    write_alignment,
    write_attrition,
    write_cohort,
    write_forecasts,
    write_persons,
    write_results,
)

from visitseq import tables
from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.metrics import METRICS, metric_draws
from visitseq.evaluate.recall import CUTS
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.figures.alignment import draw_alignment
from visitseq.figures.attrition import draw_attrition
from visitseq.figures.calibration import binned_risk, draw_calibration, joined_bars
from visitseq.figures.cohort import draw_cohort
from visitseq.figures.cohort_table import cohort_table
from visitseq.figures.draw import draw_figures
from visitseq.figures.forecast import draw_forecast
from visitseq.figures.forecast_results import read_forecasts
from visitseq.figures.importance import draw_importance
from visitseq.figures.importance_results import read_importances
from visitseq.figures.love import draw_love
from visitseq.figures.metrics_table import metrics_table, readable_metrics
from visitseq.figures.model_results import FoldResult, read_ceilings, read_results
from visitseq.figures.reach import draw_reach
from visitseq.figures.reach_results import read_reach
from visitseq.figures.reach_table import reach_table
from visitseq.figures.replicates import headline_results
from visitseq.figures.roc import GRID, draw_roc, mean_roc
from visitseq.figures.rows_tested import rows_tested
from visitseq.figures.small_cells import HIDDEN, flow_steps, may_show, show_count, show_share
from visitseq.figures.strata import draw_strata
from visitseq.figures.strata_results import read_strata
from visitseq.figures.study import Study
from visitseq.figures.style import house_style
from visitseq.figures.subgroup_results import read_subgroups
from visitseq.figures.subgroups import draw_subgroups

FIGURES = ["roc", "calibration", "strata", "subgroups", "attrition", "love", "cohort", "reach"]
FIGURES += ["alignment", "importance"]
TABLES = [
    *["metrics", "comparisons", "delong", "variance", "strata", "subgroups"],
    *["cohort", "reach", "importance", "errors", "giveaways"],
    *["observation", "prediction", "timing_scoring"],
]
PAPER = ["encodings", "windows", "schematic_visits", "schematic_network", "schematic_windows"]
FILES = {
    "metrics.parquet",
    *(f"table_{name}.csv" for name in TABLES),
    *(f"fig_{name}.{ending}" for name in [*FIGURES, *PAPER] for ending in ("pdf", "svg")),
}
MODELS = ["logistic", "svm", "mlp", "knn", "rnn", "lstm", "gru", "bigru"]
TWO_SITES = {
    "riverside": {"synthetic": True, "simulated": True},
    "university_hospital_of_x": {"synthetic": False, "simulated": False},
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two sites, two tasks on one cohort, eight models, two folds."""
    task = study_of()["tasks"]["heart_failure"]
    study = study_of(
        sites=TWO_SITES,
        tasks={"heart_failure": task, "heart_failure_12_6": task},
        models=MODELS,
        reference="gru",
        frequency=["logistic"],
        folds=[0, 3],
        draws=60,
    )
    results = tmp_path_factory.mktemp("large")
    write_results(study, results, sets=140)
    return Study.from_mapping(study, results)


@pytest.fixture(scope="module")
def figures(large: Study) -> dict[str, Figure]:
    return all_figures(large)


def all_figures(study: Study) -> dict[str, Figure]:
    results = headline_results(study, read_results(study))
    with house_style():
        return {
            "roc": draw_roc(study, results, read_ceilings(study)),
            "calibration": draw_calibration(study, results),
            "strata": draw_strata(study, read_strata(study, results)),
            "subgroups": draw_subgroups(study, read_subgroups(study, results)),
            "attrition": draw_attrition(study),
            "love": draw_love(study),
            "alignment": draw_alignment(study),
            "cohort": draw_cohort(study, cohort_table(study)),
            "reach": draw_reach(study, read_reach(study)),
            "importance": draw_importance(study, read_importances(study)),
        }


def test_every_file_is_written_and_its_bytes_are_the_same_on_every_run(tmp_path: Path) -> None:
    study = study_of(models=["gru"], draws=100)
    write_results(study, tmp_path, sets=210)
    draw_figures(study=study, results=tmp_path, folder=tmp_path / "first")
    program = (
        "from pathlib import Path; from visitseq.figures.draw import draw_figures; "
        f"draw_figures(study={study}, results=Path('.'), folder=Path('second'))"
    )
    # Another process, with another order of its sets and dictionaries' hashes.
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / run).iterdir()}
        for run in ("first", "second")
    )
    assert set(first) == FILES
    assert first == second
    svg = first["fig_roc.svg"].decode()
    assert "<!-- synthetic records -->" in svg
    assert "<text" not in svg  # letters are outlines: no reader needs the font
    assert b"/FontFile2" in first["fig_roc.pdf"]
    table = pq.read_table(tmp_path / "first/metrics.parquet")
    assert table.schema.equals(tables.METRICS)


FORECAST = {"kind": "forecast", "cohort": "everyone", "visits_ahead": 2}


def with_forecast(folder: Path, **changes: Any) -> dict[str, Any]:
    """A study with a forecast alone, written to ``folder``."""
    study = study_of(
        sites=changes.pop("sites", {"riverside": {"synthetic": True, "simulated": False}}),
        tasks={"forecast": FORECAST},
        models=["gru", "seq2seq"],
        forecasts=[["forecast", "one_hot", "seq2seq"]],
        **changes,
    )
    write_forecasts(study, folder)
    return study


def test_a_forecast_has_a_figure_and_columns_of_its_own(tmp_path: Path) -> None:
    study = with_forecast(tmp_path, folds=[0, 3])
    draw_figures(study=study, results=tmp_path, folder=tmp_path / "figures")
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert written == FILES | {"fig_forecast.pdf", "fig_forecast.svg"}
    # Nothing has an outcome.
    assert "no task with an outcome was run" in (tmp_path / "figures/fig_roc.svg").read_text()
    shown = Study.from_mapping(study, tmp_path)
    (result,) = read_forecasts(shown)
    table = pd.read_csv(tmp_path / "figures/table_metrics.csv")
    assert table[["site", "task", "model"]].to_numpy().tolist() == [
        ["riverside", "forecast", "seq2seq"]
    ]
    mean = result.means["recall_at_10"]
    assert table["recall_at_10"].item() == f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]"
    rows = pd.read_parquet(tmp_path / "figures/metrics.parquet")
    rows = rows[rows["metric"] == "recall_at_20_ahead_2"].sort_values("fold")
    assert rows["fold"].tolist()[:2] == [0, 3]
    values = rows["value"].to_numpy()
    assert values[2] == pytest.approx(values[:2].mean())


def test_the_figure_of_a_forecast_shows_its_recalls(tmp_path: Path) -> None:
    study = Study.from_mapping(with_forecast(tmp_path, sites=TWO_SITES), tmp_path)
    results = read_forecasts(study)
    figure = draw_forecast(study, results)
    assert len(figure.axes) == 2
    for axes, result in zip(figure.axes, results, strict=True):
        bars = [bar for bar in axes.containers if isinstance(bar, ErrorbarContainer)]
        lines: list[Any] = [bar.lines[0] for bar in bars]
        expected = [[result.means[f"recall_at_{k}_ahead_{n}"].value for n in (1, 2)] for k in CUTS]
        found = np.array([line.get_ydata() for line in lines])
        np.testing.assert_allclose(found, expected)
        places = np.array([line.get_xdata() for line in lines])
        np.testing.assert_array_equal(places.round(), [[1, 2]] * 3)
    assert "synthetic records" in words(figure)
    labels = {bar.get_label() for axes in figure.axes for bar in axes.containers}
    assert labels == {f"seq2seq, recall at {k}" for k in CUTS}
    small = draw_forecast(replace(study, minimum_cell=1000), results)
    assert any("fewer than 1000" in text for text in words(small))
    assert "no forecast was run" in words(draw_forecast(study, []))


def test_the_flow_of_everybody_has_one_column(tmp_path: Path) -> None:
    study = Study.from_mapping(with_forecast(tmp_path), tmp_path)
    drawn = words(draw_attrition(study))
    assert "Persons" in drawn
    assert "at least 2 visits" in drawn
    assert not {"Cases", "Controls"} & set(drawn)
    assert draw_love(study).axes
    assert cohort_table(study).empty


def test_a_study_of_nothing_still_has_its_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="visitseq")
    study = study_of(sites={}, tasks={}, encodings=[], models=[])
    draw_figures(study=study, results=tmp_path, folder=tmp_path / "figures")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == FILES
    assert pq.read_table(tmp_path / "figures/metrics.parquet").num_rows == 0
    assert len(pd.read_csv(tmp_path / "figures/table_cohort.csv")) == 0
    assert caplog.messages == ["Results of 0 models drawn"]
    assert "<!-- no site was run -->" in (tmp_path / "figures/fig_love.svg").read_text()


@pytest.mark.parametrize("empty", ["models", "folds", "encodings"])
def test_without_models_the_cohort_is_drawn(tmp_path: Path, empty: str) -> None:
    mapping = study_of(**{"models": ["gru"], empty: []})
    write_results(mapping, tmp_path, sets=70)
    figures = all_figures(Study.from_mapping(mapping, tmp_path))
    assert f"no {empty[:-1]} was run" in words(figures["roc"])
    assert "Persons" in [text.strip() for text in words(figures["cohort"])]
    assert ("Visits, mean (SD)" in " ".join(words(figures["cohort"]))) == (empty != "encodings")
    assert "560" in words(figures["attrition"])


def test_synthetic_records_are_named_in_every_figure_and_table(
    large: Study, figures: dict[str, Figure]
) -> None:
    assert all("synthetic records" in words(figure) for figure in figures.values())
    tables_of_persons = cohort_table(large), readable_metrics(large, read_results(large))
    for table in (*tables_of_persons, reach_table(large, read_reach(large))):
        assert set(zip(table["site"], table["records"], strict=True)) == {
            ("riverside", "synthetic"),
            ("university_hospital_of_x", "real"),
        }
    changes: dict[str, Any] = {"synthetic": {"riverside": False}, "folds": (0,)}
    changes |= {"models": ("gru",), "forward": ("gru",)}
    changes |= {"scored": tuple(names for names in large.scored if names[2] == "gru")}
    real = Study(**{**vars(large), **changes})
    assert not any("synthetic" in text for f in all_figures(real).values() for text in words(f))


@pytest.mark.parametrize("name", FIGURES)
def test_no_words_overlap_or_leave_the_figure(figures: dict[str, Figure], name: str) -> None:
    assert len(words(figures[name])) > 20
    assert overlaps(figures[name]) == []


def test_matplotlib_is_left_as_it_was() -> None:
    before = dict(mpl.rcParams)
    with house_style():
        assert mpl.rcParams["svg.hashsalt"] == "visitseq"
    assert dict(mpl.rcParams) == before


def test_figures_fit_the_width_of_a_page(figures: dict[str, Figure]) -> None:
    assert all(figure.get_size_inches()[0] <= 7.1 for figure in figures.values())


def test_metrics_table_holds_every_fold_and_the_mean_over_them(large: Study) -> None:
    results = read_results(large)
    table = metrics_table(results, [], 10).to_pandas()
    assert len(table) == 2 * 2 * 8 * 3 * len(METRICS)
    assert set(table["strategy"]) == {"home"}
    assert set(table["fraction"]) == {100}
    assert (table["source"] == table["target"]).all()
    gru = table[(table["model"] == "gru") & (table["metric"] == "auroc")].iloc[:3]
    folder = large.results / "5_evaluate/riverside/heart_failure/one_hot/gru"
    for fold, line in zip((0, 3), gru.itertuples(), strict=False):
        content = json.loads((folder / f"fold{fold}/metrics.json").read_text())["auroc"]
        assert [line.value, line.low, line.high] == list(content.values())
    mean = gru.iloc[2]
    assert pd.isna(mean["fold"])
    assert mean["value"] == pytest.approx(gru["value"].iloc[:2].mean())
    draws = [
        metric_draws(
            ScoredRows.from_predictions(pq.read_table(folder / f"fold{fold}/predictions.parquet")),
            large.draws,
            large.seed,
            fold,
            ("auroc",),
        )["auroc"]
        for fold in (0, 3)
    ]
    limits = np.quantile((draws[0] + draws[1]) / 2, [0.025, 0.975])
    assert [mean["low"], mean["high"]] == pytest.approx(limits)


def test_an_undefined_metric_is_null_in_one_table_and_says_why_in_the_other(tmp_path: Path) -> None:
    mapping = study_of(models=["gru"], folds=[0, 1])
    write_results(mapping, tmp_path, sets=6)
    path = tmp_path / "5_evaluate/riverside/heart_failure/one_hot/gru/fold1/metrics.json"
    content = json.loads(path.read_text())
    null = {"value": None, "low": None, "high": None, "reason": "no case in the test part"}
    path.write_text(json.dumps({**content, "auprc": null}))
    study = Study.from_mapping({**mapping, "minimum_cell": 1}, tmp_path)
    results = read_results(study)
    table = metrics_table(results, [], 1).to_pandas().set_index(["metric", "fold"])["value"]
    assert math.isnan(table.loc[("auprc", 1)])
    assert not math.isnan(table.loc[("auprc", 0)])
    text = readable_metrics(study, results)["auprc"].item()
    assert text == "undefined in 1 of 2 folds: no case in the test part"


def fold_of(case: Any, score: Any, fold: int = 0) -> FoldResult:
    rows = np.arange(len(case))
    groups = Groups(rows, rows)
    scored = ScoredRows.sort(np.asarray(case, dtype=bool), np.asarray(score), groups, rows > -1)
    return FoldResult(fold, scored, (int(scored.case.sum()), int((~scored.case).sum())), {})


def random_fold(seed: int, rows: int = 300) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    case = generator.random(rows) < 0.3
    return case, np.round(1 / (1 + np.exp(1 - generator.normal(size=rows) - case)), 2)


def test_mean_roc_is_the_vertical_mean_of_scikit_learns_curves() -> None:
    samples = [random_fold(seed) for seed in (1, 2)]
    band = mean_roc([fold_of(*sample, fold) for fold, sample in enumerate(samples)], 200, 0)
    curves = []
    for case, score in samples:
        x, y, _ = roc_curve(case, score, drop_intermediate=False)
        curves.append(np.interp(GRID, x, y))
    assert band.value == pytest.approx(np.mean(curves, axis=0))
    middle = slice(20, 150)
    assert (band.low[middle] < band.value[middle]).all()
    assert (band.high[middle] > band.value[middle]).all()
    # Twice the persons: narrower by about the root of 2.
    alone = mean_roc([fold_of(*samples[0])], 200, 0)
    widths = [np.mean((b.high - b.low)[middle]) for b in (band, alone)]
    assert 0.55 < widths[0] / widths[1] < 0.9


def test_calibration_bins_by_hand() -> None:
    # Information .16 + .24 + .24 + 8 x .16 = 1.92: the first bin ends within the third row of 0.2,
    # whose middle lies in the second.
    score = [0.8, 0.6, 0.4, *[0.2] * 8]
    case = [1, 0, 1, 1, 0, 1, *[0] * 5]
    predicted, observed = binned_risk([fold_of(case, score)], 50, 0, minimum=1)
    assert predicted == pytest.approx([2.2 / 5, 0.2])
    assert observed.value == pytest.approx([3 / 5, 1 / 6])


def bin_counts(case: Any, score: Any, bins: int) -> list[int]:
    """Cases and controls of each bin, row by row."""
    counts, reached = {(place, kind): 0 for place in range(bins) for kind in (True, False)}, 0.0
    information = score * (1 - score)
    for row in np.argsort(-score, kind="stable"):
        place = int((reached + information[row] / 2) / (information.sum() / bins))
        counts[place, bool(case[row])] += 1
        reached += information[row]
    return list(counts.values())


@pytest.mark.parametrize("minimum", [1, 10, 20])
def test_no_calibration_bin_holds_fewer_than_the_minimum(minimum: int) -> None:
    samples = [random_fold(seed) for seed in (1, 2)]
    folds = [fold_of(*sample) for sample in samples]
    bins = len(binned_risk(folds, 20, 0, minimum)[0])
    assert all(min(bin_counts(*sample, bins)) >= minimum for sample in samples)
    # One bin more would have been too small in one of the folds.
    assert bins == 10 or min(min(bin_counts(*s, bins + 1)) for s in samples) < minimum
    assert (bins == 10) == (minimum == 1)


@given(
    st.lists(st.floats(0, 1), min_size=10, max_size=60),
    st.lists(st.floats(0, 0.2), max_size=60),
    st.integers(1, 10),
)
def test_a_bar_of_the_distribution_holds_nobody_or_enough(
    anywhere: list[float], low: list[float], minimum: int
) -> None:
    scores = [*anywhere, *low]
    edges, heights = joined_bars([fold_of([False] * len(scores), scores)], minimum)
    counts, _ = np.histogram(scores, edges)
    assert counts.sum() == len(scores)  # nobody is left out
    assert all(count == 0 or count >= minimum for count in counts)
    assert {round(20 * edge, 9) % 1 for edge in edges} == {0}
    density, _ = np.histogram(scores, edges, density=True)
    assert heights == pytest.approx(density / density.max())


def test_bars_are_joined_from_the_highest_down() -> None:
    scores = [0.01] * 3 + [0.07] * 30 + [0.12] * 12 + [0.22] * 6 + [0.31] * 2 + [0.62] * 3
    edges, heights = joined_bars([fold_of([False] * 56, scores)], 10)
    # 3, 2 and 6 make 11; the 3 at the lower end join the 30.
    assert edges == pytest.approx([0, 0.1, 0.15, 0.2, *np.arange(0.65, 1.01, 0.05)])
    by_hand = np.array([33 / 0.1, 12 / 0.05, 0, 11 / 0.45, *[0] * 7])
    assert heights == pytest.approx(by_hand / by_hand.max())


def test_a_single_bin_is_not_drawn_and_says_so(tmp_path: Path) -> None:
    mapping = study_of(models=["gru"])
    write_results(mapping, tmp_path, sets=84)  # 12 cases in a part: no two bins of 10
    study = Study.from_mapping(mapping, tmp_path)
    figure = all_figures(study)["calibration"]
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [len(np.asarray(line.get_xdata())) for line in points] == [0]  # the legend's
    said = [text.replace("\N{NO-BREAK SPACE}", " ") for text in words(figure)]
    assert any(text.endswith("(one bin: not drawn)") for text in said)
    assert len(figure.axes[1].patches) == 1  # the bars are there
    more = all_figures(replace(study, minimum_cell=3))["calibration"]
    assert not any("one bin" in text for text in words(more))
    assert any(len(np.asarray(line.get_xdata())) > 1 for line in more.axes[0].lines[:-1])


@pytest.mark.parametrize("scale", [1, 0.2])
def test_both_plots_of_calibration_share_an_axis_of_few_short_labels(
    tmp_path: Path, scale: float
) -> None:
    mapping = study_of(models=["gru"])
    write_results(mapping, tmp_path)
    study = Study.from_mapping(mapping, tmp_path)
    path = study.evaluation_folder(study.settings[0], "gru", 0) / "predictions.parquet"
    table = pq.read_table(path)
    scores = pa.array(scale * table["score"].to_numpy())
    tables.write_parquet(table.set_column(1, table.schema.field("score"), scores), path)
    above, below = all_figures(study)["calibration"].axes
    limit = above.get_xlim()[1]
    assert above.get_xlim() == above.get_ylim() == below.get_xlim() == (0, limit)
    assert max(scores.to_numpy()) <= limit <= 1
    points = [np.asarray(line.get_xdata()) for line in above.lines if line.get_marker() == "o"]
    assert 0.04 * scale < max(x.max() for x in points if len(x)) <= limit
    for axis in (above.xaxis, above.yaxis, below.xaxis):
        inside = [text.get_text() for text in axis.get_majorticklabels() if text.get_text()]
        assert 2 <= len(inside) <= 7
        assert max(map(len, inside)) <= 4


def test_curves_of_too_few_cases_are_not_drawn(tmp_path: Path) -> None:
    mapping = study_of(models=["gru"])
    write_results(mapping, tmp_path, sets=63)  # 9 cases in a part
    figures = all_figures(Study.from_mapping(mapping, tmp_path))
    for name in ("roc", "calibration"):
        assert "not drawn: fewer than 10 cases\nor controls in a test part" in words(figures[name])
        lines = [line for axes in figures[name].axes for line in axes.lines]
        assert all(len(np.asarray(line.get_xdata())) <= 2 for line in lines)
        assert any(
            "(few cases or controls in a test part)" in text for text in words(figures[name])
        )
    enough = Study.from_mapping({**mapping, "minimum_cell": 9}, tmp_path)
    shown = words(all_figures(enough)["roc"])
    assert not any("not drawn" in text or "few cases" in text for text in shown)


def test_tested_rows_are_counted_as_far_as_they_may_be_shown(tmp_path: Path) -> None:
    mapping = study_of(models=["gru"], folds=[0, 3])
    write_results(mapping, tmp_path, sets=140)  # 20 cases and 80 controls in a part
    study = Study.from_mapping(mapping, tmp_path)
    title = "riverside\nheart_failure, one_hot\n"
    for name in ("roc", "calibration"):
        assert f"{title}40 cases, 160 controls in 2 folds" in words(all_figures(study)[name])
    ceilings = read_ceilings(study)
    table = readable_metrics(study, [*read_results(study), *ceilings])
    assert set(zip(table["rows"], table["cases"], strict=True)) == {("200", "40")}
    # Of 140 cases 100 are not tested: with a minimum of 101, 40 could be computed from them.
    for minimum, cases in ((41, "<41"), (101, HIDDEN)):
        small = replace(study, minimum_cell=minimum)
        line = readable_metrics(small, read_results(small)).iloc[0]
        assert (line["rows"], line["cases"]) == (HIDDEN, cases)
    assert rows_tested(small, ceilings[0]).words == f"cases {HIDDEN}, 160 controls"


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=8).map(lambda x: sorted(x, reverse=True)),
    st.integers(1, 12),
)
def test_no_small_number_can_be_computed_from_a_flow(left: list[int], minimum: int) -> None:
    criteria = [f"criterion {number}" for number in range(len(left))]
    steps = flow_steps(criteria, left, minimum)
    assert [criterion for step in steps for criterion in step.criteria] == criteria
    true_left = [left[criteria.index(step.criteria[-1])] for step in steps]
    for place, (step, number) in enumerate(zip(steps, true_left, strict=True)):
        assert step.left in (str(number), f"<{minimum}", HIDDEN)
        assert (step.left == str(number)) <= may_show(number, minimum)
        if place == 0:
            assert step.out is None
            continue
        out = true_left[place - 1] - number
        assert step.out in (str(out), f"<{minimum}", HIDDEN)
        # Of three numbers that sum, none is shown beside two small or hidden ones' difference.
        triple = {"before": true_left[place - 1], "out": out, "left": number}
        shown = {
            "before": steps[place - 1].left.isdigit(),
            "out": str(step.out).isdigit(),
            "left": step.left.isdigit(),
        }
        for name, value in triple.items():
            if not may_show(value, minimum):
                assert not shown[name]
                assert not all(shown[other] for other in triple if other != name)


def test_flow_shows_all_that_it_may() -> None:
    steps = flow_steps(["all", "a", "b", "c", "d"], [1000, 400, 400, 395, 380], 10)
    assert [step.criteria for step in steps] == [("all",), ("a",), ("b",), ("c", "d")]
    assert [step.out for step in steps] == [None, "600", "0", "20"]
    assert [step.left for step in steps] == ["1,000", "400", "400", "380"]
    # The last step takes out too few: it is joined backwards.
    steps = flow_steps(["all", "a", "b"], [1000, 400, 395], 10)
    assert [(step.criteria, step.out) for step in steps] == [(("all",), None), (("a", "b"), "605")]
    # Too few are left: who went out last is hidden.
    steps = flow_steps(["all", "a", "b"], [1000, 400, 4], 10)
    assert [(step.out, step.left) for step in steps][1:] == [("600", "400"), (HIDDEN, "<10")]


def test_shares_hide_the_rest_of_a_group() -> None:
    assert show_count(9, 10) == "<10"
    assert show_count(1234, 10) == "1,234"
    assert show_share(50, 200, 10) == "50 (25.0%)"
    assert show_share(9, 200, 10) == "<10"
    assert show_share(195, 200, 10) == "suppressed"  # 5 are the rest
    assert show_share(5, 9, 10) == "suppressed"
    assert show_share(200, 200, 10) == "200 (100.0%)"
    assert show_share(0, 0, 10) == "0"


COHORT = [
    # A control twice; visits 100, 40 and 40 days before the index are two visits of a code each.
    Row([[1], [2], [3]], True, 0, [100.0, 40.0, 40.0], 1, 1, datetime(2015, 6, 1)),
    Row([[1, 2]], False, 0, [30.0], 2, 1, datetime(2015, 6, 1)),
    Row([], False, 0, [], 2, 2, datetime(2016, 6, 1)),
    Row([[1], [1, 2, 3]], True, 0, [300.0, 10.0], 3, 2, datetime(2016, 6, 1)),
]
BORN = {1: date(1950, 6, 1), 2: date(1960, 6, 2), 3: date(1956, 1, 1)}
SEX: dict[int, int | None] = {1: 8532, 2: None, 3: 8507}


@pytest.fixture
def written_by_hand(tmp_path: Path) -> Callable[[int], Study]:
    write_cohort(COHORT, tmp_path / "2_cohort/riverside/heart_failure")
    columns: dict[str, Any] = {name: pa.nulls(3) for name in tables.PERSONS.names}
    columns |= {"subject_id": [1, 2, 3], "birth_date": BORN.values(), "sex": SEX.values()}
    columns = {name: list(v) if not isinstance(v, pa.Array) else v for name, v in columns.items()}
    persons = tmp_path / "1_ingest/riverside/persons.parquet"
    tables.write_parquet(pa.table(columns).cast(tables.PERSONS), persons)
    write_visits(COHORT, tmp_path / "3_encode/riverside/heart_failure/one_hot/visits.arrow")
    return lambda minimum: Study.from_mapping(study_of(minimum_cell=minimum), tmp_path)


def test_table_1_by_hand(written_by_hand: Callable[[int], Study]) -> None:
    table = cohort_table(written_by_hand(1))
    assert set(table["task"]) == {"", "heart_failure"}
    pairs = {row.characteristic: (row.cases, row.controls) for row in table.itertuples()}
    assert pairs == {
        "Persons": ("2", "1"),
        "Index dates": ("2", "2"),
        # Aged 65 and 60; 54 (a day short of 55) and, a year later, 55.
        "Age at the index date, years, mean (SD)": ("62.5 (3.5)", "54.5 (0.7)"),
        "Female, n (%)": ("1 (50.0%)", "0 (0.0%)"),
        "Year of the index date, median [quartiles]": ("2016 [2015, 2016]", "2016 [2015, 2016]"),
        "Visits, mean (SD)": ("2.0 (0.0)", "0.5 (0.7)"),
        "Codes a visit, mean": ("1.75", "2.00"),
        "Span of the visits, days, median [quartiles]": ("175 [118, 232]", "0 [0, 0]"),
        "Without any visit, n (%)": ("0 (0.0%)", "1 (50.0%)"),
    }


def test_table_1_of_few_persons_says_nothing(written_by_hand: Callable[[int], Study]) -> None:
    table = cohort_table(written_by_hand(10))
    texts = set(table["cases"]) | set(table["controls"])
    assert texts == {"<10", "suppressed", HIDDEN}


def test_table_1_of_nested_windows_cannot_be_subtracted(tmp_path: Path) -> None:
    """Of 100 cases 20 have no visit in 12 months, 25 in 9, 31 in 6; all controls have one."""
    without, tasks = {"months_9": 25, "months_12": 20, "months_6": 31}, {}
    for task, empty in without.items():
        months = {"observation_months": int(task.split("_")[1]), "prediction_months": 6}
        tasks[task] = {"kind": "onset", "cohort": "heart_failure", **months}
        visits: list[list[list[int]]] = [[]] * empty + [[[1]]] * (200 - empty)
        rows = [
            Row(own, number < 100, 0, [200.0] * len(own), number, number % 100, INDEX)
            for number, own in enumerate(visits)
        ]
        write_visits(rows, tmp_path / f"3_encode/riverside/{task}/one_hot/visits.arrow")
    write_cohort(rows, tmp_path / "2_cohort/riverside/heart_failure")
    persons = tmp_path / "1_ingest/riverside/persons.parquet"
    write_persons(rows, persons, np.random.default_rng(0))
    table = cohort_table(Study.from_mapping(study_of(tasks=tasks), tmp_path))
    lines = table[table["characteristic"] == "Without any visit, n (%)"].set_index("task")
    assert lines["cases"].to_dict() == {
        "months_9": HIDDEN,
        "months_12": "20 (20.0%)",
        "months_6": "31 (31.0%)",
    }
    assert set(lines["controls"]) == {"0 (0.0%)"}


@pytest.mark.parametrize(("both", "controls"), [(3, HIDDEN), (12, "52")])
def test_few_cases_of_a_landmark_who_were_controls_are_not_counted_back(
    tmp_path: Path, both: int, controls: str
) -> None:
    """Of 12 cases some were controls a year before; the attrition has all persons."""
    who = [(person, True) for person in range(12)] + [(person, False) for person in range(both)]
    who += [(person, False) for person in range(100, 140)]
    rows = [Row([], is_case, 0, [], person, person, INDEX) for person, is_case in who]
    write_visits(rows, tmp_path / "3_encode/riverside/heart_failure/one_hot/visits.arrow")
    write_cohort(rows, tmp_path / "2_cohort/riverside/heart_failure")
    everyone = {row.subject_id: row for row in rows}.values()
    persons = tmp_path / "1_ingest/riverside/persons.parquet"
    write_persons(list(everyone), persons, np.random.default_rng(0))
    study = replace(Study.from_mapping(study_of(), tmp_path), matched=frozenset())
    table = cohort_table(study).set_index("characteristic")
    assert [table.loc["Persons", group] for group in ("cases", "controls")] == ["12", controls]


def test_few_index_dates_of_the_same_person_are_not_counted_back(
    written_by_hand: Callable[[int], Study],
) -> None:
    # One control person at two dates: the difference of 1 is a small number of persons.
    table = cohort_table(written_by_hand(2)).set_index("characteristic")
    assert table.loc["Index dates", "controls"] == HIDDEN
    assert table.loc["Index dates", "cases"] == "2"


def test_attrition_and_love_hide_small_numbers(tmp_path: Path) -> None:
    mapping = study_of(models=[])
    write_results(mapping, tmp_path, sets=8)
    steps = [*ATTRITION["case"][:-1], ("matched to at least one control", 8)]
    folder = tmp_path / "2_cohort/riverside/heart_failure"
    write_attrition({**ATTRITION, "case": steps}, folder)
    figures = all_figures(Study.from_mapping(mapping, tmp_path))
    shown = words(figures["attrition"])
    assert {"<10", "out: not shown", "1,204", "20,000"} <= set(shown)
    assert not {"8", "3", "out: 3", "out: 592"} & set(shown)
    assert "suppressed: fewer than\n10 cases or controls" in words(figures["love"])


def test_the_panels_of_the_love_plot_share_their_axis(tmp_path: Path) -> None:
    mapping = study_of(models=[], sites=TWO_SITES)
    write_results(mapping, tmp_path, sets=20)
    path = tmp_path / "2_cohort/riverside/heart_failure/balance.csv"
    table = pd.read_csv(path)
    table.loc[table["value"] == 0.61, "value"] = 1.4
    table.to_csv(path, index=False)
    figure = all_figures(Study.from_mapping(mapping, tmp_path))["love"]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert figure.axes[1].get_xlim()[1] > 1.4


def test_the_texts_of_attrition_fill_their_boxes_and_no_more(figures: dict[str, Figure]) -> None:
    figure = figures["attrition"]
    with house_style():
        figure.savefig(io.BytesIO(), format="png")
        page = figure.axes[0].transData.inverted()
        criteria = [text for text in figure.findobj(Text) if len(text.get_text()) > 45]
        spans = [page.transform(text.get_window_extent())[:, 0] for text in criteria]
    assert len(spans) > 4
    # Inches from the left: boxes end at 3.2 and 6.7.
    assert all(right < (3.2 if left < 3 else 6.7) for left, right in spans)


def test_index_dates_are_drawn_where_they_are_not_the_persons(tmp_path: Path) -> None:
    mapping = study_of(models=[])
    write_results(mapping, tmp_path, sets=20)
    study = Study.from_mapping(mapping, tmp_path)
    table = cohort_table(study)
    with house_style():
        assert "Index dates" not in [text.strip() for text in words(draw_cohort(study, table))]
        table.loc[table["characteristic"] == "Index dates", "controls"] = "81"
        assert "Index dates" in [text.strip() for text in words(draw_cohort(study, table))]


def test_love_plot_shows_absolute_differences(figures: dict[str, Figure]) -> None:
    figure = figures["love"]
    before, after = (
        next(line for line in figure.axes[0].lines if line.get_label() == label)
        for label in ("before", "after matching")
    )
    assert list(np.asarray(before.get_xdata())) == [0.42, 0.15, 0.61, 0.33, 0.24]
    assert list(np.asarray(after.get_xdata())) == [0.03, 0.0, 0.38, 0.21, 0.05]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()][:3] == [
        "Age",
        "Sex",
        "Visits",
    ]


def test_the_oracle_is_drawn_and_listed_as_the_ceiling(large: Study) -> None:
    ceilings = read_ceilings(large)
    assert [ceiling.model for ceiling in ceilings] == ["oracle", "oracle_latent"] * 2  # two tasks
    with house_style():
        figure = draw_roc(large, read_results(large), ceilings)
    auroc = ceilings[0].means["auroc"]
    assert any(f"ceiling (oracle)  {auroc.value:.3f}" in text for text in words(figure))
    listed = readable_metrics(large, [*read_results(large), *ceilings]).set_index("model")
    assert str(listed.loc[["oracle"], "auroc"].iloc[0]).startswith(f"{auroc.value:.3f} [")
    assert listed.loc[["oracle"], "brier"].isna().all()
    real = replace(large, simulated=frozenset())
    assert read_ceilings(real) == []


def test_reach_averages_the_folds_logarithms_and_hides_what_few_sequences_reach(
    large: Study,
) -> None:
    """Fold 0 falls by 0.8 a step and fold 3 by 0.8^4: their geometric mean falls by 0.8^2.5."""
    reaches = {reach.model: reach for reach in read_reach(large)[:3]}
    assert list(reaches) == ["rnn", "lstm", "gru"]
    trained = next(curve for curve in reaches["gru"].curves if curve.state == "trained")
    # 60 - 5 d sequences have a step at the distance d: 10 of them at d = 10.
    np.testing.assert_allclose(trained.median, 0.8 ** (2.5 * np.arange(11)))
    np.testing.assert_allclose(trained.high, 2 * trained.median)
    assert [(c.state, c.quantity) for c in reaches["lstm"].curves] == [
        ("fresh", "h"),
        ("fresh", "c"),
        ("trained", "h"),
        ("trained", "c"),
    ]
    # 0.5 + fold when fresh, 1 more when trained.
    assert reaches["rnn"].radii == {"fresh": {"state": 2.0}, "trained": {"state": 3.0}}


def test_reach_table_by_hand(large: Study) -> None:
    one_fold = replace(large, folds=(0,))
    table = reach_table(one_fold, read_reach(one_fold)).set_index(["model", "state", "quantity"])
    lstm = table.loc[[("lstm", "trained", "c")]].iloc[0]
    # 0.9^6 = 0.53, 0.9^7 = 0.48; 0.9^10 = 0.35 is the last that 10 sequences reach.
    assert (lstm["below_half"], lstm["below_tenth"]) == ("7", "> 10")
    assert (lstm["at_1"], lstm["at_20"]) == ("0.9 [0.45, 1.8]", HIDDEN)
    assert lstm["spectral_radius"] == "input 1.50; forget 1.50; cell 1.50; output 1.50"
    hidden = replace(one_fold, minimum_cell=61)
    assert set(reach_table(hidden, read_reach(hidden))["below_half"]) == {HIDDEN}


def test_reach_figure_draws_what_was_measured(large: Study, figures: dict[str, Figure]) -> None:
    fresh, trained, radii = figures["reach"].axes[:3]
    assert [len(axes.lines) for axes in (fresh, trained)] == [4, 4]  # h of three, c of the LSTM
    assert fresh.get_ylim() == trained.get_ylim()
    gru = next(line for line in trained.lines if line.get_label() == "gru")
    np.testing.assert_allclose(np.asarray(gru.get_ydata()), 0.8 ** (2.5 * np.arange(11)))
    assert [text.get_text() for text in radii.get_yticklabels()] == [
        *("state", "input", "forget", "cell", "output", "reset", "update", "new"),
    ]
    assert {"10⁰", "Before training", "Trained"} <= set(words(figures["reach"]))
    hidden = replace(large, minimum_cell=61)
    with house_style():
        empty = draw_reach(hidden, read_reach(hidden))
    assert words(empty).count("not drawn: too few sequences") == 2 * 4


def test_a_study_without_forward_networks_says_so(large: Study) -> None:
    study = replace(large, models=("logistic", "bigru"), forward=())
    with house_style():
        figure = draw_reach(study, read_reach(study))
    assert "no recurrent network that reads forwards alone was run" in words(figure)


@pytest.mark.parametrize("folds", [(0,), (0, 3)])
def test_a_fold_without_sequences_leaves_nothing_to_draw(
    tmp_path: Path, folds: tuple[int, ...]
) -> None:
    mapping = study_of(models=["lstm"], folds=list(folds))
    write_results(mapping, tmp_path, sets=70)
    study = Study.from_mapping(mapping, tmp_path)
    path = study.evaluation_folder(study.settings[0], "lstm", 0) / "reach.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert all(len(curve.median) == 0 for curve in read_reach(study)[0].curves)
    with house_style():
        figure = draw_reach(study, read_reach(study))
    assert words(figure).count("not drawn: too few sequences") == 2


def test_years_with_few_persons_are_left_out_of_the_alignment(tmp_path: Path) -> None:
    study = Study.from_mapping(study_of(encodings=["one_hot", "grouped"]), tmp_path)
    folder = tmp_path / "audit/check_windows/riverside/heart_failure/one_hot"
    write_alignment(folder)
    with house_style():
        figure = draw_alignment(study)  # of the second encoding nothing is read
    index_year, *others = figure.axes
    assert len(others) == 3
    drawn = {line.get_label(): line for line in index_year.get_lines()}
    years, shares = (np.asarray(axis) for axis in drawn["Cases"].get_data())
    assert years.tolist() == [0, 1, 2, 3]
    assert shares == pytest.approx([100 * n / 126 for n in (30, 31, 32, 33)])
    assert np.asarray(drawn["Controls"].get_ydata()).sum() == pytest.approx(100)
