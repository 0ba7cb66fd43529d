import math
import re
from collections.abc import Callable
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
from matplotlib.patches import Polygon
from study_results import ENCODINGS, RECURRENT, study_of, write_results

from visitseq.figures.encodings import draw_encodings
from visitseq.figures.model_results import ModelResult, read_results
from visitseq.figures.paper import paper_figures
from visitseq.figures.published import (
    HEADING,
    heart_failure,
    published_encoding,
    published_model,
)
from visitseq.figures.replicates import headline_results
from visitseq.figures.schematic_cells import equations
from visitseq.figures.schematic_network import draw_schematic_network
from visitseq.figures.schematic_visits import draw_schematic_visits
from visitseq.figures.schematic_windows import draw_schematic_windows
from visitseq.figures.study import Study
from visitseq.figures.style import house_style
from visitseq.figures.timing import draw_training_times, scoring_table
from visitseq.figures.window_series import window_series
from visitseq.figures.windows import draw_windows
from visitseq.figures.windows_table import windows_table

SIX = ["logistic", "svm", "mlp", "knn", "gru_no_duration", "gru"]
PRINTED = ["LR", "SVM", "MLP", "KNN", "GRU w/o duration", "GRU w/ duration"]
MANY = [*SIX, "rnn", "lstm", "bigru", *(f"gru_number_{n}" for n in range(11))]
THREE = ["one_hot", "grouped", "skipgram"]


def onset(observation: float, prediction: float, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "onset",
        "cohort": "heart_failure",
        "observation_months": observation,
        "prediction_months": prediction,
        "phenotype_codes": "drop",
        **changes,
    }


def written(folder: Path, sets: int = 84, **changes: Any) -> Study:
    """A study with its results, of few draws."""
    mapping = study_of(draws=20, **changes)
    write_results(mapping, folder, sets=sets)
    return Study.from_mapping(mapping, folder)


def unwritten(**changes: Any) -> Study:
    """A study of which nothing is read."""
    return Study.from_mapping(study_of(**changes), Path("nowhere"))


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The paper's models and encodings, the windows of its Figs 4 and 5 and of both its tables."""
    tasks = {"o12": onset(12, 6), "o18": onset(18, 0), "o9": onset(9, 6), "p3": onset(9, 3)}
    return written(
        tmp_path_factory.mktemp("paper"),
        tasks=tasks,
        models=SIX,
        encodings=THREE,
        training_sizes=[50, 100, 5],
    )


@pytest.fixture(scope="module")
def results(paper: Study) -> list[ModelResult]:
    return read_results(paper)


@pytest.fixture(scope="module")
def figures(paper: Study, results: list[ModelResult]) -> dict[str, Figure]:
    with house_style():
        return paper_figures(paper, results)


def test_the_published_numbers_agree_with_one_another() -> None:
    """The same model, encoding and windows stand in Fig. 4 and in both tables."""
    numbers = heart_failure()
    table1 = {row[0]: row[1:] for row in numbers["table1"]["rows"]}
    table2 = {row[0]: row[1:] for row in numbers["table2"]["rows"]}
    assert table1[9] == table2[6]
    fourth = [numbers["fig4"]["auc"][name][2] for name in numbers["table1"]["columns"][1:]]
    assert table1[12] == pytest.approx(fourth, abs=0.0006)
    assert list(table1) == list(range(3, 13))
    assert list(table2) == list(range(3, 10))
    assert list(numbers["fig4"]["auc"]) == list(numbers["fig5"]["auc"]) == PRINTED
    assert numbers["fig5"]["auc"]["GRU w/ duration"] == [0.863, 0.870, 0.883]


def test_a_model_is_the_papers_where_it_is_the_same() -> None:
    sections = study_of(models=MANY)["model_sections"]
    assert [published_model(sections[name]) for name in SIX] == PRINTED
    others: list[dict[str, Any]] = [
        {"kind": "logistic", "features": "time"},
        {"kind": "seq2seq"},
        {**RECURRENT, "layers": 2},
        {**RECURRENT, "bidirectional": True},
        {**RECURRENT, "cell": "lstm"},
        {**RECURRENT, "visits": "shuffled"},
    ]
    assert {published_model(section) for section in others} == {None}
    names = [published_encoding(ENCODINGS[name]) for name in THREE]
    assert names == heart_failure()["encodings"]
    assert published_encoding({**ENCODINGS["grouped"], "vectors": "skipgram"}) is None


