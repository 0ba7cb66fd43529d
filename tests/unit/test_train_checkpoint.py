"""A training that was killed and started again ends with the bytes of one that was not."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_training import ENCODING, FOLD, GRU, PARTS, cohort, inputs

from visitseq.errors import UserError
from visitseq.train.checkpoint import Checkpoint, training_digest
from visitseq.train.network import train_model

FILES = ["history.csv", "model.json", "model.safetensors"]
#: Five batches an epoch, six epochs, dropout: every random state matters.
MODEL = {**GRU, "epochs": 6, "patience": 6, "schedule": "cosine", "gradient_norm": 1.0}

#: Trains and kills itself at the n-th call of a function, before or after the call's work.
SCRIPT = """
import importlib, json, os, signal, sys
from pathlib import Path
from visitseq.train.network import train_model
place, name, call, moment, arguments = sys.argv[1:]
module, _, owner = place.partition(":")
holder = importlib.import_module(module)
holder = getattr(holder, owner) if owner else holder
real, calls = getattr(holder, name), []
def deadly(*args, **kwargs):
    calls.append(1)
    if len(calls) == int(call) and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **kwargs)
    if len(calls) == int(call):
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(holder, name, deadly)
arguments = json.loads(arguments)
for key in ("visits", "vocabulary", "folder"):
    arguments[key] = Path(arguments[key])
train_model(**arguments)
"""

#: Where it is killed, and after which epoch the next process goes on (0: from the start).
KILLS = {
    "in the first epoch": ("visitseq.train.optimiser:Optimiser step 2 before", 0),
    "in a later epoch": ("visitseq.train.optimiser:Optimiser step 17 after", 3),
    "while a file is written": ("os fsync 5 before", 2),
    "before a file has its name": ("pathlib:Path replace 5 before", 2),
    "between the two files": ("pathlib:Path replace 5 after", 2),
    "before the old file goes": ("pathlib:Path replace 6 after", 3),
    "between the results": ("visitseq.train.network write_card 1 before", 6),
    "before the checkpoint goes": ("shutil rmtree 1 before", 6),
}


def arguments(tmp_path: Path, model: dict[str, Any], name: str) -> dict[str, Any]:
    settings = {"encoding": ENCODING, "fold": FOLD, "parts": PARTS, "seed": 3}
    return {**inputs(cohort(), tmp_path), **settings, "model": model, "folder": tmp_path / name}


def as_json(given: dict[str, Any]) -> str:
    return json.dumps({key: str(v) if isinstance(v, Path) else v for key, v in given.items()})


def process(*command: str) -> "subprocess.Popen[bytes]":
    # Sums are rounded differently with more threads.
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen([sys.executable, "-W", "error", *command], env=environment)


def assert_same(one: Path, two: Path) -> None:
    assert sorted(path.name for path in one.iterdir()) == FILES
    assert sorted(path.name for path in two.iterdir()) == FILES
    for name in FILES:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.mark.parametrize("when", KILLS)
def test_a_killed_training_ends_with_the_same_bytes(
    tmp_path: Path, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    kill, epoch = KILLS[when]
    given = arguments(tmp_path, MODEL, "killed")
    assert process("-c", SCRIPT, *kill.split(), as_json(given)).wait() == -signal.SIGKILL
    with caplog.at_level(logging.INFO):
        train_model(**given)
    resumed = [line for line in caplog.messages if line.startswith("going on after epoch")]
    assert [line.split()[4] for line in resumed] == ([f"{epoch},"] if epoch else [])
    train_model(**{**given, "folder": tmp_path / "whole"})
    assert_same(given["folder"], tmp_path / "whole")


def test_a_training_killed_from_outside_goes_on(tmp_path: Path) -> None:
    """At a moment that nobody chose, twice."""
    model = {**MODEL, "optimiser": "adadelta", "epochs": 100, "patience": 100}
    given = arguments(tmp_path, model, "killed")
    (tmp_path / "arguments.json").write_text(as_json(given))
    state = given["folder"] / "checkpoint" / "state.json"
    for _ in range(2):
        before = state.read_bytes() if state.exists() else None
        training = process("-m", "visitseq.train", str(tmp_path / "arguments.json"))
        while not state.exists() or state.read_bytes() == before:
            assert training.poll() is None
            time.sleep(0.002)
        training.kill()
        assert training.wait() == -signal.SIGKILL
    train_model(**given)
    train_model(**{**given, "folder": tmp_path / "whole"})
    assert_same(given["folder"], tmp_path / "whole")


def killed_checkpoint(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the checkpoint of a training that stopped after its last epoch."""

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("visitseq.train.network.write_card", stop)
        with pytest.raises(KeyboardInterrupt):
            train_model(**given)


