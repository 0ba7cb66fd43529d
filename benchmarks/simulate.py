"""How fast the simulator writes a hospital: persons, clinical rows, seconds, peak memory.

    python benchmarks/simulate.py [--persons 1000000] [--threads 2]

Clinical rows are those of condition_occurrence, drug_exposure and procedure_occurrence; visits,
measurements and the other tables are written besides. Beside it stands what DuckDB takes to read
and write the same tables once more (threads as many, zstd): no generator can be faster than that
copy. Each runs in a process of its own, so that its peak memory is its own. Writes simulate.md
beside this file.
"""

import argparse
import multiprocessing
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.simulate.site import simulate_site

CLINICAL = ("condition_occurrence", "drug_exposure", "procedure_occurrence")


def simulate(folder: Path, persons: int, threads: int) -> None:
    site = {"preset": "primary_care", "persons": persons, "seed": 1, "order_effect": 0.5}
    simulate_site({**site, "messy": False}, folder, threads=threads)


def copy(folder: Path, persons: int, threads: int) -> None:
    connection = duckdb.connect(config={"threads": threads})
    connection.execute("SET enable_progress_bar = false")
    target = folder / "copy"
    target.mkdir()
    for path in sorted((folder / "omop").glob("*.parquet")):
        connection.execute(
            f"COPY (FROM read_parquet('{path}')) TO '{target / path.name}' (COMPRESSION zstd)"
        )


def measure(work: Callable[..., None], *arguments: Any) -> tuple[float, float]:
    """Seconds and peak memory in GB of ``work`` in a process of its own."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measured, args=(queue, work, arguments))
    process.start()
    seconds, kilobytes = queue.get()
    process.join()
    return seconds, kilobytes / 1e6


def _measured(queue: Any, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    start = time.perf_counter()
    work(*arguments)
    queue.put((time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, work in (("simulate_site", simulate), ("DuckDB copies the tables", copy)):
            seconds, gigabytes = measure(work, folder, options.persons, options.threads)
            lines.append((label, seconds, gigabytes))
        count = {
            path.stem: pq.read_metadata(path).num_rows
            for path in (folder / "omop").glob("*.parquet")
        }
        size = sum(path.stat().st_size for path in (folder / "omop").glob("*.parquet")) / 1e9
    rows, copied = sum(count[table] for table in CLINICAL), lines[1][1]
    text = [
        "# Simulating a hospital",
        "",
        f"{options.persons:,} persons of primary_care, {count['visit_occurrence']:,} visits, "
        f"{rows:,} clinical rows ({size:.1f} GB of Parquet in all), {options.threads} threads; "
        f"Python {platform.python_version()}, NumPy {np.__version__}, pyarrow {pa.__version__}, "
        f"DuckDB {duckdb.__version__}.",
        "",
        "| | seconds | million clinical rows a second | times the copy | peak GB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for label, seconds, gigabytes in lines:
        speed, ratio = rows / seconds / 1e6, seconds / copied
        text.append(f"| {label} | {seconds:.1f} | {speed:.2f} | {ratio:.2f} | {gigabytes:.2f} |")
    Path(__file__).with_suffix(".md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
