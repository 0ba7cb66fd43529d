"""Seconds an epoch and peak memory of predicting the next visit, at the shape of Doctor AI.

    python benchmarks/doctor_ai.py [--patients 20000] [--epochs 2] [--loss paper multinomial]
                                   [--growth 5000 10000 20000]

The shape of Choi et al., MLHC 2016, Table 1: 54.6 visits a patient and 3.2 codes a visit on
average, 38,594 codes, 1,778 labels (each code has one); a GRU of 200 on an embedding of 200 with
tanh and the duration beside it, batches of 100. The records are made up (records.py) and written as
stage 3 writes them in a process of their own; the training, one thread in a process of its own,
maps them. How seconds and memory grow with the patients is measured with the first loss, and from
there drawn out along a straight line to the paper's 263,706. Writes doctor_ai.md beside this file.
"""

import argparse
import multiprocessing
import platform
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from records import PARTS, write_records
from timed_training import Trained, cell_class, kernels_in_use, network_section, train_jobs

from visitseq.tables import VISIT_TARGETS, vocabulary_schema, write_parquet

VISITS, CODES, VOCABULARY, LABELS, SIZE, BATCH = 54.6, 3.22, 38_594, 1_778, 200, 100
HEADER = "| {} | seconds an epoch | processor seconds an epoch | patients a second | peak GB |"
#: Patients of the paper.
PAPER = 263_706
TASK = {"kind": "next_visit", "labels": ["condition"], "rollup": "none", "split": "parts"}


def write_histories(folder: Path, patients: int) -> None:
    """Write visits.arrow with targets, vocabulary.parquet and labels.parquet."""
    path = write_records(
        folder, patients=patients, visits=VISITS, codes=CODES, vocabulary=VOCABULARY
    )
    batch = pa.ipc.open_file(pa.BufferReader(path.read_bytes())).get_batch(0)
    visits = batch.column("visits")
    lists = visits.values
    visit = np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))
    # A label a code, the same for one in 22 codes; each once in a visit.
    cells = np.unique(visit * LABELS + lists.values.to_numpy() % LABELS)
    offsets = np.searchsorted(cells // LABELS, np.arange(len(lists) + 1)).astype(np.int32)
    targets = pa.ListArray.from_arrays(
        pa.array(offsets), pa.array((cells % LABELS).astype(np.int32))
    )
    columns = {name: batch.column(name) for name in batch.schema.names}
    columns["label"] = pa.nulls(batch.num_rows, pa.bool_())
    columns["days_to_index"] = pa.nulls(batch.num_rows, pa.list_(pa.float32()))
    columns["targets"] = pa.ListArray.from_arrays(visits.offsets, targets)
    arrays = [columns[name] for name in VISIT_TARGETS.names]
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, VISIT_TARGETS) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=VISIT_TARGETS))
    names = pq.read_table(folder / "vocabulary.parquet").slice(0, LABELS)
    counts = {f"part_{part}": pa.array(np.ones(LABELS, dtype=np.int64)) for part in range(PARTS)}
    own = {name: names[name] for name in ("id", "code", "description")}
    labels = pa.table({**own, **counts}, schema=vocabulary_schema(PARTS))
    write_parquet(labels, folder / "labels.parquet")


def measure(patients: int, model: dict[str, Any], epochs: int) -> Trained:
    with tempfile.TemporaryDirectory() as name:
        write = partial(write_histories, patients=patients)
        process = multiprocessing.get_context("spawn").Process(target=write, args=(Path(name),))
        process.start()
        process.join()
        (trained,) = train_jobs(Path(name) / "visits.arrow", model, epochs, task=TASK)
        return trained


def row(name: str, patients: int, seconds: float, processor: float, gigabytes: float) -> str:
    rate = patients / seconds
    return f"| {name} | {seconds:.1f} | {processor:.1f} | {rate:,.0f} | {gigabytes:.2f} |"


def drawn_out(sizes: list[int], found: list[Trained]) -> str:
    """Row of the paper's number of patients, on the line of least squares through the others."""

    def at_paper(values: list[float]) -> float:
        slope, intercept = np.polyfit(sizes, values, 1)
        return float(slope * PAPER + intercept)

    return row(
        f"{PAPER:,} (extrapolated)",
        PAPER,
        at_paper([one.seconds for one in found]),
        at_paper([one.processor for one in found]),
        at_paper([one.gigabytes for one in found]),
    )


def growth(sizes: list[int], model: dict[str, Any]) -> list[str]:
    """Section of an epoch at each number of patients, the second of two."""
    text = [
        "",
        f"By the number of patients, loss {model['loss']}, the second epoch of two; the last row "
        "is not measured but lies on the line of least squares through the others:",
        "",
        HEADER.format("patients"),
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    found = []
    for patients in sizes:
        one = measure(patients, model, epochs=1)
        found.append(one)
        text.append(
            row(f"{patients:,} (measured)", patients, one.seconds, one.processor, one.gigabytes)
        )
        print(text[-1], flush=True)
    return [*text, drawn_out(sizes, found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=2)
    losses = ["paper", "multinomial", "sigmoid"]
    parser.add_argument("--loss", nargs="+", choices=losses, default=losses)
    parser.add_argument("--growth", type=int, nargs="*", default=[5_000, 10_000, 20_000])
    options = parser.parse_args()
    section = partial(
        network_section, cell="gru", embedding=SIZE, hidden=SIZE, embed="tanh", batch=BATCH
    )
    text = [
        "# Predicting the next visit",
        "",
        f"{options.patients:,} patients of {VISITS} visits with {CODES} codes on average, "
        f"vocabulary {VOCABULARY:,}, {LABELS:,} labels, embedding {SIZE} (tanh) and duration, GRU "
        f"{SIZE}, batch {BATCH}, one process, one thread: `{cell_class(section())}`, kernels "
        f"`{kernels_in_use()}`, Python {platform.python_version()}, torch {torch.__version__}. "
        f"Median of the epochs after the first ({options.epochs}); the processor's seconds leave "
        "out those in which it worked for others.",
        "",
        HEADER.format("loss"),
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for loss in options.loss:
        found = measure(options.patients, section(loss=loss), options.epochs)
        text.append(row(loss, options.patients, found.seconds, found.processor, found.gigabytes))
        print(text[-1], flush=True)
    if len(options.growth) > 1:
        text += growth(options.growth, section(loss=options.loss[0]))
    Path(__file__).with_suffix(".md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
