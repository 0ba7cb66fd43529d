"""Several processes that train one model, started by torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from next_visits import FOLD as NEXT_FOLD
from next_visits import MODEL, TASK, chains, files
from safetensors.numpy import load_file
from small_training import ENCODING, FOLD, GRU, PARTS, card_of, cohort, inputs

from visitseq.errors import UserError
from visitseq.train.__main__ import read_arguments
from visitseq.train.network import train_model
from visitseq.train.next_visit import train_next_visit
from visitseq.train.ranks import Ranks

FILES = ["history.csv", "model.json", "model.safetensors"]

#: Runs ``python -m visitseq.train`` and kills the process in the third epoch.
KILLED = """
import os, runpy, signal, sys
from visitseq.train.optimiser import Optimiser
real, calls = Optimiser.step, []
def deadly(*args):
    calls.append(1)
    if len(calls) == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    real(*args)
Optimiser.step = deadly
runpy.run_module("visitseq.train", run_name="__main__")
"""


def arguments(tmp_path: Path, model: dict[str, Any], name: str) -> dict[str, Any]:
    settings = {"encoding": ENCODING, "fold": FOLD, "parts": PARTS, "seed": 0}
    return {**inputs(cohort(), tmp_path), **settings, "model": model, "folder": tmp_path / name}


def torchrun(given: dict[str, Any], *program: str) -> "subprocess.CompletedProcess[str]":
    """Train with two processes; ``program`` instead of the library's own."""
    file = given["folder"].with_suffix(".json")
    file.write_text(json.dumps(given, default=str))
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *run, *(program or ["-m", "visitseq.train"]), str(file)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def rows_in_last_batch(given: dict[str, Any]) -> int:
    return int(card_of(given["folder"])["training"]["rows"]) % int(given["model"]["batch"])


def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    model = {**GRU, "dropout": 0.0, "batch": 37, "gradient_norm": 0.5, "l2": 0.1}
    model |= {"learning_rate": 0.05, "epochs": 8, "patience": 8}
    one = arguments(tmp_path, model, "one")
    train_model(**one)
    assert rows_in_last_batch(one) == 1  # of which the second process has none
    two = arguments(tmp_path, model, "two")
    done = torchrun(two)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 2: training loss") == 1  # one process logs
    assert sorted(path.name for path in two["folder"].iterdir()) == FILES
    curves = [pd.read_csv(given["folder"] / "history.csv") for given in (one, two)]
    for column in ("training_loss", "validation_loss"):
        np.testing.assert_allclose(curves[1][column], curves[0][column], rtol=0, atol=1e-4)
    assert curves[0]["training_loss"].iloc[-1] < curves[0]["training_loss"].iloc[0] - 0.01
    weights = [load_file(given["folder"] / "model.safetensors") for given in (one, two)]
    for name, weight in weights[0].items():
        np.testing.assert_allclose(weights[1][name], weight, rtol=0, atol=1e-3, err_msg=name)


def test_two_killed_processes_go_on_with_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    killed, whole = (arguments(tmp_path, GRU, name) for name in ("killed", "whole"))
    assert torchrun(killed, str(tmp_path / "killed.py")).returncode != 0
    assert (killed["folder"] / "checkpoint" / "state.json").exists()
    for given in (killed, whole):
        done = torchrun(given)
        assert done.returncode == 0, done.stderr
        assert ("going on after epoch 2" in done.stderr) == (given is killed)
    for name in FILES:
        assert (killed["folder"] / name).read_bytes() == (whole["folder"] / name).read_bytes()


def test_a_users_mistake_is_one_line(tmp_path: Path) -> None:
    given = arguments(tmp_path, {**GRU, "learning_rate": 1e30}, "model")
    file = tmp_path / "arguments.json"
    file.write_text(json.dumps(given, default=str))
    command = [sys.executable, "-m", "visitseq.train", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ERROR visitseq: Training diverged")


def test_two_processes_predict_the_next_visit_as_one_does(tmp_path: Path) -> None:
    same: dict[str, Any] = {**files(chains(140), tmp_path), "task": TASK, "fold": NEXT_FOLD}
    model = {**MODEL, "batch": 37, "epochs": 3, "patience": 3}
    same |= {"model": model, "encoding": {**ENCODING, "min_count": 1}, "seed": 0, "parts": PARTS}
    one, two = ({**same, "folder": tmp_path / name} for name in ("one", "two"))
    train_next_visit(**one)
    done = torchrun(two)
    assert done.returncode == 0, done.stderr
    weights = [load_file(given["folder"] / "model.safetensors") for given in (one, two)]
    for name, weight in weights[0].items():
        np.testing.assert_allclose(weights[1][name], weight, rtol=0, atol=1e-3, err_msg=name)
    assert sorted(path.name for path in two["folder"].iterdir()) == FILES


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vocabluary": "x"}, "missing nothing, unknown vocabluary. It holds visits, vocabulary"),
        ({"fold": None}, "missing fold, unknown nothing"),
        ({"visits": "nowhere.arrow"}, "visits: nowhere.arrow does not exist"),
        ({"labels": "x"}, "missing task, unknown nothing. It holds visits, vocabulary, labels"),
    ],
)
def test_arguments_are_checked_before_anything_starts(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    given = {**arguments(tmp_path, GRU, "model"), **change}
    file = tmp_path / "arguments.json"
    kept = {key: value for key, value in given.items() if value is not None}
    file.write_text(json.dumps(kept, default=str))
    with pytest.raises(UserError, match=said):
        read_arguments(file)
    file.write_text("{")
    with pytest.raises(UserError, match="is no JSON"):
        read_arguments(file)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_shares_are_all_rows_once(world: int) -> None:
    rows = np.array([5, 3, 8, 1])
    shares = [Ranks(rank, world).share(rows) for rank in range(world)]
    assert sorted(np.concatenate(shares)) == [1, 3, 5, 8]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_process_alone_sends_nothing() -> None:
    ranks, values = Ranks.here(), torch.tensor([1.0, 2.0])
    assert (ranks, ranks.leads) == (Ranks(0, 1), True)
    ranks.add_all([values])
    assert ranks.add(values).tolist() == [1.0, 2.0]
    assert ranks.any(torch.tensor([True, False])).tolist() == [True, False]
    assert ranks.gather(values).tolist() == [[1.0, 2.0]]
