"""Comparisons, replicates, strata of visits and subgroups: their tables and figures."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from figure_words import overlaps, shown_words
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn.metrics import brier_score_loss, roc_auc_score
from study_results import PARTS, cohort_rows, study_of, write_persons, write_results

from visitseq.encode.sequences import read_sequences
from visitseq.evaluate.delong import delong_test
from visitseq.evaluate.holm import holm
from visitseq.evaluate.metrics import metric_draws
from visitseq.evaluate.paired import two_sided_p
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.figures.calibration import joined_bars
from visitseq.figures.comparisons import comparison_table, delong_table
from visitseq.figures.metrics_table import metrics_table, readable_metrics
from visitseq.figures.model_results import ModelResult, read_results
from visitseq.figures.replicates import headline_results
from visitseq.figures.rows_tested import rows_tested
from visitseq.figures.small_cells import hidden_levels, may_show
from visitseq.figures.strata import draw_strata
from visitseq.figures.strata_results import read_strata
from visitseq.figures.strata_table import strata_table
from visitseq.figures.study import Setting, Study
from visitseq.figures.style import house_style
from visitseq.figures.subgroup_results import read_subgroups
from visitseq.figures.subgroup_table import subgroup_table
from visitseq.figures.subgroups import draw_subgroups
from visitseq.figures.variance_table import variance_table

MODELS = ["logistic", "visit_count", "gru", "gru_again", "bigru_without_durations"]
FOLDS = (0, 3)
SETTING = Setting("riverside", "heart_failure", "one_hot")
RACES = {8527: 0.55, 8516: 0.2, 8557: 0.2, 8515: 0.005, 0: 0.045}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A simulated and a real site, two seeds of the GRU, two folds."""
    mapping = study_of(
        sites={
            "riverside": {"synthetic": True, "simulated": False},
            "hospital": {"synthetic": False, "simulated": False},
        },
        models=MODELS,
        replicates={name: [name] for name in MODELS if name != "gru_again"}
        | {"gru": ["gru", "gru_again"]},
        reference="gru_again",
        frequency=["visit_count"],
        folds=list(FOLDS),
        draws=100,
    )
    results = tmp_path_factory.mktemp("statistics")
    write_results(mapping, results, sets=280)
    generator = np.random.default_rng(0)
    rows = cohort_rows(280, np.random.default_rng(0))
    write_persons(rows, results / "1_ingest/riverside/persons.parquet", generator, RACES)
    return Study.from_mapping(mapping, results)


@pytest.fixture(scope="module")
def results(study: Study) -> list[ModelResult]:
    return headline_results(study, read_results(study))


def predictions(study: Study, model: str, fold: int) -> pd.DataFrame:
    folder = study.evaluation_folder(SETTING, model, fold)
    table: pd.DataFrame = pq.read_table(folder / "predictions.parquet").to_pandas()
    return table


def drawn_auroc(study: Study, model: str) -> np.ndarray[Any, Any]:
    """The AUROC on each draw, the mean of the folds."""
    draws = []
    for fold in FOLDS:
        table = pq.read_table(study.evaluation_folder(SETTING, model, fold) / "predictions.parquet")
        rows = ScoredRows.from_predictions(table)
        draws.append(metric_draws(rows, study.draws, study.seed, fold, ("auroc",))["auroc"])
    return np.asarray(np.mean(draws, axis=0))


def auroc(study: Study, model: str, fold: int) -> float:
    table = predictions(study, model, fold)
    return float(roc_auc_score(table["boolean_value"], table["score"]))


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.replace(",", "").replace("[", "").rstrip("]").split()]


def test_replicates_are_shown_once_as_their_mean(study: Study, results: list[ModelResult]) -> None:
    names = [result.model for result in results if result.setting == SETTING]
    assert names == ["logistic", "visit_count", "gru", "bigru_without_durations"]
    gru = next(result for result in results if result.model == "gru")
    assert (gru.name, gru.seeds, len(gru.tested)) == ("gru (2 seeds)", 2, 2)
    by_hand = [auroc(study, model, fold) for model in ("gru", "gru_again") for fold in FOLDS]
    assert gru.means["auroc"].value == pytest.approx(np.mean(by_hand))
    drawn = (drawn_auroc(study, "gru") + drawn_auroc(study, "gru_again")) / 2
    limits = np.quantile(drawn, [0.025, 0.975])
    assert [gru.means["auroc"].low, gru.means["auroc"].high] == pytest.approx(limits)
    # The rows are not counted twice.
    logistic = results[0]
    assert rows_tested(study, gru) == rows_tested(study, logistic)
    assert rows_tested(study, gru).rows == "400"
    readable = readable_metrics(study, results).set_index("model").loc["gru"].iloc[0]
    assert (readable["seeds"], readable["folds"], readable["cases"]) == (2, 2, "80")
    every = metrics_table(read_results(study), [], 10).to_pandas()
    assert set(every["model"]) == set(MODELS)


