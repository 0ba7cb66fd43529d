"""Made-up sequences for the benchmarks of training, written as stage 3 writes them.

Lengths are those of the cohorts: a row's visits, and a visit's codes, are 1 + Poisson(m), with m
drawn from a gamma distribution of shape 2. (Simulated primary care has 13.7 visits in 18 months,
standard deviation 10.2, and 3.8 codes a visit, at most 35 among 119,000: shapes 1.8 and 2.) Codes
follow Zipf's law, whose tail is heavier than the cohorts': that is the harder case for an embedding
table. One row in ten is a case, at random. Every row belongs to a training part of fold 0, so that
an epoch of training is training and nothing else.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.encode.layout import Steps, steps_of, visit_columns
from visitseq.tables import VISITS, vocabulary_schema, write_parquet

Ints = npt.NDArray[np.int64]

SHAPE, PARTS, FOLD = 2.0, 7, 0
INDEX_DAY, DAYS_APART = 18_000, 13


def draw_lengths(mean: float, count: int, generator: np.random.Generator) -> Ints:
    """Lengths of at least 1 with the given mean, shape (count,)."""
    return 1 + generator.poisson(generator.gamma(SHAPE, (mean - 1) / SHAPE, count))


def write_records(
    folder: Path, *, patients: int, visits: float, codes: float, vocabulary: int, seed: int = 0
) -> Path:
    """Write visits.arrow and vocabulary.parquet; return the path of the first.

    Parameters
    ----------
    folder
        Where they go.
    patients
        Rows.
    visits, codes
        Mean visits a row, and codes a visit before those drawn twice are taken out. 1 code a visit
        gives the sequence by code.
    vocabulary
        Size of the vocabulary; all of it is listed, drawn or not.
    seed
        Decides everything that is drawn.
    """
    generator = np.random.default_rng(seed)
    steps = _draw_steps(patients, visits, codes, vocabulary, generator)
    part = generator.integers(2, PARTS, patients, dtype=np.int32)
    index_time = np.full(patients, INDEX_DAY, dtype="datetime64[D]").astype("datetime64[us]")
    columns = [
        pa.nulls(patients, pa.int64()),
        pa.array(np.arange(patients)),
        pa.array(index_time),
        pa.array(generator.random(patients) < 0.1),
        pa.array(part),
        *visit_columns(steps, index_time).values(),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "visits.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, VISITS) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=VISITS))
    _write_vocabulary(steps, part, vocabulary, folder / "vocabulary.parquet")
    return path


def _draw_steps(
    patients: int, visits: float, codes: float, vocabulary: int, generator: np.random.Generator
) -> Steps:
    lengths = draw_lengths(visits, patients, generator)
    total = int(lengths.sum())
    sizes = draw_lengths(codes, total, generator)
    odds = np.cumsum(1 / np.arange(5, vocabulary + 5))
    drawn = np.searchsorted(odds, generator.random(int(sizes.sum())) * odds[-1])
    # Ids in random order, as names sorted by bytes have them; sorted and unique within a visit.
    ids = generator.permutation(vocabulary)[drawn]
    keys = np.unique(np.repeat(np.arange(total), sizes) * vocabulary + ids)
    visit, code = keys // vocabulary, (keys % vocabulary).astype(np.int32)
    row = np.repeat(np.arange(patients, dtype=np.int32), lengths)
    to_index = np.repeat(np.cumsum(lengths), lengths) - np.arange(total)
    day = (INDEX_DAY - DAYS_APART * to_index).astype(np.int32)
    return steps_of(row[visit], visit, day[visit], code)


def _write_vocabulary(
    steps: Steps, part: npt.NDArray[np.int32], vocabulary: int, path: Path
) -> None:
    visits = np.repeat(part[steps.row], np.diff(steps.offsets))
    counts = np.bincount(visits * vocabulary + steps.codes, minlength=PARTS * vocabulary)
    columns = {
        "id": np.arange(vocabulary, dtype=np.int32),
        "code": [f"condition/{number}" for number in range(vocabulary)],
        "description": pa.nulls(vocabulary, pa.string()),
    }
    columns |= {f"part_{p}": n for p, n in enumerate(counts.reshape(PARTS, vocabulary))}
    write_parquet(pa.table(columns, schema=vocabulary_schema(PARTS)), path)