def test_tasks_form_a_series_where_one_window_alone_differs() -> None:
    tasks = {
        "c": onset(12, 6),
        "a": onset(3, 6),
        "again": onset(3, 6),
        "kept": onset(6, 6, phenotype_codes="keep"),
        "gap": onset(12, 3),
        "elsewhere": onset(6, 6, cohort="another"),
    }
    study = unwritten(tasks=tasks)
    (by_observation,) = window_series(study, "observation")
    assert (by_observation.fixed, by_observation.tasks) == (6, {3: "a", 12: "c"})
    (by_gap,) = window_series(study, "prediction")
    assert (by_gap.fixed, by_gap.tasks) == (12, {3: "gap", 6: "c"})
    assert window_series(unwritten(), "observation") == []


def test_tables_of_windows_have_the_published_values_beside_ours(
    paper: Study, results: list[ModelResult]
) -> None:
    table = windows_table(paper, results, "observation")
    assert len(table) == 2 * 6 * 3
    row = table[(table["model"] == "gru") & (table["encoding"] == "one_hot")]
    assert row["observation_months"].tolist() == ["9", "12"]
    assert row[HEADING].tolist() == ["0.7680", "0.7768"]
    assert set(row["published encoding"]) == {"concept vectors"}
    mean = next(r for r in results if r.setting[1:] == ("o12", "one_hot") and r.model == "gru")
    value, low, high = mean.means["auroc"][:3]
    assert row["auroc"].tolist()[1] == f"{value:.3f} [{low:.3f}, {high:.3f}]"
    # The paper's tables have no GRU without the time.
    assert set(table.loc[table["model"] == "gru_no_duration", HEADING]) == {""}
    gaps = windows_table(paper, results, "prediction")
    assert gaps.loc[gaps["model"] == "knn", HEADING].tolist() == ["0.7373", "0.7274"] * 3
    other = unwritten(tasks={"a": onset(3, 2), "b": onset(6, 2)})
    assert windows_table(other, [], "observation").empty


def test_another_gap_than_the_papers_has_no_published_value(tmp_path: Path) -> None:
    study = written(tmp_path, tasks={"a": onset(3, 2), "b": onset(6, 2)}, models=["gru"])
    table = windows_table(study, read_results(study), "observation")
    assert table[HEADING].tolist() == ["", ""]


def points(axes: Axes) -> list[Any]:
    """What is drawn with intervals."""
    return [bars for bars in axes.containers if isinstance(bars, ErrorbarContainer)]


def test_points_of_encodings_are_the_means_over_folds(
    figures: dict[str, Figure], results: list[ModelResult]
) -> None:
    axes = figures["encodings"].axes
    ours = [panel for panel in axes if panel.get_ylabel() == "AUROC"]
    assert len(ours) == 4
    drawn = sorted(float(y) for bars in points(ours[0]) for y in bars.lines[0].get_ydata())
    expected = [r.means["auroc"].value for r in results if r.setting.task == "o12"]
    assert drawn == pytest.approx(sorted(expected))
    fourth, fifth = (panel for panel in axes if panel.get_ylabel() == "AUC")
    for panel, name in ((fourth, "fig4"), (fifth, "fig5")):
        bars = [[bar.get_height() for bar in container] for container in panel.containers]
        assert np.array(bars).T.tolist() == list(heart_failure()[name]["auc"].values())
        assert panel.get_title(loc="left").startswith("Published, other data")


def test_the_published_panel_needs_a_task_of_its_windows(tmp_path: Path) -> None:
    study = written(tmp_path, tasks={"a": onset(12, 0)}, models=["gru"])
    with house_style():
        figure = draw_encodings(study, read_results(study))
    assert not any("Published" in text for text in words(figure))
    assert len(figure.axes) == 1


def test_an_interval_below_a_half_is_drawn_whole(results: list[ModelResult], paper: Study) -> None:
    with house_style():
        figure = draw_encodings(paper, results)
    low, high = figure.axes[0].get_ylim()
    lowest = min(result.means["auroc"].low for result in results)
    assert low <= min(lowest, 0.5) < low + 0.1
    assert high == 1


def test_curves_of_windows_are_ours_and_the_papers(
    figures: dict[str, Figure], results: list[ModelResult]
) -> None:
    axes = figures["windows"].axes
    assert len(axes) == 2 * 3 + 2
    logistic = next(bars for bars in points(axes[0]) if bars.get_label() == "logistic")
    values = [
        r.means["auroc"].value
        for task in ("o9", "o12")
        for r in results
        if r.setting[1:] == (task, "one_hot") and r.model == "logistic"
    ]
    assert list(logistic.lines[0].get_ydata()) == pytest.approx(values)
    for panel, name in zip(axes[-2:], ("table1", "table2"), strict=True):
        columns = np.array(heart_failure()[name]["rows"]).T
        drawn = {line.get_label(): np.asarray(line.get_xydata()) for line in panel.lines}
        for label, column in zip(PRINTED[:4], columns[1:], strict=False):
            assert drawn[label].T.tolist() == [columns[0].tolist(), column.tolist()]


