"""A run that was killed in the middle of a training and started again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml
from calls import TINY, Workflow

STUDY = "lakeview/heart_failure/one_hot/gru/fold0"
FOLDER = f"results/4_train/{STUDY}"
TARGET = f"{FOLDER}/model.safetensors"


def start_and_kill(run: Workflow, *arguments: str | Path) -> None:
    """Start Snakemake and kill it, with all of its processes, once an epoch has been saved."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", run.project / "Snakefile"]
    command += ["--directory", run.directory, "--cores", "1", *arguments]
    state = run.directory / FOLDER / "checkpoint" / "state.json"
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=run.directory,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while not state.exists():
            assert process.poll() is None
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)


def test_a_killed_run_goes_on_after_the_last_epoch(study: Workflow, tmp_path: Path) -> None:
    overlay = tmp_path / "longer.yaml"
    overlay.write_text(yaml.safe_dump({"models": {"gru": {"epochs": 60, "patience": 60}}}))
    arguments: list[str | Path] = [TARGET, "--configfile", TINY, overlay]
    killed, whole = (Workflow(study.project, tmp_path / name) for name in ("killed", "whole"))
    for run in (killed, whole):
        shutil.copytree(study.directory, run.directory)
    start_and_kill(killed, *arguments)
    assert not (killed.directory / TARGET).exists()
    assert killed.snakemake("--unlock", *arguments).returncode == 0
    again = killed.snakemake("--cores", "1", "--rerun-incomplete", *arguments)
    assert again.returncode == 0, again.stdout + again.stderr
    log = (killed.directory / f"results/logs/train_model/{STUDY}.log").read_text("utf-8")
    assert "going on after epoch" in log
    assert "\r" not in log
    done = whole.snakemake("--cores", "1", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    names = ["history.csv", "model.json", "model.safetensors"]
    for run in (killed, whole):
        assert sorted(path.name for path in (run.directory / FOLDER).iterdir()) == names
    for name in names:
        one, two = (run.directory / FOLDER / name for run in (killed, whole))
        assert one.read_bytes() == two.read_bytes(), name