def test_bars_of_replicates_hold_enough_rows_of_each_seed(results: list[ModelResult]) -> None:
    gru = next(result for result in results if result.model == "gru")
    edges, _ = joined_bars(gru.folds, 10, gru.seeds)
    for seed in (gru.folds[:2], gru.folds[2:]):
        scores = np.concatenate([fold.rows.score for fold in seed])
        counts, _ = np.histogram(scores, edges)
        assert all(may_show(int(count), 10) for count in counts)
    # Counted once for each seed, the same rows would make a bar of 5 look like one of 10.
    twice = joined_bars([gru.folds[0]] * 2, 10, 2)[0]
    assert twice.tolist() == joined_bars([gru.folds[0]], 10)[0].tolist()


def test_models_are_compared_with_the_reference(study: Study, results: list[ModelResult]) -> None:
    table = comparison_table(study, results)
    assert list(table["reference"].unique()) == ["gru"]  # the name that its replicates go by
    assert len(table) == 2 * 3 * 2
    line = table.iloc[0]
    assert (line["model"], line["metric"], line["reference_seeds"]) == ("logistic", "auroc", 2)
    reference = (drawn_auroc(study, "gru") + drawn_auroc(study, "gru_again")) / 2
    drawn = drawn_auroc(study, "logistic") - reference
    gru = [auroc(study, model, fold) for model in ("gru", "gru_again") for fold in FOLDS]
    value = np.mean([auroc(study, "logistic", fold) for fold in FOLDS]) - np.mean(gru)
    expected = [value, *np.quantile(drawn, [0.025, 0.975])]
    assert numbers(line["difference"]) == pytest.approx(expected, abs=6e-5)
    assert float(line["p"]) == pytest.approx(two_sided_p(drawn), abs=6e-5)
    for _, family in table.groupby(["site", "task", "metric"]):
        assert family["family"].tolist() == [3, 3, 3]
        p_values = family["p"].astype(float).to_numpy()
        assert family["p_holm"].astype(float).to_numpy() == pytest.approx(holm(p_values), abs=2e-4)


def test_delong_compares_in_each_fold(study: Study, results: list[ModelResult]) -> None:
    table = delong_table(study, results)
    assert len(table) == 2 * 3 * 2
    assert set(table["assumes"]) == {"rows are independent (matched sets ignored)"}
    line = table[(table["model"] == "logistic") & (table["fold"] == 3)].iloc[0]
    case = predictions(study, "gru", 3)["boolean_value"].to_numpy()
    scores = [
        np.stack([predictions(study, model, 3)["score"] for model in models])
        for models in (["logistic"], ["gru", "gru_again"])
    ]
    expected = delong_test(case, *scores)
    assert numbers(line["difference"]) == pytest.approx(expected.difference[:3], abs=6e-5)
    assert float(line["p"]) == pytest.approx(expected.p, abs=6e-5)


def test_without_a_reference_nothing_is_compared(study: Study, results: list[ModelResult]) -> None:
    alone = replace(study, reference=None)
    for table in (comparison_table(alone, results), delong_table(alone, results)):
        assert table.empty
        assert {"difference", "p", "p_holm", "family"} <= set(table.columns)
    # Where a task is run without the reference, its setting has no comparison.
    without = [own for own in results if own.model != "gru" or own.setting.site == "hospital"]
    assert set(comparison_table(study, without)["site"]) == {"hospital"}


def test_an_undefined_metric_is_in_no_family(study: Study, results: list[ModelResult]) -> None:
    undefined = results[0].means["auroc"]._replace(value=math.nan, reason="no case")
    broken = replace(results[0], means={**results[0].means, "auroc": undefined})
    table = comparison_table(study, [broken, *results[1:4]])
    auroc_lines = table[table["metric"] == "auroc"]
    assert auroc_lines["family"].tolist() == [2, 2, 2]
    assert auroc_lines["p"].iloc[0] == auroc_lines["p_holm"].iloc[0] == ""
    assert auroc_lines["difference"].iloc[0] == "undefined (no case)"