def test_seconds_to_score_stand_beside_the_papers(paper: Study) -> None:
    table = scoring_table(paper).set_index(["task", "encoding", "model"])
    line = table.loc[[("o12", "one_hot", "gru_no_duration")]].iloc[0]
    assert line["seconds a patient, one by one"] == "0.0013 [0.001, 0.002]"
    assert line["seconds a patient, in a batch"] == "1.3e-05 [1e-05, 3e-05]"
    assert line[HEADING] == "0.020408"
    assert table.loc[("o12", "one_hot", "logistic"), HEADING] == "2e-06"
    assert table.loc[("o12", "one_hot", "knn"), HEADING] == "36.66"


def test_seconds_of_training_are_drawn_by_patients(figures: dict[str, Figure]) -> None:
    axes = figures["timing_training"].axes
    # 50 and 100 patients were asked for; the subset of 5 is too small to be shown.
    line = next(line for line in axes[0].lines if line.get_label() == "gru, hidden 64")
    assert np.asarray(line.get_xydata()).tolist() == [[49, 0.5], [99, 1.0]]
    one_hot, vectors = axes[-1].lines
    assert np.asarray(one_hot.get_xydata()).tolist()[-1] == [32759, 5338]
    assert len(np.asarray(vectors.get_xydata())) == 4  # what could not be read off is left out


@pytest.mark.parametrize(
    "name",
    [
        *("encodings", "windows", "timing_training"),
        *("schematic_visits", "schematic_network", "schematic_windows"),
    ],
)
def test_no_words_overlap_or_leave_the_figure(figures: dict[str, Figure], name: str) -> None:
    figure = figures[name]
    assert len(words(figure)) > 15
    assert overlaps(figure) == []
    assert figure.get_size_inches()[0] <= 7.1
    synthetic = "synthetic records" in words(figure)
    assert synthetic != name.startswith("schematic")


@pytest.mark.parametrize(("models", "encodings"), [(MANY, THREE), (["gru"], ["one_hot"])])
def test_many_models_and_one_are_readable(
    tmp_path: Path, models: list[str], encodings: list[str]
) -> None:
    tasks = {"heart_failure": onset(18, 0), "shorter": onset(6, 0)}
    study = written(tmp_path, models=models, encodings=encodings, tasks=tasks, sets=42)
    found = read_results(study)
    with house_style():
        drawn = [draw_encodings(study, found), draw_windows(study, found)]
    for figure in drawn:
        assert overlaps(figure) == []
        assert any("few cases or controls" in text for text in words(figure))


CELLS: list[dict[str, Any]] = [
    {},
    {"reset": "before", "layers": 3},
    {"cell": "rnn", "nonlinearity": "relu", "embed": "tanh", "duration": False, "dropout": 0},
    {"cell": "lstm", "bidirectional": True, "layers": 2},
]


@pytest.mark.parametrize("changes", CELLS)
def test_the_network_is_drawn_as_it_is_configured(changes: dict[str, Any]) -> None:
    model = {**RECURRENT, "hidden": 77, "embedding": 33, **changes}
    study = unwritten(
        models=["logistic", "gru"], model_sections={"logistic": {"kind": "logistic"}, "gru": model}
    )
    with house_style():
        figure = draw_schematic_network(study)
    assert overlaps(figure) == []
    said = words(figure)
    directions = 2 if model["bidirectional"] else 1
    assert said.count(model["cell"].upper()) == 3 * model["layers"] * directions
    assert sum(text.endswith(", 77") for text in said) == model["layers"] * directions
    assert "embedding, 33" in said
    assert ("$d_1$" in said) == model["duration"]
    assert ("dropout 0.5 where dashed" in said) == (model["dropout"] > 0)
    assert all(f"${equation}$" in said for equation, _ in equations(model))


