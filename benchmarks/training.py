"""How many patients a second a GRU trains on, beside PyHealth's RNN model on the same records.

    python benchmarks/training.py [--patients 5000] [--rounds 3] [--epochs 3]

Both read the same made-up visits.arrow (records.py): visits of codes and a label a patient. Both
train embedding 128, GRU 128 and a binary head with Adam in batches of 128, dropout 0.5, without
validation. Four things take turns, ``rounds`` times, and medians count:

- two models at once, one thread each: how the workflow uses two cores;
- one model alone, one thread;
- PyHealth, one model with two threads;
- PyHealth, two models at once, one thread each.

Of PyHealth's Trainer and a plain loop over its loader, and of its two uses of the cores, the
fastest counts. It runs in an environment of its own, build/pyhealth (pyhealth_peer.py says how to
make it); without that only our numbers are measured. Writes training.md beside this file.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from records import write_records
from timed_training import ROOT, cell_class, kernels_in_use, network_section, train_jobs

from visitseq.encode.sequences import read_sequences

PEER = Path(__file__).with_name("pyhealth_peer.py")
PEER_PYTHON = ROOT / "build" / "pyhealth" / "bin" / "python"
MAKE_PEER = (
    "PyHealth is not measured: make its environment with\n"
    "    python3.12 -m venv build/pyhealth\n"
    '    build/pyhealth/bin/pip install "pyhealth==2.1.*"'
)
VISITS, CODES, VOCABULARY, SIZE, BATCH = 42, 3.8, 18_000, 128, 128
OURS_TWO, OURS_ONE = "ours, two models at once, one thread each", "ours, one model, one thread"
PEER_ONE = "PyHealth, one model, two threads"
PEER_TWO = "PyHealth, two models at once, one thread each"

Rates = dict[str, list[float]]


def ours(visits: Path, model: dict[str, Any], epochs: int, jobs: int, patients: int) -> float:
    """Patients a second over all jobs."""
    return sum(patients / done.seconds for done in train_jobs(visits, model, epochs, jobs))


def peer(visits: Path, epochs: int, jobs: int, threads: int) -> list[dict[str, Any]]:
    """What each of ``jobs`` peers that start together reports."""
    command = [str(PEER_PYTHON), str(PEER), str(visits), "--threads", str(threads)]
    command += ["--epochs", str(epochs), "--size", str(SIZE), "--batch", str(BATCH)]
    with _processes(command, jobs, threads) as running:
        for process in running:
            lines = iter(process.stdout)
            if not any(line.strip() == "ready" for line in lines):
                raise RuntimeError(f"the peer failed: run {' '.join(command)} by hand")
        for process in running:
            process.stdin.write("\n")
            process.stdin.flush()
        last = [process.communicate()[0].splitlines()[-1] for process in running]
    return [json.loads(line) for line in last]


@contextmanager
def _processes(command: list[str], jobs: int, threads: int) -> Iterator[list[Any]]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    environment.pop("PYTHONPATH", None)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with tempfile.TemporaryFile() as progress:
        running = [
            subprocess.Popen(command, env=environment, stderr=progress, **pipes)
            for _ in range(jobs)
        ]
        try:
            yield running
        finally:
            for process in running:
                process.kill()
                process.wait()


def measure(
    visits: Path, model: dict[str, Any], patients: int, rounds: int, epochs: int
) -> tuple[Rates, dict[str, str]]:
    """Patients a second of each thing in each round, and the peer's versions."""
    rates: Rates = {}
    versions: dict[str, str] = {}
    for _ in range(rounds):
        rates.setdefault(OURS_TWO, []).append(ours(visits, model, epochs, 2, patients))
        if PEER_PYTHON.exists():
            versions = _note(rates, PEER_ONE, peer(visits, epochs, jobs=1, threads=2))
        rates.setdefault(OURS_ONE, []).append(ours(visits, model, epochs, 1, patients))
        if PEER_PYTHON.exists():
            _note(rates, PEER_TWO, peer(visits, epochs, jobs=2, threads=1))
    return rates, versions


def _note(rates: Rates, label: str, reports: list[dict[str, Any]]) -> dict[str, str]:
    """Add what the peers did together by each way of training; return their versions."""
    for way in reports[0]["patients_a_second"]:
        total = sum(report["patients_a_second"][way] for report in reports)
        rates.setdefault(f"{label}, {way}", []).append(total)
    versions: dict[str, str] = reports[0]["versions"]
    return versions


def describe(visits: Path, patients: int, cell: str, versions: dict[str, str]) -> list[str]:
    sequences = read_sequences(visits)
    widest = int(np.diff(sequences.code_offsets).max())
    theirs = ""
    if versions:
        theirs = (
            f" PyHealth {versions['pyhealth']} with torch {versions['torch']}, Python "
            f"{versions['python']}."
        )
    return [
        "# Training, beside PyHealth",
        "",
        f"{patients:,} patients, {len(sequences.days) / patients:.1f} visits each, "
        f"{len(sequences.codes) / len(sequences.days):.1f} codes a visit (at most {widest}, to "
        f"which PyHealth pads every visit), vocabulary {VOCABULARY:,}; embedding {SIZE}, GRU "
        f"{SIZE}, batch {BATCH}, Adam, no validation. Ours: `{cell}`, kernels "
        f"`{kernels_in_use()}`, torch {torch.__version__}, Python "
        f"{platform.python_version()}.{theirs} {os.cpu_count()} cores. Medians; "
        "epochs after the first.",
        "",
    ]


def table(rates: Rates) -> list[str]:
    middle = {name: median(values) for name, values in rates.items()}
    lines = ["| | patients a second | slowest to fastest round |", "| --- | ---: | ---: |"]
    for name, values in sorted(rates.items()):
        lines.append(f"| {name} | {middle[name]:,.0f} | {min(values):,.0f} to {max(values):,.0f} |")
    theirs = [middle[name] for name in rates if name.startswith("PyHealth")]
    if theirs:
        both, alone = (middle[name] / max(theirs) for name in (OURS_TWO, OURS_ONE))
        lines += [
            "",
            f"Both cores in use, ours over the fastest of PyHealth's: **{both:.1f} times**. Ours "
            f"on one core over the fastest of PyHealth's on two: {alone:.1f} times.",
        ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    model = network_section(
        cell="gru", embedding=SIZE, hidden=SIZE, dropout=0.5, duration=False, batch=BATCH
    )
    with tempfile.TemporaryDirectory() as name:
        visits = write_records(
            Path(name),
            patients=options.patients,
            visits=VISITS,
            codes=CODES,
            vocabulary=VOCABULARY,
        )
        rates, versions = measure(visits, model, options.patients, options.rounds, options.epochs)
        text = describe(visits, options.patients, cell_class(model), versions)
    text += table(rates)
    if not versions:
        print(MAKE_PEER)
    Path(__file__).with_suffix(".md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
