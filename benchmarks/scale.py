"""How the way from OMOP files to sequences grows with the number of persons, and beside others.

    python benchmarks/scale.py [--part grow peers] [--persons 10000 100000 1000000] [--rounds 1]
                               [--shuffled]

Two parts, which run alone or one after the other:

- grow: ``ingest_site``, ``build_cohort`` and ``encode_visits`` on simulated hospitals in Parquet,
  each in a process of its own with the threads of its rule; in turn with them DuckDB's bare sort of
  the same rows. Writes scale.md and scale.svg beside this file. The simulator writes its tables
  person by person; with ``--shuffled`` their rows are in no order, and what is written is
  scale_shuffled.md and scale_shuffled.svg.
- peers: from the files of a hospital of ``--peer-persons`` to what PyHealth's OMOPDataset calls
  samples and meds-etl MEDS, and ours beside each. They are installed in environments of their own
  below ``--environments`` (PyHealth: 7 GB, Python 3.12). Writes scale_peers.md.

Hospitals are simulated in advance and deleted afterwards; a million persons need 10 GB in
``--folder``.
"""

import argparse
import platform
import tempfile
from pathlib import Path

import duckdb
import growth
import peers
from stages import MEMORY_MB, THREADS, clinical_rows

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parent / "build"
#: The script that runs each peer, and what measures it.
PEERS = {
    "meds_etl": ("meds_etl_peer.py", peers.beside_meds_etl),
    "pyhealth": ("pyhealth_omop_peer.py", peers.beside_pyhealth),
}


def describe(*, shuffled: bool) -> list[str]:
    order = "the rows of each table in no order" if shuffled else "each table person by person"
    return [
        "# From OMOP files to sequences, by the number of persons",
        "",
        f"Synthetic records (preset primary_care), Parquet, {order}, made in advance. Each piece "
        "of work in a process of its own; peak memory is the kernel's of that process, Python "
        f"included. Ingest and the sorts {THREADS['ingest']} threads and {MEMORY_MB:,} MB for "
        "DuckDB, cohort and encode one thread, as their rules have them; cohort, task and encoding "
        "are the default study's heart_failure and one_hot. Python "
        f"{platform.python_version()}, DuckDB {duckdb.__version__}.",
        "",
        "The sorts read the same files, drop and look up nothing, and write what they read in "
        "ingest's columns and order. Of the clinical rows: conditions, drugs and procedures alone. "
        "Of all rows: a visit's start, end and care site as well, so all that ingest writes but "
        "births, sexes and deaths. Rows a second are clinical rows, of the sort of all rows all "
        "of them.",
        "",
    ]


def grow(folder: Path, persons: list[int], rounds: int, *, shuffled: bool) -> None:
    """Measure the stages at each number of persons; write tables and picture after each."""
    measured: list[growth.Measured] = []
    name = "scale_shuffled" if shuffled else "scale"
    for number in persons:
        measured.append(growth.measure(folder / f"{number}", number, rounds, shuffled=shuffled))
        text = [*describe(shuffled=shuffled), *growth.table(measured), "", *growth.ratios(measured)]
        text += ["", f"![Seconds and peak memory by persons, synthetic records]({name}.svg)"]
        (HERE / f"{name}.md").write_text("\n".join(text) + "\n", encoding="utf-8")
        growth.draw(measured, HERE / f"{name}.svg")
    print("\n".join(text))


def beside_peers(folder: Path, persons: int, environments: Path, python: str | None) -> None:
    """Measure PyHealth and meds-etl, and ours beside each; write the table."""
    peers.prepare(folder, persons)
    runs: list[peers.Run] = []
    left, versions = [], []
    for name, (script, measure) in PEERS.items():
        peer = peers.Peer(name, script, environments, python if name == "pyhealth" else None)
        try:
            peer.install()
            runs += measure(folder, peer)
            versions.append(", ".join(f"{key} {value}" for key, value in peer.versions.items()))
        except peers.PeerError as error:
            left += ["", f"Not measured: {name}: {error}"]
    text = [
        *describe_peers(folder, persons, "; ".join(versions)),
        *peers.table(peers.merged(runs)),
        *left,
    ]
    (HERE / "scale_peers.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


def describe_peers(folder: Path, persons: int, versions: str) -> list[str]:
    return [
        "# From OMOP files to samples, beside PyHealth and meds-etl",
        "",
        f"{persons:,} simulated persons (synthetic records), {clinical_rows(folder):,} clinical "
        "rows, the same files for all: person, visits, conditions, drugs, procedures, deaths and "
        "concepts. Seconds without the start of Python and the imports. Ours to samples: the "
        "default study's cohort of heart failure, matched, and its windows. PyHealth's samples: of "
        "MortalityPredictionOMOP, the task of its own example, one a visit; of the lean task, "
        "written for this comparison, one a patient with the codes of all visits, in one pass over "
        f"each table. {versions}; ours Python {platform.python_version()}, DuckDB "
        f"{duckdb.__version__}. Ours, medians of the turns that it took before each run.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", choices=["grow", "peers"], default=["grow", "peers"])
    parser.add_argument("--persons", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--peer-persons", type=int, default=5_000)
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    parser.add_argument("--python", help="of PyHealth's environment (python3.12)")
    parser.add_argument("--folder", type=Path, help="where the hospitals go for the while")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        if "grow" in options.part:
            grow(folder, options.persons, options.rounds, shuffled=options.shuffled)
        if "peers" in options.part:
            persons, place = options.peer_persons, options.environments
            beside_peers(folder / "peers", persons, place, options.python)


if __name__ == "__main__":
    main()
