"""The keys of a network's training: what they are when left out, and what is refused."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from visitseq.config import fill_config, merge_config
from visitseq.errors import UserError
from visitseq.train import train_model

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"


def filled(**keys: Any) -> dict[str, Any]:
    """The section of a network of which ``keys`` alone are given."""
    default = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    overlay = {"models": {"mine": {"kind": "recurrent", **keys}}}
    model: dict[str, Any] = fill_config(merge_config(default, overlay), SCHEMA)["models"]["mine"]
    return model


def test_what_is_left_out() -> None:
    model = filled()
    found = [model[key] for key in ("optimiser", "schedule", "gradient_norm", "class_weights")]
    assert found == ["adam", "constant", None, "none"]


@pytest.mark.parametrize(
    ("optimiser", "rate"), [(None, 0.001), ("adam", 0.001), ("adadelta", 1), ("sgd", 0.1)]
)
def test_the_learning_rate_is_the_optimisers_unless_it_is_given(
    optimiser: str | None, rate: float
) -> None:
    named = {"optimiser": optimiser} if optimiser else {}
    assert filled(**named)["learning_rate"] == rate
    assert filled(**named, learning_rate=0.5)["learning_rate"] == 0.5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimiser", "adagrad"),
        ("schedule", "steps"),
        ("gradient_norm", 0),
        ("class_weights", [1, 2]),
        ("learning_rate", 0),
    ],
)
def test_what_is_refused_names_the_key_and_the_value(key: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"models/mine/{key}: {re.escape(repr(value))}"):
        filled(**{key: value})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"cell": "gru", "nonlinearity": "relu"}, "nonlinearity: relu is for the cell rnn"),
        ({"cell": "lstm", "reset": "before"}, "reset: before is for the cell gru, .* is lstm"),
    ],
)
def test_what_the_cell_does_not_have_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"models/mine/{message}"):
        filled(**keys)


@pytest.mark.parametrize(
    "keys", [{"hidden": 10}, {"search": {"heads": [2, 3]}}, {"heads": 8, "search": {"hidden": [4]}}]
)
def test_heads_that_do_not_divide_the_width_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"models/mine/hidden: \d+ is no multiple of heads, \d"):
        filled(kind="transformer", **keys)
    assert filled(kind="transformer", search={"heads": [2, 8]})["hidden"] == 128


@pytest.mark.parametrize("kind", ["recurrent", "retain", "transformer"])
def test_every_network_reads_all_visits_in_order_from_seed_0_unless_told(kind: str) -> None:
    model = filled(kind=kind)
    found = [model[key] for key in ("visits", "seed", "search", "learning_rate", "embedding")]
    assert found == ["in_order", 0, {}, 0.001, 128]
    with pytest.raises(UserError, match="models/mine/visits: 'first' is not one of in_order, shuf"):
        filled(kind=kind, visits="first")


def test_the_example_of_arguments_in_the_documentation_names_every_key() -> None:
    text = (ROOT / "docs/networks.md").read_text("utf-8")
    given = json.loads(text.split("```json\n")[1].split("```")[0])
    assert given["model"] == filled()
    arguments = inspect.signature(train_model).parameters
    # Vectors are for an encoding that has them.
    assert set(given) == set(arguments) - {"device", "vectors"}