def value_of(cell: dict[str, Any], numbers: dict[str, float]) -> float:
    """The last state that a cell's equations give for numbers by their TeX names."""
    known: dict[str, Any] = {"sigma": lambda x: 1 / (1 + math.exp(-x)), "tanh": math.tanh}
    known |= {"relu": lambda x: max(x, 0.0), **numbers}
    for equation, _ in equations(cell):
        text = re.sub(r"\\tilde{(\w)}_t", r"\1new", equation).replace("\\,", "")
        text = text.replace("{t-1}", "0").replace("\\mathrm{relu}", "relu").replace("\\", "")
        name, _, right = text.partition(" = ")
        # Factors stand side by side: 'U s_t', 'z_t h_0', 'r_t (…)', '(1 - z_t) hnew', 'o_t tanh'.
        right = re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", right)
        known[name] = eval(right, {}, known)
    return float(known["h_t"])


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_equations_are_those_of_torch(cell: str) -> None:
    import torch  # noqa: PLC0415

    draw = np.random.default_rng(0)
    peer = {"rnn": torch.nn.RNNCell, "gru": torch.nn.GRUCell, "lstm": torch.nn.LSTMCell}[cell](1, 1)
    gates = {"rnn": [""], "gru": ["_r", "_z", "_h"], "lstm": ["_i", "_f", "_c", "_o"]}[cell]
    weights = draw.normal(size=(4, len(gates)))
    weights[3, [gate != "_h" for gate in gates]] = 0  # the second bias, which the new of a GRU has
    s, h, c = draw.normal(size=3)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    with torch.no_grad():
        for name, values in zip(names, weights, strict=True):
            weight = getattr(peer, name)
            weight.copy_(torch.tensor(values).reshape(weight.shape))
        state = [torch.tensor([[x]], dtype=torch.float32) for x in (h, c)]
        inputs = torch.tensor([[s]], dtype=torch.float32)
        after = peer(inputs, tuple(state) if cell == "lstm" else state[0])
    expected = float(after[0] if cell == "lstm" else after)
    numbers = {"s_t": s, "h_0": h, "c_0": c}
    for letter, values in zip("UWbc", weights, strict=True):
        numbers |= {f"{letter}{gate}": x for gate, x in zip(gates, values, strict=True)}
    assert value_of({**RECURRENT, "cell": cell}, numbers) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("encoding", [*ENCODINGS])
def test_the_invented_patients_vectors_by_hand(encoding: str) -> None:
    study = unwritten(encodings=[encoding], models=["logistic", "gru"])
    with house_style():
        figure = draw_schematic_visits(study)
    assert overlaps(figure) == []
    said = words(figure)
    assert any(text.startswith("An invented patient") for text in said)
    # Fifteen codes in seven visits, thirteen of them different and in eleven groups; no visit has
    # two codes of a group.
    steps = 15 if encoding == "one_hot_by_code" else 7
    rows = 11 if encoding == "grouped" else 13
    assert said.count("1") == 15
    assert said.count("0") == steps * rows - 15
    # 548 days, of which 4% are left after the last visit: 22; log(23) = 3.14.
    assert "22" in said
    assert said.count("3.1") == (2 if encoding == "one_hot_by_code" else 1)
    assert ("log(days + 1)" in said) is True


def test_domains_and_networks_that_are_not_there_are_not_drawn() -> None:
    section = {**ENCODINGS["one_hot"], "domains": ["condition"]}
    study = unwritten(models=["logistic"], encoding_sections={"one_hot": section})
    with house_style():
        said = words(draw_schematic_visits(study))
        assert "no recurrent network was run" in words(draw_schematic_network(study))
        without = words(draw_schematic_visits(unwritten(tasks={})))
    assert "no task with an outcome was run" in without
    assert "drugs" not in said
    assert "log(days + 1)" not in said
    assert said.count("1") == 7


def test_windows_are_to_scale() -> None:
    tasks = {f"o{months}": onset(months, 6) for months in (3, 12)} | {"none": onset(18, 0)}
    with house_style():
        figure = draw_schematic_windows(unwritten(tasks=tasks))
    assert overlaps(figure) == []
    # The arrow's head is a polygon too.
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Polygon)][1:]
    widths = np.array([np.ptp(bar.get_xy()[:, 0]) for bar in bars])
    assert widths / widths[-1] == pytest.approx(np.array([3, 6, 12, 6, 18]) / 18)
    ends = [bar.get_xy()[:, 0].max() for bar in (bars[1], bars[3], bars[4])]
    assert ends == pytest.approx([ends[0]] * 3)
    said = words(figure)
    assert (said.count("183 days"), said.count("548 days"), said.count("0 days")) == (2, 1, 1)


