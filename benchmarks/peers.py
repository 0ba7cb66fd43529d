"""What a user would take instead, from the same OMOP files: PyHealth's data set, meds-etl's MEDS.

Each is installed in an environment of its own, once. PyHealth ends at samples, and stands beside
ours from the files to the encoded windows; meds-etl ends at MEDS, and stands beside our ingest
alone. Ours takes its turn before each run of theirs.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import stages
from own_process import Cost, cost_of, typical
from peer_files import write_files

HERE = Path(__file__).resolve().parent
REQUIREMENTS = {
    "pyhealth": ("pyhealth==2.1.0",),
    # 0.3.11 calls what polars 2 has removed.
    "meds_etl": ("meds_etl[cpp]==0.3.11", "polars<2"),
}
#: PyHealth runs on Python 3.12 and 3.13 only.
PYTHONS = {"pyhealth": "python3.12", "meds_etl": sys.executable}
PYHEALTH_TASKS = {"mortality": "MortalityPredictionOMOP", "lean": "a lean task"}


@dataclass(frozen=True)
class Run:
    """One thing that was run on one kind of files: its cost and the rows that it gave."""

    label: str
    files: str
    cost: Cost
    rows: int
    beside: str = ""  # label of ours that it is compared with


class Peer:
    """An environment with one other package, and the script here that runs it."""

    def __init__(self, name: str, script: str, environments: Path, python: str | None) -> None:
        self.name, self.script = name, HERE / script
        self.environment = environments.resolve() / name
        self.base = python or PYTHONS[name]
        self.versions: dict[str, str] = {}

    def install(self) -> None:
        """Make the environment, unless it is there."""
        python = self.environment / "bin" / "python"
        if not python.exists():
            _call([self.base, "-m", "venv", str(self.environment)])
        _call([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[self.name]])

    def run(self, *arguments: str) -> tuple[Cost, int]:
        """What the script reports on its last line: the cost, and how many rows there are."""
        command = [str(self.environment / "bin" / "python"), str(self.script), *arguments]
        report: dict[str, Any] = json.loads(_call(command).splitlines()[-1])
        self.versions = report["versions"]
        cost = Cost(report["seconds"], report["processor"], report["gigabytes"])
        return cost, report["rows"]


class PeerError(Exception):
    """A peer could not be installed or did not run."""


def _call(command: list[str]) -> str:
    """Output of a command that knows nothing of our packages and threads."""
    ours = ("PYTHONPATH", "OMP_NUM_THREADS", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment["LITDATA_DISABLE_VERSION_CHECK"] = "1"
    print(" ".join(command), flush=True)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise PeerError(f"`{command[0]}` is not there") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout).strip().splitlines()[-1:]
        raise PeerError(f"`{' '.join(command)}` failed: {''.join(last)}") from error
    return done.stdout


def prepare(folder: Path, persons: int) -> None:
    """Simulate the hospital and write its files in both kinds."""
    folder.mkdir(parents=True)
    cost_of(stages.simulate, folder, persons, threads=2)
    for kind in ("csv", "parquet"):
        write_files(folder / "omop", folder / kind, kind)


def ours_to_samples(folder: Path, kind: str) -> Run:
    """Ingest, cohort and encode, one process after the other."""
    costs = [cost_of(stages.ingest, folder, kind, threads=stages.THREADS["ingest"])]
    for name, work in (("cohort", stages.cohort), ("encode", stages.encode)):
        costs.append(cost_of(work, folder, threads=stages.THREADS[name]))
    whole = Cost(
        sum(cost.seconds for cost in costs),
        sum(cost.processor for cost in costs),
        max(cost.gigabytes for cost in costs),
    )
    rows = stages.rows_of(folder / "cohort" / "cohort.parquet")
    return Run("ours: ingest, cohort, encode", kind, whole, rows)


def ours_to_events(folder: Path, kind: str) -> Run:
    """Ingest alone."""
    cost = cost_of(stages.ingest, folder, kind, threads=stages.THREADS["ingest"])
    return Run("ours: ingest", kind, cost, stages.rows_of(folder / "site" / "events.parquet"))


def beside_pyhealth(folder: Path, peer: Peer) -> list[Run]:
    """Each task with one process and with two, from CSV: its tables are described as such."""
    runs = []
    for task, name in PYHEALTH_TASKS.items():
        for processes in (2, 1):
            ours = [ours_to_samples(folder, kind) for kind in ("csv", "parquet")]
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                arguments = ["--task", task, "--processes", str(processes)]
                cost, rows = peer.run(str(folder / "csv"), cache, *arguments)
            label = f"PyHealth, {name}, processes: {processes}"
            runs += [*ours, Run(label, "csv", cost, rows, beside=ours[0].label)]
    return runs


def beside_meds_etl(folder: Path, peer: Peer) -> list[Run]:
    """Each kind of files with one process and with two."""
    runs = []
    for kind in ("csv", "parquet"):
        for processes in (2, 1):
            ours = ours_to_events(folder, kind)
            with tempfile.TemporaryDirectory(dir=folder) as name:
                target = str(Path(name) / "meds")
                cost, rows = peer.run(str(folder / kind), target, "--processes", str(processes))
            label = f"meds-etl, C++, processes: {processes}"
            runs += [ours, Run(label, kind, cost, rows, beside=ours.label)]
    return runs


def merged(runs: list[Run]) -> list[Run]:
    """Each label and kind of files once, with its typical cost."""
    same: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        same.setdefault((run.label, run.files), []).append(run)
    return [replace(one[0], cost=typical([run.cost for run in one])) for one in same.values()]


def table(runs: list[Run]) -> list[str]:
    """Lines of Markdown: a row a thing and kind of files."""
    ours = {(run.label, run.files): run.cost.seconds for run in runs}
    lines = [
        "| | files | seconds | of the processor | largest process, GB | rows, or samples "
        "| seconds over ours, same files | over ours, Parquet |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for run in runs:
        beside = [ours[run.beside, kind] for kind in (run.files, "parquet") if run.beside]
        times = " | ".join(f"{run.cost.seconds / seconds:.1f}" for seconds in beside) or " | "
        lines.append(
            f"| {run.label} | {run.files} | {run.cost.seconds:.1f} | {run.cost.processor:.1f} "
            f"| {run.cost.gigabytes:.2f} | {run.rows:,} | {times} |"
        )
    return lines
