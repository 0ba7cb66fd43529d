"""How the way from OMOP files to sequences grows with the number of persons, and beside others.

    python benchmarks/scale.py [--part grow peers] [--persons 10000 100000 1000000] [--rounds 1]

Two parts, which run alone or one after the other:

- grow: ``ingest_site``, ``build_cohort`` and ``encode_visits`` on simulated hospitals in Parquet,
  each in a process of its own with the threads of its rule; in turn with them DuckDB's bare sort of
  the same rows. Writes scale.md and scale.svg beside this file.

Hospitals are simulated in advance and deleted afterwards; a million persons need 10 GB in
``--folder``.
"""

import argparse
import platform
import tempfile
from pathlib import Path

import duckdb
import growth
from stages import MEMORY_MB, THREADS

HERE = Path(__file__).resolve().parent


def describe() -> list[str]:
    return [
        "# From OMOP files to sequences, by the number of persons",
        "",
        "Synthetic records (preset primary_care), Parquet, simulated in advance. Each piece of "
        "work in a process of its own; peak memory is the kernel's of that process, Python "
        f"included. Ingest and the sorts {THREADS['ingest']} threads and {MEMORY_MB:,} MB for "
        "DuckDB, cohort and encode one thread, as their rules have them; cohort, task and encoding "
        f"are the default study's heart_failure and one_hot. Python {platform.python_version()}, DuckDB "
        f"{duckdb.__version__}.",
        "",
        "The sorts read the same files, drop and look up nothing, and write what they read in "
        "ingest's columns and order. Of the clinical rows: conditions, drugs and procedures alone. "
        "Of all rows: a visit's start, end and care site as well, so all that ingest writes but "
        "births, sexes and deaths. Rows a second are clinical rows, of the sort of all rows all "
        "of them.",
        "",
    ]


def grow(folder: Path, persons: list[int], rounds: int) -> None:
    """Measure the stages at each number of persons; write tables and picture after each."""
    measured: list[growth.Measured] = []
    for number in persons:
        measured.append(growth.measure(folder / f"{number}", number, rounds))
        text = [*describe(), *growth.table(measured), "", *growth.ratios(measured)]
        text += ["", "![Seconds and peak memory by persons, synthetic records](scale.svg)"]
        (HERE / "scale.md").write_text("\n".join(text) + "\n", encoding="utf-8")
        growth.draw(measured, HERE / "scale.svg")
    print("\n".join(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", choices=["grow", "peers"], default=["grow", "peers"])
    parser.add_argument("--persons", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the hospitals go for the while")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        if "grow" in options.part:
            grow(Path(name), options.persons, options.rounds)


if __name__ == "__main__":
    main()
