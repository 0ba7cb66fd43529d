"""How seconds an epoch and peak memory of training grow with the number of patients.

    python benchmarks/scaling.py [--patients 5000 10000 20000 33000 66000 132000] [--epochs 2]

The shape of the heart-failure paper (Choi et al., JAMIA 2017, Fig. 6): the sequence by code, 72
codes a patient on average, vocabulary 18,181, GRU of 128 with the duration beside the embedding of
100, batches of 128. The records are made up (records.py) and written as stage 3 writes them
in a process of their own; the training, one thread in a process of its own, maps them. Peak memory
is that of the whole process: Python, torch and the pages of the file it touched included. Writes
scaling.md beside this file, with the paper's own seconds (other data, other software, a GPU) in a
column of their own.
"""

import argparse
import multiprocessing
import platform
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from records import write_records
from timed_training import Trained, cell_class, kernels_in_use, network_section, train_jobs

CODES, VOCABULARY, EMBEDDING, SIZE, BATCH = 72, 18_181, 100, 128, 128
#: Fig. 6, one-hot with duration: seconds of 10 epochs by patients, read off the printed curve; an
#: Nvidia Tesla K80.
PUBLISHED = {5_000: 264, 10_000: 661, 20_000: 2_106, 32_759: 5_338}
#: The published point that stands beside a size of ours.
BESIDE = {5_000: 5_000, 10_000: 10_000, 20_000: 20_000, 33_000: 32_759}


def measure(patients: int, model: dict[str, Any], epochs: int) -> tuple[Trained, float]:
    """Train on so many patients; also the size of visits.arrow in MB."""
    with tempfile.TemporaryDirectory() as name:
        write = partial(write_records, patients=patients, visits=CODES, codes=1)
        process = multiprocessing.get_context("spawn").Process(
            target=write, args=(Path(name),), kwargs={"vocabulary": VOCABULARY}
        )
        process.start()
        process.join()
        visits = Path(name) / "visits.arrow"
        (trained,) = train_jobs(visits, model, epochs)
        return trained, visits.stat().st_size / 1e6


def line(patients: int, trained: Trained, megabytes: float) -> str:
    published = ""
    if beside := BESIDE.get(patients):
        published = f"{PUBLISHED[beside] / 10:.0f}" + (
            f" ({beside:,} patients)" if beside != patients else ""
        )
    return (
        f"| {patients:,} | {trained.seconds:.1f} | {1e3 * trained.seconds / patients:.2f} "
        f"| {patients / trained.seconds:,.0f} | {trained.gigabytes:.2f} | {megabytes:.0f} "
        f"| {published} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = [5_000, 10_000, 20_000, 33_000, 66_000, 132_000]
    parser.add_argument("--patients", type=int, nargs="+", default=sizes)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    model = network_section(
        cell="gru", embedding=EMBEDDING, hidden=SIZE, dropout=0.5, duration=True, batch=BATCH
    )
    text = [
        "# Training by number of patients",
        "",
        f"{CODES} codes a patient on average, one code a step, vocabulary {VOCABULARY:,}, "
        f"embedding {EMBEDDING} and duration, GRU {SIZE}, batch {BATCH}, one process, one thread: "
        f"`{cell_class(model)}`, kernels `{kernels_in_use()}`, Python "
        f"{platform.python_version()}, torch {torch.__version__}. Median of the epochs after the "
        f"first ({options.epochs}). Published: Choi et al., JAMIA 2017, Fig. 6, a tenth of the "
        "seconds of 10 epochs (one-hot with duration, Nvidia Tesla K80), read off the curve; their "
        "records, their software.",
        "",
        "| patients | seconds an epoch | ms a patient | patients a second | peak GB "
        "| MB of visits.arrow | published seconds an epoch (other data) |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for patients in options.patients:
        text.append(line(patients, *measure(patients, model, options.epochs)))
        print(text[-1], flush=True)
    Path(__file__).with_suffix(".md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