@pytest.mark.parametrize("changed", ["visits", "vocabulary", "seed", "model", "code"])
def test_a_checkpoint_of_something_else_is_not_used(
    tmp_path: Path, changed: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = arguments(tmp_path, MODEL, "model")
    killed_checkpoint(given, monkeypatch)
    if changed in ("visits", "vocabulary"):
        other = inputs(cohort(seed=1), tmp_path / "other")
        given[changed].write_bytes(other[changed].read_bytes())
    elif changed == "seed":
        given["seed"] = 4
    elif changed == "model":
        given["model"] = {**MODEL, "l2": 0.002}
    else:
        monkeypatch.setattr("visitseq.train.checkpoint.code_digest", lambda _: "other")
    with caplog.at_level(logging.INFO):
        train_model(**given)
    assert "is of other inputs, parameters or code and is not used" in caplog.text
    assert "going on" not in caplog.text
    train_model(**{**given, "folder": tmp_path / "whole"})
    assert_same(given["folder"], tmp_path / "whole")


def test_a_checkpoint_holds_one_state_and_nothing_else(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint", "digest")
    assert (checkpoint.load(), checkpoint.tensors_file()) == (None, None)
    for epoch in (1, 2):
        (tmp_path / "checkpoint").mkdir(exist_ok=True)
        (tmp_path / "checkpoint" / "epoch_0009.safetensors.tmp").write_bytes(b"half")
        checkpoint.save(epoch, {"weight": torch.full((2,), epoch)}, {"of": epoch})
        names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
        assert names == [f"epoch_000{epoch}.safetensors", "state.json"]
    loaded = checkpoint.load()
    assert loaded is not None
    assert (loaded[0]["weight"].tolist(), loaded[1]) == ([2, 2], {"of": 2})
    other = Checkpoint(tmp_path / "checkpoint", "other")
    assert (other.load(), other.tensors_file()) == (None, None)
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


def test_the_digest_is_of_contents_not_of_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
    module = "visitseq.train.network"

    def digest(names: str, **parameters: int) -> str:
        return training_digest([tmp_path / name for name in names], parameters, module)

    assert digest("ab", x=1, y=2) == digest("ba", y=2, x=1)
    found = {digest("a"), digest("c"), digest("ac"), digest("ca"), digest("a", x=1)}
    monkeypatch.setattr("visitseq.models.kernels.kind", lambda: "another")
    assert len({*found, digest("a")}) == 6


def diverging(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the learning rate leap once ``after`` epochs are over."""
    monkeypatch.setattr(
        "visitseq.train.fit.learning_rate",
        lambda _, first, losses, __: 1e30 if len(losses) >= after else first,
    )


def test_divergence_keeps_the_weights_of_the_best_epoch_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(tmp_path, MODEL, "model")
    diverging(3, monkeypatch)
    with pytest.raises(UserError, match=r"^Training diverged: in epoch 4 .* best before") as error:
        train_model(**given)
    file = given["folder"] / "checkpoint" / "epoch_0003.safetensors"
    assert str(file) in str(error.value)
    assert [path.name for path in given["folder"].iterdir()] == ["checkpoint"]
    monkeypatch.undo()
    three = {**MODEL, "epochs": 3, "schedule": "constant"}
    train_model(**{**given, "folder": tmp_path / "three", "model": three})
    kept, expected = load_file(file), load_file(tmp_path / "three" / "model.safetensors")
    for name, weight in expected.items():
        assert torch.equal(kept[f"best.{name}"], weight), name


def test_divergence_in_the_first_epoch_keeps_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging(0, monkeypatch)
    with pytest.raises(UserError, match=r"in epoch 1 .* No weights were kept\.$"):
        train_model(**arguments(tmp_path, MODEL, "model"))
