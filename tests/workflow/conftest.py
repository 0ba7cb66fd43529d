"""A copy of the workflow in which a tiny study has been run."""

import shutil
from pathlib import Path

import pytest
from calls import ROOT, TINY, Workflow, copy_workflow
from filelock import FileLock


@pytest.fixture(scope="session")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The workflow as it is, in an empty directory; for dry runs and errors."""
    return Workflow(ROOT, tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workflow:
    """A copy of the workflow in which the tiny study has been run on two cores."""
    own = tmp_path_factory.mktemp("study")
    shutil.copytree(_run_once(tmp_path_factory, worker_id), own, dirs_exist_ok=True)
    return Workflow(own / "project", own / "run")


def _run_once(factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Run the tiny study in a folder that all the processes of the tests share, the first of them.

    Each takes a copy of it, for some tests change theirs.
    """
    base = factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "tiny_study"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            _run_tiny(folder)
    return folder


def _run_tiny(folder: Path) -> None:
    made = folder.with_name("tiny_study_unfinished")
    shutil.rmtree(made, ignore_errors=True)  # of a process that failed
    (made / "run").mkdir(parents=True)
    copied = Workflow(copy_workflow(made / "project"), made / "run")
    done = copied.snakemake("--cores", "2", "--configfile", TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    made.rename(folder)
