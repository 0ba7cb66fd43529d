"""Train a network as a user does, in processes of their own, and time its epochs.

``train_model``, or ``train_next_visit``, is called as the workflow calls it, with one thread. It
reports each epoch in one line of the log: the times between these lines are the seconds of the
epochs. What comes before the first line (opening the files, building the network, one epoch in
which everything is touched for the first time) is not counted. Several jobs start together.
"""

import itertools
import logging
import multiprocessing
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import yaml
from records import FOLD, PARTS

from visitseq.config import fill_config, merge_config
from visitseq.models import kernels
from visitseq.models.recurrent import build_classifier
from visitseq.train.network import train_model
from visitseq.train.next_visit import train_next_visit

ROOT = Path(__file__).resolve().parents[1]
#: No code is too rare: the size of the table is the size of the vocabulary.
ENCODING = {
    "vocabulary": "codes",
    "sequence": "visit",
    "min_count": 0,
    "vectors": "none",
    "domains": ["condition"],
}


@dataclass(frozen=True)
class Trained:
    """Medians of the epochs after the first, and peak memory of the process in GB.

    ``processor`` are the seconds that the process computed, ``seconds`` those that passed: more
    where others use the machine.
    """

    seconds: float
    gigabytes: float
    processor: float


def network_section(**settings: Any) -> dict[str, Any]:
    """Section of a network, recurrent by default, filled by the schema as the workflow fills it."""
    default = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    overlay = {"models": {"timed": {"kind": "recurrent", **settings}}}
    schema = ROOT / "workflow" / "schemas" / "config.schema.yaml"
    section: dict[str, Any] = fill_config(merge_config(default, overlay), schema)["models"]["timed"]
    return section


def cell_class(model: dict[str, Any]) -> str:
    """Full name of the class that runs a model's recurrence."""
    modules = build_classifier(model, codes=1).modules()
    found = [type(m) for m in modules if type(m).__name__.lower() == model["cell"]]
    return f"{found[0].__module__}.{found[0].__qualname__}"


def kernels_in_use() -> str:
    """Which compiled recurrences this processor gets."""
    return kernels.runnable()[0].name.split(".")[0] if kernels.library() else "not compiled"


def train_jobs(
    visits: Path,
    model: dict[str, Any],
    epochs: int,
    jobs: int = 1,
    task: dict[str, Any] | None = None,
) -> list[Trained]:
    """Train ``jobs`` networks at once, one thread each, for 1 + ``epochs`` epochs.

    ``task`` is a section of kind next_visit; without it the networks are classifiers.
    """
    model = {**model, "epochs": 1 + epochs, "patience": 1 + epochs}
    context = multiprocessing.get_context("spawn")
    queue, together = context.Queue(), context.Barrier(jobs)
    processes = [
        context.Process(
            target=_train, args=(visits, model, task, seed, together, queue), daemon=True
        )
        for seed in range(jobs)
    ]
    os.environ["OMP_NUM_THREADS"] = "1"  # read when a child imports torch
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError("training failed: see the traceback above")
    return [queue.get() for _ in processes]


def _train(  # noqa: PLR0917  (a process takes no names)
    visits: Path,
    model: dict[str, Any],
    task: dict[str, Any] | None,
    seed: int,
    together: Any,
    queue: Any,
) -> None:
    torch.set_num_threads(1)
    ends = _EpochEnds()
    logger = logging.getLogger("visitseq.train")
    logger.setLevel(logging.INFO)
    logger.addHandler(ends)
    together.wait(timeout=300)  # seconds; a job that failed to start does not hold up the others
    files = {"visits": visits, "vocabulary": visits.with_name("vocabulary.parquet")}
    same = {"model": model, "encoding": ENCODING, "fold": FOLD, "parts": PARTS, "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        if task is None:
            train_model(**files, **same, folder=Path(folder))
        else:
            labels = visits.with_name("labels.parquet")
            train_next_visit(**files, labels=labels, task=task, **same, folder=Path(folder))
    if len(ends.passed) != model["epochs"]:
        raise RuntimeError(f"{len(ends.passed)} epochs were reported, not {model['epochs']}")
    spans = [
        median(after - before for before, after in itertools.pairwise(times))
        for times in (ends.passed, ends.computed)
    ]
    queue.put(Trained(spans[0], peak_gigabytes(), spans[1]))


class _EpochEnds(logging.Handler):
    """Note the time of each line that reports an epoch, and the processor's until then."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[float] = []
        self.computed: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        if re.match(r"epoch \d", record.getMessage()):
            self.passed.append(time.perf_counter())
            self.computed.append(time.process_time())


def peak_gigabytes() -> float:
    """Peak resident memory of this process.

    Linux's VmHWM: ru_maxrss would count the memory of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e9
