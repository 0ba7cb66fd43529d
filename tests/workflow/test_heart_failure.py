"""The heart-failure study end to end, at a reduced size."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from calls import ROOT, Workflow
from safetensors.numpy import load_file

CONFIGURATIONS = (
    ROOT / "workflow/experiments/paper_heart_failure.yaml",
    ROOT / "tests/configs/heart_failure.yaml",
)
REDUCED = yaml.safe_load(CONFIGURATIONS[1].read_text("utf-8"))
SITE = "riverside"
PUBLISHED = "published, other data"


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The workflow after the reduced study."""
    workflow = Workflow(ROOT, tmp_path_factory.mktemp("heart_failure"))
    done = workflow.snakemake("--cores", "2", "--configfile", *CONFIGURATIONS)
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow


def figures(paper: Workflow) -> Path:
    return paper.directory / "results/7_figures"


def table(paper: Workflow, name: str) -> pd.DataFrame:
    return pd.read_csv(figures(paper) / f"table_{name}.csv")


def test_a_second_run_does_nothing(paper: Workflow) -> None:
    assert paper.planned("--configfile", *CONFIGURATIONS) == {}


@pytest.mark.parametrize(
    ("edited", "again", "kept"),
    [
        ({"dimension": 9}, {"train_site_vectors", "place_vectors"}, {"encode_visits"}),
        ({"sequence": "visit"}, {"encode_visits", "place_vectors"}, {"train_site_vectors"}),
    ],
)
def test_an_edit_of_an_encoding_repeats_what_uses_the_key(
    paper: Workflow, tmp_path: Path, edited: dict[str, object], again: set[str], kept: set[str]
) -> None:
    overlay = tmp_path / "edited.yaml"
    overlay.write_text(yaml.safe_dump({"encodings": {"skipgram": edited}}), "utf-8")
    planned = paper.planned("--configfile", *CONFIGURATIONS, overlay)
    assert again <= planned.keys()
    assert not kept & planned.keys()


def test_every_table_and_figure_of_the_documentation_is_there(paper: Workflow) -> None:
    text = (ROOT / "docs/heart_failure.md").read_text("utf-8")
    cells = [
        part for line in text.splitlines() if line.startswith("| ") for part in line.split("`")
    ]
    named = {name for name in cells if name.startswith(("fig_", "table_"))}
    assert len(named) >= 18
    for name in named:
        file = name if name.endswith(".csv") else f"{name}.svg"
        assert (figures(paper) / file).stat().st_size > 0, name


def test_every_model_of_the_narrowed_tasks_has_a_result(paper: Workflow) -> None:
    found = pq.read_table(figures(paper) / "metrics.parquet").to_pandas()
    run = set(zip(found["task"], found["encoding"], found["model"], strict=True))
    narrow = REDUCED["run"]["narrow"]
    expected = {("obs18_pred0", "one_hot", m) for m in narrow["obs18_pred0"]["models"]}
    expected |= {("obs12_pred6", "grouped", "logistic")}
    expected |= {("obs12_pred6", "skipgram", model) for model in ("logistic", "gru")}
    expected |= {(f"obs9_pred{gap}", "skipgram", "logistic") for gap in (6, 3)}
    expected |= {("by_visit", "one_hot_visits", m) for m in narrow["by_visit"]["models"]}
    oracles = {names for names in run if names[2] in ("oracle", "oracle_latent")}
    assert run - oracles == expected
    aurocs = found[(found["metric"] == "auroc") & found["fold"].notna()]
    assert aurocs["value"].between(0, 1).all()


def test_the_windows_of_one_cohort_have_the_same_rows(paper: Workflow) -> None:
    evaluated = paper.directory / f"results/5_evaluate/{SITE}"
    rows = [
        pq.read_table(evaluated / task / "skipgram/logistic/fold0/predictions.parquet")
        for task in ("obs12_pred6", "obs9_pred6", "obs9_pred3")
    ]
    subjects = [table["subject_id"].to_pylist() for table in rows]
    assert subjects[0] == subjects[1] == subjects[2]
    assert rows[1]["prediction_time"] != rows[2]["prediction_time"]


def test_the_search_is_recorded_and_seeds_differ(paper: Workflow) -> None:
    trained = paper.directory / f"results/4_train/{SITE}/obs18_pred0/one_hot"
    card = json.loads((trained / "logistic/fold0/model.json").read_text("utf-8"))
    trials = card["search"]["trials"]
    assert [trial["inverse_penalty"] for trial in trials] == [0.001, 0.01]
    best = trials[card["search"]["chosen"]]
    assert best["validation_auroc"] == max(trial["validation_auroc"] for trial in trials)
    assert card["model"]["inverse_penalty"] == best["inverse_penalty"]
    weights = [load_file(trained / f"{m}/fold0/model.safetensors") for m in ("gru", "gru_seed1")]
    assert weights[0].keys() == weights[1].keys()
    assert any((weights[0][name] != weights[1][name]).any() for name in weights[0])


def test_models_are_compared_with_the_gru(paper: Workflow) -> None:
    lines = table(paper, "comparisons")
    assert set(lines["reference"]) == {"gru"}
    late = lines[(lines["task"] == "obs18_pred0") & (lines["metric"] == "auroc")]
    # Its two seeds stand for one model.
    assert set(late["model"]) == set(REDUCED["run"]["narrow"]["obs18_pred0"]["models"]) - {
        "gru",
        "gru_seed1",
    }
    assert set(late["family"]) == {len(late)}
    assert (late["p_holm"] >= late["p"]).all()


def test_published_values_stand_beside_ours_and_nothing_is_computed_from_them(
    paper: Workflow,
) -> None:
    observation = table(paper, "observation")
    line = observation[
        (observation["model"] == "logistic") & (observation["encoding"] == "skipgram")
    ]
    months = dict(zip(line["observation_months"], line[PUBLISHED], strict=True))
    assert months == {9: 0.7441, 12: 0.7467}
    assert set(observation["records"]) == {"synthetic"}
    for name in ("observation", "prediction", "timing_scoring", "errors"):
        columns = table(paper, name).columns
        assert PUBLISHED in columns
        assert not {column for column in columns if "differ" in column or "verdict" in column}


def test_what_gives_the_outcome_away_is_counted_for_every_window(paper: Workflow) -> None:
    lines = table(paper, "giveaways")
    assert set(lines["task"]) == set(REDUCED["run"]["tasks"])
    assert set(lines["giveaway"]) == {"heart_failure", "loop_diuretics"}
