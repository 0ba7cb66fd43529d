"""Train PyHealth's RNN model on a visits.arrow; runs in PyHealth's environment, not in ours.

    build/pyhealth/bin/python benchmarks/pyhealth_peer.py visits.arrow [--threads 2] [--epochs 3]

The rows become samples with one nested sequence (visits of codes) and a binary label, held in
memory, which is PyHealth's default and its fastest data set; its loader shuffles them. Two ways of
training are timed in turn: its Trainer (without validation or checkpoints) and a plain loop of
forward, backward and Adam over its loader. One epoch before them is not counted. Where standard
input is a pipe the script says ``ready`` after that epoch and goes on at the next line, so that
several can start together. The last line of its output is JSON.

Making the environment (Python 3.12, 7 GB):

    python3.12 -m venv build/pyhealth && build/pyhealth/bin/pip install "pyhealth==2.1.*"
"""

import argparse
import importlib.metadata
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import torch
from pyhealth.datasets import create_sample_dataset, get_dataloader
from pyhealth.models import RNN
from pyhealth.trainer import Trainer


def read_samples(path: Path) -> list[dict[str, Any]]:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        batch = reader.get_batch(0)
    columns = (batch.column(name).to_pylist() for name in ("subject_id", "visits", "label"))
    return [
        {
            "patient_id": str(person),
            "visit_id": str(person),
            "codes": [[str(code) for code in visit] for visit in visits],
            "label": int(label),
        }
        for person, visits, label in zip(*columns, strict=True)
    ]


def plain_epoch(model: RNN, loader: Any, optimiser: torch.optim.Optimizer) -> None:
    model.train()
    for batch in loader:
        loss = model(**batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("visits", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    data = create_sample_dataset(
        samples=read_samples(options.visits),
        input_schema={"codes": "nested_sequence"},
        output_schema={"label": "binary"},
        dataset_name="visits",
    )
    loader = get_dataloader(data, batch_size=options.batch, shuffle=True)
    model = RNN(data, embedding_dim=options.size, hidden_dim=options.size, rnn_type="GRU")
    trainer = Trainer(model, device="cpu", enable_logging=False)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    ways = {
        "Trainer": lambda: trainer.train(loader, epochs=1, optimizer_params={"lr": 1e-3}),
        "plain loop": lambda: plain_epoch(model, loader, optimiser),
    }
    ways["plain loop"]()
    if not sys.stdin.isatty():
        print("ready", flush=True)
        sys.stdin.readline()
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.epochs):
        for name, work in ways.items():
            spent[name].append(seconds(work))
    rates = {name: len(data) / median(times) for name, times in spent.items()}
    versions = {name: importlib.metadata.version(name) for name in ("pyhealth", "torch")}
    versions["python"] = platform.python_version()
    print(json.dumps({"patients_a_second": rates, "versions": versions}))


if __name__ == "__main__":
    main()
