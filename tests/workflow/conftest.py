"""A copy of the workflow in which a tiny study has been run."""

import pytest
from calls import ROOT, TINY, Workflow, copy_workflow


@pytest.fixture(scope="session")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The workflow as it is, in an empty directory; for dry runs and errors."""
    return Workflow(ROOT, tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A copy of the workflow in which the tiny study has been run on two cores."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "run").mkdir()
    copied = Workflow(copy_workflow(folder / "project"), folder / "run")
    done = copied.snakemake("--cores", "2", "--configfile", TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    return copied
