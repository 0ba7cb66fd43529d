"""A study with a forecast and next visits: what is planned, left out, refused and written."""

import json
import pickle
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from calls import AFTER_FIGURES, ROOT, Workflow

from visitseq import tables

CONFIG = ROOT / "tests/configs/forecast.yaml"
MODEL = "lakeview/forecast/one_hot/seq2seq/fold0"


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The workflow after the study of forecast.yaml."""
    workflow = Workflow(ROOT, tmp_path_factory.mktemp("forecast"))
    done = workflow.snakemake("--cores", "2", "--configfile", CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow


def test_what_a_kind_cannot_do_is_left_out_and_named_once(workflow: Workflow) -> None:
    done = workflow.snakemake("-n", "--configfile", CONFIG)
    sentence = "model logistic is left out of task forecast: a model of kind logistic gives"
    assert (done.stdout + done.stderr).count(sentence) == 1
    assert workflow.planned("--configfile", CONFIG) == {
        "simulate_site": 1,
        "ingest_site": 1,
        "build_cohort": 1,
        "build_population": 1,
        "encode_visits": 1,
        "encode_targets": 2,
        "train_baseline": 1,
        "train_pretrained": 1,
        "train_forecast": 1,
        "train_next_visit": 1,
        "count_labels": 1,
        "score_oracle": 1,
        "measure_giveaways": 1,
        "time_scoring": 2,
        "evaluate_model": 2,
        "evaluate_forecast": 1,
        "evaluate_next_visit": 2,
        "measure_repetition": 1,
        "check_windows": 1,
        "check_matching": 1,
        "check_splits": 1,
        "run_canaries": 1,
        "test_in_time": 1,
        "write_audit": 1,
        "pass_audit": 1,
        "draw_figures": 1,
        **AFTER_FIGURES,
    }


def test_what_a_kind_cannot_do_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    path = "results/5_evaluate/lakeview/forecast/one_hot/gru/fold0/metrics.json"
    done = Workflow(ROOT, tmp_path).snakemake("--cores", "1", path)
    assert done.returncode == 1
    printed = done.stdout + done.stderr
    reason = "Model gru cannot do task forecast: a model of kind recurrent gives each person one"
    assert f"ERROR visitseq: {reason}" in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "results/1_ingest/lakeview/events.parquet").exists()


def test_each_kind_of_task_refuses_what_it_cannot_be_given_to(tmp_path: Path) -> None:
    refused = {
        ("next_visit", "bigru"): "a bidirectional network has read the visits",
        ("heart_failure", "last_visit"): "a model of kind last_visit ranks labels",
    }
    paths = [f"results/4_train/lakeview/{'/one_hot/'.join(n)}/fold0/model.json" for n in refused]
    done = Workflow(ROOT, tmp_path).snakemake("--cores", "1", "--keep-going", *paths)
    assert done.returncode == 1
    for (task, model), why in refused.items():
        reason = f"Model {model} cannot do task {task}: {why}"
        assert f"ERROR visitseq: {reason}" in done.stdout + done.stderr


def test_a_second_run_does_nothing(forecast: Workflow) -> None:
    assert forecast.planned("--configfile", CONFIG) == {}


def test_the_released_scoring_is_repeated_beside_ours_and_trains_nothing_anew(
    forecast: Workflow, tmp_path: Path
) -> None:
    overlay = tmp_path / "plain.yaml"
    overlay.write_text("tasks: {next_visit: {choi_compat: false}}", "utf-8")
    planned = forecast.planned("--configfile", CONFIG, overlay)
    audited = dict.fromkeys(["check_splits", "write_audit", "pass_audit"], 1)
    assert planned == {"evaluate_next_visit": 2, **audited, "draw_figures": 1, **AFTER_FIGURES}
    results = forecast.directory / "results"
    card = results / "4_train/lakeview/next_visit/one_hot/gru/fold0/model.json"
    assert "choi_compat" not in json.loads(card.read_text("utf-8"))["task"]
    table = pd.read_csv(results / "7_figures/table_choi_compat.csv")
    assert table.groupby("model")["defect"].nunique().to_dict() == {"gru": 6, "most_frequent": 6}
    assert set(table["records"]) == {"synthetic"}


def test_the_released_format_is_written_and_is_a_site(forecast: Workflow, tmp_path: Path) -> None:
    for name, content in {"visits": [[[3, 1], [1]], [[2]]], "times": [[0, 9], [0]]}.items():
        (tmp_path / name).write_bytes(pickle.dumps(content, 2))
    site = f"{{source: doctorai, path: {tmp_path}/visits, times: {tmp_path}/times}}"
    (tmp_path / "old.yaml").write_text(f"sites: {{old: {site}}}", "utf-8")
    summary = "results/1_ingest/old/summary.json"
    configs = (CONFIG, tmp_path / "old.yaml")
    done = forecast.snakemake("export_doctorai", summary, "--cores", "1", "--configfile", *configs)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = json.loads((forecast.directory / summary).read_text("utf-8"))
    assert (counted["persons"], counted["visits"], counted["events"]) == (2, 3, 7)
    setting = "lakeview/next_visit/one_hot"
    with pa.memory_map(
        str(forecast.directory / f"results/3_encode/{setting}/visits.arrow")
    ) as file:
        rows = pa.ipc.open_file(file).read_all().select(["part", "visits"]).to_pylist()
    written = forecast.directory / f"results/8_export/doctorai/{setting}/fold0/visits.test"
    tested = [row["visits"] for row in rows if row["part"] == 0]
    assert pickle.loads(written.read_bytes()) == tested


def test_every_table_keeps_its_contract(forecast: Workflow) -> None:
    results = forecast.directory / "results"
    contracts = {
        "2_cohort/lakeview/everyone/cohort.parquet": tables.COHORT,
        "3_encode/lakeview/forecast/one_hot/vocabulary.parquet": tables.vocabulary_schema(7),
        "3_encode/lakeview/forecast/one_hot/labels.parquet": tables.vocabulary_schema(7),
        f"5_evaluate/{MODEL}/predictions.parquet": tables.FORECASTS,
        f"5_evaluate/{MODEL}/validation.parquet": tables.FORECASTS,
        "7_figures/metrics.parquet": tables.METRICS,
    }
    for path, schema in contracts.items():
        assert pq.read_schema(results / path).remove_metadata().equals(schema), path
    arrow = results / "3_encode/lakeview/forecast/one_hot/visits.arrow"
    with pa.memory_map(str(arrow)) as source:
        assert pa.ipc.open_file(source).schema.equals(tables.VISIT_TARGETS)
    names = {path.name for path in (results / "2_cohort/lakeview/everyone").iterdir()}
    assert names == {"cohort.parquet", "attrition.csv"}


def test_the_test_part_is_forecast_three_visits_ahead(forecast: Workflow) -> None:
    results = forecast.directory / "results"
    cohort = pq.read_table(results / "2_cohort/lakeview/everyone/cohort.parquet").to_pandas()
    assert len(cohort) == 300
    folder = results / "5_evaluate" / MODEL
    predictions = pq.read_table(folder / "predictions.parquet").to_pandas()
    tested = set(cohort.loc[cohort["part"] == 0, "subject_id"])
    assert set(predictions["subject_id"]) <= tested
    assert (predictions.groupby("subject_id")["ahead"].apply(list).map(tuple) == (1, 2, 3)).all()
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert metrics["n"] == predictions["subject_id"].nunique()
    recalls = [metrics[f"recall_at_{k}"]["value"] for k in (10, 20, 30)]
    assert 0 < recalls[0] < recalls[1] < recalls[2] <= 1


def test_every_visit_but_the_first_is_predicted(forecast: Workflow) -> None:
    results = forecast.directory / "results"
    metrics = {}
    for model in ("gru", "most_frequent"):
        folder = results / f"5_evaluate/lakeview/next_visit/one_hot/{model}/fold0"
        for name in ("predictions", "validation"):
            assert pq.read_schema(folder / f"{name}.parquet").equals(tables.NEXT_VISITS)
        predictions = pq.read_table(folder / "predictions.parquet").to_pandas()
        first, last = (predictions.groupby("subject_id")["visit"].agg(["min", "max"])).to_numpy().T
        assert (first == 1).all()
        metrics[model] = json.loads((folder / "metrics.json").read_text("utf-8"))
        assert metrics[model]["visits"] == len(predictions) == last.sum()
        assert (folder / "strata.csv").stat().st_size
    assert metrics["gru"]["r2_log_days"]["value"] is not None
    assert metrics["most_frequent"]["r2_log_days"]["reason"].startswith("no predicted days")
    labels = pq.read_table(results / "3_encode/lakeview/next_visit/one_hot/labels.parquet")
    names = labels["code"].to_pylist()
    assert any(name.startswith("condition/icd9/") for name in names)
    assert any(name.startswith("drug/group/") for name in names)


def test_the_forecast_and_the_pretrained_model_are_shown(forecast: Workflow) -> None:
    figures = forecast.directory / "results/7_figures"
    assert "synthetic records" in (figures / "fig_forecast.svg").read_text("utf-8")
    shown = pq.read_table(figures / "metrics.parquet").to_pandas()
    models = shown.groupby("task")["model"].unique().map(sorted).to_dict()
    assert models["forecast"] == ["seq2seq"]
    assert models["next_visit"] == ["gru", "most_frequent"]
    for name in ("recall", "frequency", "labels", "entropy"):
        svg = (figures / f"fig_next_visit_{name}.svg").read_text("utf-8")
        assert "synthetic records" in svg
    for name in ("next_visit", "next_visit_data"):
        header = (figures / f"table_{name}.csv").read_text("utf-8").splitlines()[0]
        assert "published, other data" in header
    assert {"logistic", "seq2seq"} <= set(models["heart_failure"])
