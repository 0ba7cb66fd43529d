"""How fast skip-gram vectors are learned: visits a second, hours for the paper's records, memory.

    python benchmarks/skipgram.py [--persons 26534]

Choi et al. (JAMIA 2017) learned theirs from all of 265,336 persons with 14 million visits and about
three codes a visit; a tenth of that is made up here, with Zipf's law over 18,181 codes, and read in
paper_mode: everybody. ``train_site_vectors`` reads events.parquet, merges the visits, writes the
corpus to a scratch file and learns with one thread, which makes it the same each time. Beside it
stands gensim as one would call it oneself, the codes of everybody already in memory as lists of
strings, with one worker and with two: learning alone, in as many epochs. Each runs in a process of
its own, so that its peak memory is its own. Writes skipgram.md beside this file.
"""

import argparse
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gensim.models import Word2Vec
from records import INDEX_DAY, PARTS, write_records

from visitseq.encode.corpus import site_sequences, write_corpus
from visitseq.encode.sequences import read_sequences
from visitseq.encode.skipgram import EPOCHS, NEGATIVE, train_site_vectors
from visitseq.tables import ANCESTORS, CODES, EVENTS, write_parquet

PAPER_VISITS, VOCABULARY = 14_000_000, 18_181
DIMENSION, WINDOW = 100, 5
ENCODING = {
    "vocabulary": "codes",
    "dimension": DIMENSION,
    "window": WINDOW,
    "paper_mode": True,
    "min_count": 1,
    "domains": ["condition"],
}


def write_site(folder: Path, persons: int) -> tuple[int, int]:
    """Write the files of a site; return how many visits and codes they hold."""
    visits = PAPER_VISITS / 265_336
    sequences = read_sequences(
        write_records(folder, patients=persons, visits=visits, codes=3, vocabulary=VOCABULARY)
    )
    names = pq.read_table(folder / "vocabulary.parquet")["code"].combine_chunks()
    sizes = np.diff(sequences.code_offsets)
    subject = np.repeat(np.repeat(sequences.subject_id, sequences.lengths), sizes)
    day = np.repeat((INDEX_DAY - sequences.days_to_index).astype(np.int64), sizes)
    empty = {name: pa.nulls(len(day)) for name in ("numeric_value", "visit_id", "source_code")}
    moment = pa.array(day.astype("datetime64[D]").astype("datetime64[us]"))
    columns = {"subject_id": subject, "time": moment, "code": names.take(pa.array(sequences.codes))}
    table = pa.table({**columns, **empty}).select(EVENTS.names).cast(EVENTS)
    order = [(name, "ascending") for name in ("subject_id", "time", "code")]
    write_parquet(table.sort_by(order), folder / "events.parquet")
    write_parquet(CODES.empty_table(), folder / "codes.parquet")
    write_parquet(ANCESTORS.empty_table(), folder / "ancestors.parquet")
    return len(sizes), len(day)


def through_the_workflow(folder: Path) -> None:
    """As the rule train_site_vectors does it."""
    train_site_vectors(
        events=folder / "events.parquet",
        codes=folder / "codes.parquet",
        ancestors=folder / "ancestors.parquet",
        encoding=ENCODING,
        fold=0,
        parts=PARTS,
        seed=0,
        folder=folder / "out",
    )


def corpus_alone(folder: Path) -> None:
    """Only the first half of it: from events to the scratch file, which is left in ``folder``."""
    everybody = list(range(PARTS))
    files = {name: folder / f"{name}.parquet" for name in ("events", "codes", "ancestors")}
    blocks = site_sequences(files, ENCODING, everybody, seed=0, parts=PARTS)
    corpus = write_corpus(blocks, folder / "corpus.arrow")
    (folder / "names.txt").write_text("\n".join(corpus.names), encoding="utf-8")


def by_hand(folder: Path, workers: int) -> None:
    """Give gensim everybody's codes as lists of strings."""
    names = (folder / "names.txt").read_text(encoding="utf-8").split("\n")
    with pa.memory_map(str(folder / "corpus.arrow")) as source:
        sequences = pa.ipc.open_file(source).read_all()["places"].to_pylist()
    Word2Vec(
        [[names[place] for place in sequence] for sequence in sequences],
        vector_size=DIMENSION,
        window=WINDOW,
        sg=1,
        negative=NEGATIVE,
        sample=0,
        min_count=1,
        workers=workers,
        epochs=EPOCHS,
    )


class Measured(NamedTuple):
    """Seconds, seconds of the processors, and peak memory in GB."""

    seconds: float
    busy: float
    gigabytes: float


def measure(work: Callable[..., None], *arguments: Any) -> Measured:
    """Run ``work`` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, work, *arguments).result()


def _measured(work: Callable[..., None], *arguments: Any) -> Measured:
    start, before = time.perf_counter(), time.process_time()
    work(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return Measured(time.perf_counter() - start, time.process_time() - before, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, default=26_534)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        visits, codes = write_site(folder, options.persons)
        measured = {
            "train_site_vectors, from events to vectors.parquet": measure(
                through_the_workflow, folder
            ),
            "of it the corpus, from events to the scratch file": measure(corpus_alone, folder),
            "gensim on lists of strings, one worker": measure(by_hand, folder, 1),
            "gensim on lists of strings, two workers": measure(by_hand, folder, 2),
        }
    text = [
        "# Skip-gram vectors",
        "",
        f"{options.persons:,} persons, {visits:,} visits, {codes:,} codes of a vocabulary of "
        f"{VOCABULARY:,}; dimension {DIMENSION}, window {WINDOW}, {EPOCHS} epochs; Python "
        f"{platform.python_version()}, NumPy {np.__version__}, gensim {version('gensim')}. The "
        "last column is what the paper's 14 million visits keep the processors busy at that speed. "
        "Busy is what other work on the machine, which lengthens the seconds, does not change "
        "much.",
        "",
        "| | seconds | of these busy | visits a second | peak GB | busy minutes for 14 million |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for label, (seconds, busy, gigabytes) in measured.items():
        speed, minutes = visits / seconds, PAPER_VISITS * busy / visits / 60
        text.append(
            f"| {label} | {seconds:.0f} | {busy:.0f} | {speed:,.0f} | {gigabytes:.2f} | "
            f"{minutes:.0f} |"
        )
    Path(__file__).with_suffix(".md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
