"""Which models move from which hospital to which, and what is left out of that."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from visitseq.config import fill_config, merge_config
from visitseq.errors import UserError
from visitseq.grid import left_out
from visitseq.transfer.pairs import (
    left_out_of_transfer,
    refusal_of_strategy,
    require_carried_run,
    strategies_of,
    transferred,
)

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
OUT, BACK = ["riverside", "lakeview"], ["lakeview", "riverside"]


def study(*pairs: list[str], models: list[str] | None = None, **run: Any) -> dict[str, Any]:
    named = [{"source": source, "target": target, "models": models} for source, target in pairs]
    overlay = {
        "run": {"models": ["gru", "logistic"], "transfer": named, **run},
        "sites": {"carried": {"source": "model", "path": "/data/model"}},
    }
    schema = ROOT / "workflow/schemas/config.schema.yaml"
    return fill_config(merge_config(DEFAULT, overlay), schema)


def test_a_pair_moves_the_tasks_that_it_names() -> None:
    config = study(OUT, tasks=["heart_failure", "heart_failure_as_used"])
    assert {row[2] for row in transferred(config)} == {"heart_failure", "heart_failure_as_used"}
    config["run"]["transfer"][0]["tasks"] = ["heart_failure_as_used", "forecast"]
    assert {row[2] for row in transferred(config)} == {"heart_failure_as_used"}
    assert left_out_of_transfer(config)[0] == (
        "task forecast is left out of transfer riverside to lakeview: it is not among run/tasks."
    )


def test_every_pair_moves_what_the_study_runs() -> None:
    tasks = ["heart_failure", "next_visit", "forecast"]
    config = study(OUT, BACK, tasks=tasks, models=["gru", "knn"])
    config["run"]["models"] = ["knn", "bigru", "gru"]
    # KNN does not predict the next visit, and a forecast does not move.
    each = [["heart_failure", "one_hot", "knn"], ["heart_failure", "one_hot", "gru"]]
    each.append(["next_visit", "one_hot", "gru"])
    assert transferred(config) == [[*pair, *moved] for pair in (OUT, BACK) for moved in each]
    config["run"]["narrow"] = {"next_visit": {"models": []}}
    assert len(transferred(config)) == 4


def test_a_site_outside_the_study_is_left_out_unless_it_is_a_model() -> None:
    config = study(BACK, ["carried", "lakeview"], ["lakeview", "lakeview"], sites=["lakeview"])
    moved = {(source, target) for source, target, *_ in transferred(config)}
    assert moved == {("carried", "lakeview"), ("lakeview", "lakeview")}
    said = left_out_of_transfer(config)
    assert "transfer lakeview to riverside is left out: riverside is not among run/sites." in said


def test_what_is_left_out_is_named_once() -> None:
    config = study(OUT, BACK, models=["logistic", "svm"], tasks=["heart_failure", "forecast"])
    said = left_out_of_transfer(config)
    assert said == [
        "model svm is left out of transfer riverside to lakeview: it is not among run/models.",
        "model svm is left out of transfer lakeview to riverside: it is not among run/models.",
        "task forecast is left out of transfer: it is of kind forecast, which is not moved.",
        "last_layer is left out of transfer of model logistic: a model of kind logistic has no "
        "layer but the last, so that this is fine_tuned.",
    ]
    assert left_out_of_transfer(study()) == []


@pytest.mark.parametrize(
    ("kind", "tried"),
    [
        ("knn", ["scratch"]),
        ("svm", ["scratch"]),
        ("trees", ["scratch"]),
        ("most_frequent", ["scratch"]),
        ("last_visit", ["scratch"]),
        ("logistic", ["fine_tuned", "scratch"]),
        ("mlp", ["last_layer", "fine_tuned", "scratch"]),
        ("recurrent", ["last_layer", "fine_tuned", "scratch"]),
        ("retain", ["last_layer", "fine_tuned", "scratch"]),
    ],
)
def test_a_kind_has_its_strategies(kind: str, tried: list[str]) -> None:
    pair = {"strategies": ["last_layer", "fine_tuned", "scratch"]}
    assert strategies_of(pair, {"kind": kind}) == tried
    assert refusal_of_strategy("scratch", {"kind": kind}) is None


CARRIED = {"carried": ("heart_failure", "one_hot", "gru")}


def test_a_carried_model_moves_alone() -> None:
    config = study(OUT, ["carried", "lakeview"], tasks=["heart_failure"])
    moved = transferred(config, CARRIED)
    assert [row for row in moved if row[0] == "carried"] == [
        ["carried", "lakeview", "heart_failure", "one_hot", "gru"]
    ]
    assert len(moved) == 3
    said = (
        "transfer carried to lakeview moves model gru of task heart_failure with encoding one_hot"
    )
    assert any(line.startswith(said) for line in left_out_of_transfer(config, CARRIED))
    require_carried_run(config, CARRIED)
    config["run"]["models"] = ["logistic"]
    assert len(transferred(config, CARRIED)) == 1
    with pytest.raises(
        UserError, match=r"moves nothing\. The folder holds model gru of task heart"
    ):
        require_carried_run(config, CARRIED)


def unlabelled(pair: list[str], **cohort: Any) -> dict[str, Any]:
    """A study whose onset is asked in a cohort without outcome."""
    overlay = {
        "run": {
            "tasks": ["heart_failure"],
            "transfer": [{"source": pair[0], "target": pair[1]}],
        },
        "sites": {"carried": {"source": "model", "path": "/data/model"}},
        "cohorts": {"now": {"kind": "all", **cohort}},
        "tasks": {"heart_failure": {"cohort": "now"}},
    }
    schema = ROOT / "workflow/schemas/config.schema.yaml"
    return fill_config(merge_config(DEFAULT, overlay), schema)


def test_without_outcome_a_carried_model_alone_scores() -> None:
    config = unlabelled(["carried", "lakeview"], phenotype="heart_failure")
    config["run"]["models"] = ["gru"]
    assert len(transferred(config, CARRIED)) == 1
    config["run"]["transfer"].append({**config["run"]["transfer"][0], "source": "riverside"})
    assert len(transferred(config, CARRIED)) == 1
    assert (
        "task heart_failure has no outcome, as its cohort now is of kind all" in left_out(config)[0]
    )


def test_without_outcome_nothing_else_can_be_done() -> None:
    with pytest.raises(UserError, match="tasks/heart_failure/cohort: now is of kind all, but a"):
        unlabelled(OUT, phenotype="heart_failure")
    with pytest.raises(UserError, match=r"cohorts/now/phenotype: task heart_failure drops the co"):
        unlabelled(["carried", "lakeview"])