def test_variance_is_parted_into_seeds_and_folds(study: Study, results: list[ModelResult]) -> None:
    every = variance_table(study, results)
    assert every["model"].tolist() == [result.model for result in results]
    table = every[every["model"] == "gru"]
    values = np.array([[auroc(study, m, fold) for fold in FOLDS] for m in ("gru", "gru_again")])
    line = table.iloc[0]
    pooled = math.sqrt(np.mean(values.var(axis=0, ddof=1)))
    assert numbers(line["sd_over_seeds"])[0] == pytest.approx(pooled, abs=6e-5)
    assert numbers(line["sd_over_folds"])[0] == pytest.approx(
        values.mean(axis=0).std(ddof=1), abs=6e-5
    )
    one_fold = replace(study, folds=(0,))
    found = variance_table(one_fold, headline_results(one_fold, read_results(one_fold)))
    single = found.set_index("model").loc["gru"].iloc[0]
    assert single["sd_over_folds"] == single["sd_folds_alone"] == "undefined (one fold)"


def test_of_one_seed_the_folds_deviation_is_known(study: Study, results: list[ModelResult]) -> None:
    line = variance_table(study, results).iloc[0]
    assert (line["model"], line["seeds"]) == ("logistic", 1)
    assert line["sd_over_seeds"] == line["sd_folds_alone"] == "undefined (one seed)"
    by_fold = [auroc(study, "logistic", fold) for fold in FOLDS]
    assert numbers(line["sd_over_folds"])[0] == pytest.approx(np.std(by_fold, ddof=1), abs=6e-5)
    drawn = [fold.deviations["auroc"] for fold in results[0].folds]
    sampling = float(line["sd_sampling"].split()[0])
    assert sampling == pytest.approx(math.sqrt(np.mean(np.square(drawn))), abs=6e-5)


