"""Which models move from which hospital to which, and what is left out of that."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from visitseq.config import fill_config, merge_config
from visitseq.transfer.pairs import (
    left_out_of_transfer,
    refusal_of_strategy,
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