@pytest.mark.parametrize("draw", [draw_windows, draw_encodings])
def test_nothing_to_show_is_said(draw: Callable[..., Figure]) -> None:
    with house_style():
        said = words(draw(unwritten(models=[]), []))
        timed = words(draw_training_times(unwritten()))
    assert said[0] in (
        "no model was run",
        "no model was run on two tasks\nthat differ in one window alone",
    )
    assert "no network's training was timed" in timed
    assert scoring_table(unwritten(folds=[])).empty


def test_the_network_that_is_drawn_is_the_reference() -> None:
    models = ["logistic", "rnn", "gru"]
    drawn = {
        reference: unwritten(models=models, reference=reference).network
        for reference in (None, "logistic", "gru")
    }
    assert drawn == {None: "rnn", "logistic": "rnn", "gru": "gru"}


def test_replicates_are_timed_once_and_named_with_their_seeds(tmp_path: Path) -> None:
    tasks = {"a": onset(3, 6), "b": onset(6, 6)}
    same = {"gru": ["gru", "gru_2"]}
    study = written(tmp_path, models=["gru", "gru_2"], replicates=same, tasks=tasks)
    assert scoring_table(study)["model"].tolist() == ["gru", "gru"]
    found = headline_results(study, read_results(study))
    table = windows_table(study, found, "observation")
    assert (table["model"].tolist(), table["folds"].tolist()) == (["gru (2 seeds)"] * 2, [1, 1])
    with house_style():
        assert "gru (2 seeds)" in words(draw_encodings(study, found))
        assert "gru (2 seeds)" in words(draw_windows(study, found))


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two seeds of the GRU with one of two windows, and a model with one window alone."""
    tasks = {"a": onset(3, 6), "b": onset(6, 6)}
    models = ["gru", "gru_2", "lstm"]
    scored = [("a", "one_hot", name) for name in models] + [("b", "one_hot", "gru")]
    return written(
        tmp_path_factory.mktemp("uneven"),
        models=models,
        replicates={"gru": ["gru", "gru_2"], "lstm": ["lstm"]},
        tasks=tasks,
        scored=[*scored, ("b", "grouped", "gru")],
        encoded=[("a", "one_hot"), ("b", "one_hot"), ("b", "grouped")],
        encodings=["one_hot", "grouped"],
    )


def test_models_are_named_with_the_seeds_of_their_panel(uneven: Study) -> None:
    with house_style():
        figure = draw_encodings(uneven, headline_results(uneven, read_results(uneven)))
    names = [[tick.get_text() for tick in axes.get_xticklabels()] for axes in figure.axes]
    assert names == [["gru (2 seeds)", "lstm"], ["gru"]]
    assert overlaps(figure) == []


def test_two_numbers_of_seeds_in_a_panel_are_both_said(uneven: Study) -> None:
    found = headline_results(uneven, read_results(uneven))
    one_task = [r._replace(task="a") for r in (result.setting for result in found)]
    mixed = [replace(r, setting=setting) for r, setting in zip(found, one_task, strict=True)]
    with house_style():
        assert "gru (1 or 2 seeds)" in words(draw_encodings(uneven, mixed))


def test_along_a_window_there_is_one_number_of_seeds(uneven: Study) -> None:
    every = read_results(uneven)
    found = headline_results(uneven, every)
    first = [r.means["auroc"].value for r in every if r.model == "gru"][:2]
    assert found[0].means["auroc"].value != pytest.approx(first[0])
    with house_style():
        figure = draw_windows(uneven, found)
    (line,) = points(figure.axes[0])
    assert list(line.lines[0].get_ydata()) == pytest.approx(first)
    assert line.get_label() == "gru"
    table = windows_table(uneven, found, "observation")
    assert table["auroc"].tolist() == [
        f"{value:.3f} [{low:.3f}, {high:.3f}]"
        for value, low, high in (
            r.means["auroc"][:3] for r in every if r.setting[2] == "one_hot" and r.model == "gru"
        )
    ]


def test_a_model_of_a_single_window_has_no_line_and_no_panel(uneven: Study) -> None:
    found = headline_results(uneven, read_results(uneven))
    table = windows_table(uneven, found, "observation")
    assert table[["encoding", "model"]].to_numpy().tolist() == [["one_hot", "gru"]] * 2
    with house_style():
        figure = draw_windows(uneven, found)
        nothing = words(draw_windows(uneven, [r for r in found if r.model == "lstm"]))
    # One panel of ours, and the paper's Table 1.
    assert [axes.get_ylabel() for axes in figure.axes] == ["AUROC", "AUC"]
    assert "lstm" not in words(figure)
    assert "no model was run on two tasks\nthat differ in one window alone" in nothing
    assert overlaps(figure) == []