def visits_of(study: Study) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Number of visits and part of each row: in these records a visit is a step."""
    sequences = read_sequences(study.visits(SETTING))
    return sequences.lengths, sequences.part


def test_strata_come_from_the_training_parts(study: Study, results: list[ModelResult]) -> None:
    visits, part = visits_of(study)
    logistic = read_strata(study, results)[0]
    within = []
    for fold, cuts in zip(FOLDS, logistic.cuts, strict=True):
        training = ~np.isin(part, [fold, (fold + 1) % PARTS])
        expected = np.quantile(visits[training], [0.25, 0.5, 0.75])
        assert cuts.tolist() == expected.tolist()
        table = predictions(study, "logistic", fold)
        table["stratum"] = sum((visits[part == fold] > cut).astype(int) for cut in expected)
        pairs = table.merge(table, on="stratum", suffixes=("", "_of_control"))
        pairs = pairs[pairs["boolean_value"] & ~pairs["boolean_value_of_control"]]
        order = np.sign(pairs["score"] - pairs["score_of_control"])
        within.append(float((order.mean() + 1) / 2))
    assert logistic.within.value == pytest.approx(np.mean(within))
    overall = logistic.result.means["auroc"].value
    assert logistic.difference.value == pytest.approx(overall - np.mean(within))
    assert logistic.within.low < logistic.within.value < logistic.within.high


def test_a_quarter_of_few_cases_is_suppressed(study: Study, results: list[ModelResult]) -> None:
    strata = read_strata(study, results)
    quarters = [f"quarter_{number}" for number in (1, 2, 3, 4)]
    table = strata_table(replace(study, minimum_cell=7), strata).iloc[0]
    smallest = strata[0].smallest
    assert min(smallest) < 7 <= max(smallest)
    assert [table[name] == "suppressed" for name in quarters] == [n < 7 for n in smallest]
    assert set(
        strata_table(replace(study, minimum_cell=500), strata)[quarters].to_numpy().flat
    ) == {"suppressed"}


def test_subgroups_are_those_of_their_persons(study: Study, results: list[ModelResult]) -> None:
    table = subgroup_table(study, read_subgroups(study, results))
    assert set(table["model"]) == {"gru"}
    real = table[table["site"] == "hospital"]
    assert set(real["variable"]) == {"all", "sex", "age"}  # nobody's race is known
    riverside = table[table["site"] == "riverside"].set_index("level")
    persons = pq.read_table(study.persons("riverside")).to_pandas().set_index("subject_id")
    values: dict[str, list[float]] = {"auroc": [], "brier": []}
    rows = cases = 0
    for model in ("gru", "gru_again"):
        for fold in FOLDS:
            scored = predictions(study, model, fold)
            female = scored[persons.loc[scored["subject_id"], "sex"].to_numpy() == 8532]
            values["auroc"].append(roc_auc_score(female["boolean_value"], female["score"]))
            values["brier"].append(brier_score_loss(female["boolean_value"], female["score"]))
            rows, cases = rows + len(female), cases + int(female["boolean_value"].sum())
    line = riverside.loc["female"]
    assert (line["rows"], line["cases"]) == (str(rows // 2), str(cases // 2))
    for metric, expected in values.items():
        assert numbers(str(line[metric]))[0] == pytest.approx(np.mean(expected), abs=6e-4)
    shown = riverside[riverside["variable"] == "age"]["rows"]
    assert "suppressed" in set(shown) or sum(map(int, shown)) == 400


def test_a_small_race_is_hidden_with_another(study: Study, results: list[ModelResult]) -> None:
    own = read_subgroups(study, results)[0]
    races = [group for group in own.subgroups if group.variable == "race"]
    assert [group.level for group in races] == [
        *("White", "Black or African American", "Asian"),
        *("Native Hawaiian or Other Pacific Islander", "unknown"),
    ]
    asian = next(group for group in races if group.level == "Asian")
    assert 0 < asian.rows < 10
    hidden = [group for group in races if group.hidden]
    assert asian in hidden
    assert len(hidden) > 1
    assert sum(group.cases for group in hidden) >= 10
    lines = subgroup_table(study, [own]).set_index("level")
    assert set(lines.loc["Asian", ["rows", "cases", "auroc", "brier"]]) == {"suppressed"}
    figure = draw_subgroups(study, [own])
    assert shown_words(figure).count("suppressed") == len(hidden)


@given(st.lists(st.tuples(*[st.integers(0, 40)] * 3), min_size=1, max_size=6), st.integers(1, 12))
def test_no_small_level_can_be_had_by_subtraction(
    cells: list[tuple[int, int, int]], minimum: int
) -> None:
    hidden = hidden_levels(cells, minimum)
    for level, is_hidden in zip(cells, hidden, strict=True):
        assert is_hidden or all(may_show(number, minimum) for number in level)
    small = [not all(may_show(n, minimum) for n in level) for level in cells]
    assert any(hidden) == any(small)  # nothing is hidden without need
    if not all(hidden):
        left = [level for level, is_hidden in zip(cells, hidden, strict=True) if is_hidden]
        assert all(may_show(sum(column), minimum) for column in zip(*left, strict=True))


@pytest.fixture(scope="module")
def figures(study: Study, results: list[ModelResult]) -> dict[str, Figure]:
    with house_style():
        return {
            "strata": draw_strata(study, read_strata(study, results)),
            "subgroups": draw_subgroups(study, read_subgroups(study, results)),
        }


@pytest.mark.parametrize("name", ["strata", "subgroups"])
def test_no_words_overlap_or_leave_the_figure(figures: dict[str, Figure], name: str) -> None:
    assert len(shown_words(figures[name])) > 20
    assert overlaps(figures[name]) == []


def test_the_figure_of_strata_shows_both_aurocs(
    study: Study, results: list[ModelResult], figures: dict[str, Figure]
) -> None:
    strata = read_strata(study, results)[:4]
    axes = figures["strata"].axes[0]
    dots = {
        marker: [
            float(np.asarray(line.get_xdata())[0])
            for line in axes.lines
            if line.get_marker() == marker and len(np.asarray(line.get_xdata()))
        ]
        for marker in ("o", "s")
    }
    assert dots["o"] == [own.result.means["auroc"].value for own in strata]
    assert dots["s"] == [own.within.value for own in strata]
    dashed = next(line for line in axes.lines if line.get_label() == "visit_count")
    assert set(np.asarray(dashed.get_xdata())) == {strata[1].result.means["auroc"].value}
    assert len({axes.get_xlim() for axes in figures["strata"].axes}) == 1
    few = replace(study, minimum_cell=1000)
    assert any("fewer than 1000 cases" in text for text in shown_words(draw_strata(few, strata)))


def test_a_study_without_models_says_so(study: Study) -> None:
    nothing = replace(study, models=(), scored=())
    for figure in (draw_strata(nothing, []), draw_subgroups(nothing, [])):
        assert "no model was run" in shown_words(figure)


def test_who_is_shown_without_a_reference(study: Study, results: list[ModelResult]) -> None:
    alone = replace(study, reference=None, folds=(0,))
    first = read_subgroups(alone, headline_results(alone, read_results(alone)))[0]
    assert first.result.model == "logistic"
