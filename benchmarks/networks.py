"""How many patients a second each kind of network trains on, beside the GRU.

    python benchmarks/networks.py [--patients 2000] [--rounds 3] [--epochs 3]

All read the same made-up visits.arrow (records.py) and train with the schema's defaults, but in
batches of 128, one model with one thread. They take turns, ``rounds`` times; medians count, and
each network's is given as a share of the GRU's too. Seconds are those of the processor, so that
other work on the machine counts less; a training of one epoch is taken off, for what is done once
in each, and one training goes before all, for what is done once in a process.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
from records import FOLD, PARTS, write_records
from timed_training import ENCODING, kernels_in_use, network_section
from training import CODES, VISITS, VOCABULARY

from visitseq.train.network import train_model

KINDS: dict[str, dict[str, Any]] = {
    "GRU": {"kind": "recurrent", "cell": "gru"},
    "RETAIN": {"kind": "retain"},
    "transformer": {"kind": "transformer"},
}


def seconds(visits: Path, settings: dict[str, Any], epochs: int) -> float:
    """Processor seconds of a training of ``epochs`` epochs."""
    model = network_section(**settings, batch=128, epochs=epochs, patience=epochs)
    begun = process_time()
    with tempfile.TemporaryDirectory() as folder:
        train_model(
            visits=visits,
            vocabulary=visits.with_name("vocabulary.parquet"),
            model=model,
            encoding=ENCODING,
            fold=FOLD,
            parts=PARTS,
            seed=0,
            folder=Path(folder),
        )
    return process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rates: dict[str, list[float]] = {name: [] for name in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"visits": VISITS, "codes": CODES, "vocabulary": VOCABULARY}
        visits = write_records(Path(folder), patients=given.patients, **sizes)
        seconds(visits, KINDS["GRU"], 1)
        for _ in range(given.rounds):
            for name, settings in KINDS.items():
                spent = [seconds(visits, settings, epochs) for epochs in (1, 1 + given.epochs)]
                rates[name].append(given.patients * given.epochs / (spent[1] - spent[0]))
    print(f"{given.patients} patients of {VISITS} visits, kernels {kernels_in_use()}")
    for name, measured in rates.items():
        share = median(measured) / median(rates["GRU"])
        print(f"{name}: {median(measured):.0f} patients a second, {share:.2f} of the GRU's")


if __name__ == "__main__":
    main()
