"""Lint, and what a dry run plans: the grid, the stages, single files, laid-over configurations."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from calls import AFTER_FIGURES, ROOT, TINY, Workflow

from visitseq.config import merge_config

EXPERIMENTS = sorted((ROOT / "workflow/experiments").glob("*.yaml"))


def test_lint(workflow: Workflow) -> None:
    done = workflow.snakemake("--lint")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_default_study(workflow: Workflow) -> None:
    assert workflow.planned() == {
        "simulate_site": 2,
        "ingest_site": 2,
        "build_cohort": 2,
        "build_landmark": 2,
        "encode_visits": 4,
        "train_model": 8,
        "train_baseline": 2,
        "score_oracle": 2,
        "evaluate_model": 10,
        "evaluate_as_used": 4,
        "measure_reach": 6,
        "time_scoring": 10,
        "explain_model": 2,
        "measure_giveaways": 2,
        "translate_visits": 1,
        "evaluate_abroad": 1,
        "transfer_model": 1,
        "run_canaries": 2,
        "test_in_time": 2,
        "check_windows": 2,
        "check_as_used": 2,
        "check_matching": 2,
        "check_splits": 1,
        "write_audit": 1,
        "pass_audit": 1,
        "draw_figures": 1,
        **AFTER_FIGURES,
    }


@pytest.mark.parametrize(
    ("stage", "last"),
    [
        ("ingest", "ingest_site"),
        ("cohort", "build_cohort"),
        ("encode", "encode_visits"),
        ("train", "train_model"),
        ("evaluate", "evaluate_model"),
        ("transfer", "transfer_model"),
        ("audit", "pass_audit"),
        ("figures", "draw_figures"),
    ],
)
def test_a_stage_is_a_target(workflow: Workflow, stage: str, last: str) -> None:
    planned = workflow.planned(stage)
    assert planned[stage] == 1
    assert last in planned
    if stage != "figures":
        assert "draw_figures" not in planned


def test_the_figures_wait_for_the_audit(workflow: Workflow) -> None:
    """One figure is enough, and nothing else is asked for."""
    planned = workflow.planned("results/7_figures/fig_roc.svg")
    assert planned["pass_audit"] == planned["write_audit"] == planned["check_splits"] == 1


def test_a_single_file_is_a_target(workflow: Workflow) -> None:
    path = "results/4_train/lakeview/heart_failure/one_hot/gru/fold3/model.safetensors"
    planned = workflow.planned(path)
    assert planned == dict.fromkeys(
        ["simulate_site", "ingest_site", "build_cohort", "encode_visits", "train_model"], 1
    )


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_plans(tmp_path: Path, path: Path) -> None:
    workflow = Workflow(ROOT, tmp_path)
    overlay = yaml.safe_load(path.read_text("utf-8"))
    for site in overlay.get("sites", {}).values():
        if site["source"] == "omop":
            folder = tmp_path / "records"
            folder.mkdir()
            for table in ("person", "condition_occurrence"):
                (folder / f"{table}.csv").write_text("person_id\n", "utf-8")
            site["path"] = str(folder)
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay), "utf-8")
    planned = workflow.planned("--configfile", tmp_path / "overlay.yaml")
    assert planned["draw_figures"] == 1
    default = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    config = merge_config(default, overlay)
    trained = [kind for task in config["run"]["tasks"] for kind in _in_epochs(config, task)]
    jobs = len(config["run"]["folds"]) * len(config["run"]["sites"]) * len(trained)
    assert planned.get("train_model", 0) + planned.get("train_next_visit", 0) == jobs


def _in_epochs(config: dict[str, Any], task: str) -> list[str]:
    """Kinds of the models that a task trains by the rules train_model and train_next_visit."""
    run, of_task = config["run"], config["tasks"][task]["kind"]
    narrowed = run.get("narrow", {}).get(task, {})
    wanted = {"onset": ("recurrent", "retain", "transformer")}
    wanted["next_visit"] = ("recurrent", "logistic", "mlp")
    kinds = []
    for encoding in narrowed.get("encodings", run["encodings"]):
        every = narrowed.get("models", run["models"])
        names = narrowed.get("pairs", {}).get(encoding, every)
        kinds += [config["models"][name]["kind"] for name in names if name in every]
    return [kind for kind in kinds if kind in wanted[of_task]]


def test_a_list_replaces_and_a_mapping_merges(workflow: Workflow) -> None:
    planned = workflow.planned("--configfile", TINY)
    assert (planned["train_model"], planned["ingest_site"]) == (4, 2)
    planned = workflow.planned("--config", "run={models: [logistic], sites: [lakeview]}")
    assert planned["train_baseline"] == 1
    assert "train_model" not in planned


@pytest.mark.parametrize(
    ("corpus", "expected"),
    [
        ("site", {"train_site_vectors": 2, "place_vectors": 4, "train_model": 4}),
        ("cohort", {"train_vectors": 4, "train_model": 4}),
    ],
)
def test_vectors_of_a_site_are_learned_once_a_fold(
    tmp_path: Path, corpus: str, expected: dict[str, int]
) -> None:
    """Whatever the number of tasks, here two; those of a cohort once a fold and task."""
    tasks = {"short": {"kind": "onset", "cohort": "heart_failure", "observation_months": 6}}
    run = {"sites": ["lakeview"], "tasks": ["heart_failure", "short"]}
    study = {
        "run": {**run, "encodings": ["skipgram"], "models": ["gru"]},
        "tasks": tasks,
        "encodings": {"skipgram": {"corpus": corpus}},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study), "utf-8")
    workflow = Workflow(ROOT, tmp_path)
    planned = workflow.planned("--configfile", TINY, tmp_path / "study.yaml")
    rules = ["train_site_vectors", "place_vectors", "train_vectors", "train_model"]
    assert {rule: planned[rule] for rule in rules if rule in planned} == expected


def test_what_moves_between_hospitals(tmp_path: Path) -> None:
    """Each pair once for all models, each model by fold; what cannot move is named."""
    pair = {"source": "riverside", "target": "lakeview"}
    study = {
        "run": {
            "tasks": ["heart_failure", "next_visit", "forecast"],
            "encodings": ["one_hot", "skipgram"],
            "models": ["gru", "svm", "most_frequent"],
            "narrow": {"heart_failure": {"models": ["gru", "svm"]}},
            "transfer": [
                {**pair, "models": ["gru", "svm", "knn"]},
                {"source": "lakeview", "target": "elsewhere"},
                {"source": "lakeview", "target": "lakeview", "models": ["most_frequent"]},
            ],
        },
        "sites": {"elsewhere": {"source": "simulated"}},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study), "utf-8")
    workflow = Workflow(ROOT, tmp_path)
    done = workflow.snakemake(
        "-n", "transfer", "--configfile", TINY, tmp_path / "study.yaml", "--quiet", "rules"
    )
    printed = done.stdout + done.stderr
    for sentence in (
        "model knn is left out of transfer riverside to lakeview: it is not among run/models.",
        "transfer lakeview to elsewhere is left out: elsewhere is not among run/sites.",
        "task forecast is left out of transfer: it is of kind forecast, which is not moved.",
        "fine_tuned is left out of transfer of model svm: a model of kind svm has no weights",
    ):
        assert printed.count(sentence) == 1
    stats = dict(re.findall(r"^(\w+) +(\d+)$", printed, re.M))
    expected = {
        "translate_visits": 2,  # one_hot and skipgram
        "translate_targets": 4,  # from both
        "translate_vectors": 6,  # of two folds; two tasks, and the second pair's
        "evaluate_abroad": 8,  # gru and svm, by encoding and fold
        "evaluate_next_visit_abroad": 8,
        "transfer_model": 8,
        "transfer_next_visit": 8,
    }
    assert {rule: int(stats.get(rule, 0)) for rule in expected} == expected


def test_an_empty_list_is_a_study_without_it(workflow: Workflow) -> None:
    planned = workflow.planned("--config", "run={models: []}")
    assert "train_model" not in planned
    assert (planned["encode_visits"], planned["draw_figures"]) == (2, 1)


def test_what_a_rule_does_not_use_is_no_parameter_of_it(study: Workflow) -> None:
    relabelled = "sites={riverside: {domains: [condition, drug, procedure, measurement]}}"
    planned = study.planned("--configfile", TINY, "--config", relabelled)
    assert "simulate_site" not in planned
    assert planned["ingest_site"] == 1


def test_the_rule_graph_in_the_readme_is_the_workflow(workflow: Workflow) -> None:
    done = workflow.snakemake("--rulegraph", "mermaid-js")
    arrows = {line.strip() for line in done.stdout.splitlines() if "-->" in line}
    assert arrows
    readme = (ROOT / "README.md").read_text("utf-8")
    labels = {}
    for line in done.stdout.splitlines():
        if "[" in line and "-->" not in line:
            node, _, label = line.strip().partition("[")
            labels[node] = label.rstrip("]")
    for arrow in arrows:
        one, _, two = arrow.partition(" --> ")
        assert f"{labels[one]} --> {labels[two]}" in readme
