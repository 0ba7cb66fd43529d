"""The corpus of skip-gram vectors: the codes of each record, one after the other.

A sequence holds the codes of one person's visits from the first to the last, those of a visit in
random order. The order is a hash, so that it is the same in every run and depends on nobody else.

The sequences are written to a scratch file, a block of persons at a time, and read back from there
as often as they are learned from. So memory does not grow with the site.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.event_blocks import read_subjects
from visitseq.cohort.parts import assign_parts
from visitseq.cohort.visits import visit_blocks
from visitseq.encode.groups import SOURCE_CODES, columns_of
from visitseq.encode.layout import hash_codes
from visitseq.encode.sequences import Integers, gather_lists, read_visit_lists
from visitseq.encode.vocabulary import number_codes
from visitseq.engine import connect

#: The longest sequence that is given out whole: gensim passes over what is beyond.
LONGEST = 10_000
#: Cohort rows whose sequences are made at once.
ROWS = 20_000

#: As ``columns_of`` reads it, with the person as the row.
_VISIT_CODE = """
SELECT
    subject_id AS row,
    visit,
    date_diff('day', DATE '1970-01-01', start) AS day,
    code,
    {source_codes} AS source_codes
FROM visit_event
GROUP BY ALL
ORDER BY row, visit, code
"""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Sequences of code names, read from a file each time that they are iterated over.

    Attributes
    ----------
    file
        Arrow IPC file with a column ``places``, list<int32>: of each code its place in ``names``.
    names
        Names of the codes, in no order that says anything.
    counts
        In how many visits of the corpus each of ``names`` stands, shape (names,).
    sequences
        How many sequences there are, long ones whole.
    """

    file: Path
    names: list[str]
    counts: npt.NDArray[np.int64]
    sequences: int

    def __iter__(self) -> Iterator[list[str]]:
        """Give the sequences in their order, one longer than ``LONGEST`` in pieces."""
        with pa.memory_map(str(self.file)) as source, pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                lists = reader.get_batch(number).column("places")
                places, offsets = lists.values.to_numpy(), lists.offsets.to_numpy()
                for first, end in pairwise(offsets):
                    for start in range(first, end, LONGEST):
                        piece = places[start : min(start + LONGEST, end)].tolist()
                        yield [self.names[place] for place in piece]


class _Occurrences(NamedTuple):
    """Where the codes of a block stand, each array of shape (codes,).

    ``row`` and ``visit`` say which sequence and which visit of it; ``subject`` and ``moment`` (a
    day, or the visit's number) decide, with the code's name, the order within the visit; ``code``
    is the code's place among the names of the block.
    """

    row: Integers
    visit: Integers
    subject: Integers
    moment: Integers
    code: Integers


def write_corpus(blocks: Iterable[pa.ListArray], file: Path) -> Corpus:
    """Write blocks of sequences, lists of dictionary-encoded names of codes, to ``file``."""
    schema = pa.schema([("places", pa.list_(pa.int32()))])
    place: dict[str, int] = {}
    counts, sequences = np.zeros(0, dtype=np.int64), 0
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for block in blocks:
            of_block = block.values.dictionary.to_pylist()
            number = np.array([place.setdefault(name, len(place)) for name in of_block], np.int32)
            places = number[block.values.indices.to_numpy()]
            lists = pa.ListArray.from_arrays(block.offsets, pa.array(places))
            writer.write_batch(pa.RecordBatch.from_arrays([lists], schema=schema))
            counts = np.pad(counts, (0, len(place) - len(counts)))
            counts += np.bincount(places, minlength=len(place))
            sequences += len(block)
    return Corpus(file, list(place), counts, sequences)


def site_sequences(
    files: Mapping[str, Path],
    encoding: Mapping[str, Any],
    read: Sequence[int],
    *,
    seed: int,
    parts: int,
) -> Iterator[pa.ListArray]:
    """Sequences of the whole records of a site's persons, block of persons by block.

    Parameters
    ----------
    files
        events, codes and ancestors: events.parquet, codes.parquet and ancestors.parquet.
    encoding
        Filled section: vocabulary, level, domains.
    read
        Parts whose persons are read.
    seed, parts
        With a person's id they decide its part; the seed orders the codes of a visit too.
    """
    code_table, ancestors = pq.read_table(files["codes"]), pq.read_table(files["ancestors"])
    query = _VISIT_CODE.replace("{source_codes}", SOURCE_CODES[encoding["vocabulary"]])
    chosen = site_persons(files["events"], read, seed=seed, parts=parts)
    with connect() as connection:
        for block in visit_blocks(files["events"], encoding["domains"], chosen):
            block.register(connection)
            found = connection.sql(query).to_arrow_table()
            record = columns_of(found, code_table, encoding, ancestors).record
            subject, visit, day = (record[name].to_numpy() for name in ("row", "visit", "day"))
            names, codes = number_codes(record["code"])
            yield _sequences(_Occurrences(subject, visit, subject, day, codes), names, seed)


def site_persons(
    events: Path, read: Sequence[int], *, seed: int, parts: int
) -> npt.NDArray[np.int64]:
    """Persons with an event whose part is among ``read``, ascending, shape (persons,)."""
    persons = read_subjects(events)
    return persons[np.isin(assign_parts(persons, seed, parts), np.asarray(read))]


def window_sequences(
    visits: Path, names: pa.Array, read: Sequence[int], *, seed: int
) -> Iterator[pa.ListArray]:
    """Sequences of the windows in a visits.arrow, block of cohort rows by block.

    Parameters
    ----------
    visits
        visits.arrow.
    names
        Names of the codes by their vocabulary ids.
    read
        Parts whose rows are read.
    seed
        Orders the codes of a visit. Where a step is a code the order is the step's.
    """
    lists = read_visit_lists(visits)
    rows = lists.rows_of_parts(read)
    for first in range(0, len(rows), ROWS):
        chosen = rows[first : first + ROWS]
        steps, step_offsets = gather_lists(lists.visit_offsets, chosen)
        entries, offsets = gather_lists(lists.code_offsets, steps)
        step = np.repeat(np.arange(len(steps)), np.diff(offsets))
        row = np.searchsorted(step_offsets, step, side="right") - 1
        subject, number = lists.subject_id[chosen[row]], step - step_offsets[row]
        found = _Occurrences(row, step, subject, number, lists.codes[entries])
        yield _sequences(found, names, seed)


def _sequences(found: _Occurrences, names: pa.Array, seed: int) -> pa.ListArray:
    """One sequence of names a row that holds a code."""
    keys = hash_codes(found.subject, found.moment, names.take(pa.array(found.code)), seed)
    order = np.lexsort((keys, found.visit, found.row))
    row, codes = found.row[order], pa.array(found.code[order], pa.int32())
    begins = np.ones(len(row), dtype=bool)
    begins[1:] = row[1:] != row[:-1]
    offsets = np.append(np.flatnonzero(begins), len(row)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.DictionaryArray.from_arrays(codes, names))
