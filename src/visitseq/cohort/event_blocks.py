"""Read events.parquet in blocks of whole persons, so that memory does not grow with the site.

The file is sorted by person, so it is read from row group to row group, and a block ends at the
last person that surely ends. Names of codes are not read row by row: a block has them once, and the
numbers of the rows.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.day_lists import Ints

#: What of an event is read.
COLUMNS = ("subject_id", "time", "code", "visit_id", "source_code")
#: Enough for what a block costs by itself to vanish; larger ones are no faster.
ROWS_A_BLOCK = 500_000

_NAMES = ["code", "source_code"]


def event_blocks(
    events: Path, subjects: Ints | None, rows_a_block: int = ROWS_A_BLOCK
) -> Iterator[pa.Table]:
    """Read events, block of persons by block; there is one block at least, maybe empty.

    Parameters
    ----------
    events
        events.parquet, sorted by subject_id.
    subjects
        Persons to read, ascending, shape (persons,); None for all.
    rows_a_block
        A block is given out once it has so many rows. It is larger by up to a row group, and where
        one person has more.

    Yields
    ------
    pyarrow.Table
        ``COLUMNS``, code and source_code with one dictionary each.

    Raises
    ------
    ValueError
        The file is not sorted by person.
    """
    with pq.ParquetFile(events, read_dictionary=_NAMES) as file:
        block = file.schema_arrow.empty_table().select(COLUMNS)
        for number in _row_groups(file, subjects):
            group = file.read_row_group(number, columns=list(COLUMNS), use_threads=False)
            block = pa.concat_tables([block, _of_subjects(group, subjects)])
            if len(block) >= rows_a_block:
                # The next row group may have more of the last person.
                subject_id = block["subject_id"].to_numpy()
                last = int(np.searchsorted(subject_id, subject_id[-1]))
                if last:
                    yield _finished(block[:last])
                    block = block[last:]
        yield _finished(block)


def read_subjects(events: Path) -> Ints:
    """Persons of events.parquet, ascending, shape (persons,)."""
    found = [np.array([], dtype=np.int64)]
    with pq.ParquetFile(events) as file:
        for number in range(file.num_row_groups):
            group = file.read_row_group(number, columns=["subject_id"], use_threads=False)
            found.append(np.unique(group["subject_id"].to_numpy()))
    return np.unique(np.concatenate(found))


def _row_groups(file: pq.ParquetFile, subjects: Ints | None) -> Iterator[int]:
    """Row groups that may hold one of the persons."""
    place = file.schema_arrow.get_field_index("subject_id")
    for number in range(file.num_row_groups):
        held = file.metadata.row_group(number).column(place).statistics
        if subjects is None or held is None or not held.has_min_max:
            yield number
        else:
            before_last = np.searchsorted(subjects, held.max, side="right")
            if np.searchsorted(subjects, held.min) < before_last:
                yield number


def _of_subjects(events: pa.Table, subjects: Ints | None) -> pa.Table:
    """Events of the persons; each person's is one stretch of rows, which is looked up once."""
    if subjects is None:
        return events
    subject_id = events["subject_id"].to_numpy()
    first = np.flatnonzero(np.diff(subject_id, prepend=subject_id[:1] - 1))
    persons = subject_id[first]
    wanted = np.searchsorted(subjects, persons) < np.searchsorted(subjects, persons, side="right")
    rows = pa.array(np.repeat(wanted, np.diff(first, append=len(subject_id))))
    return _without_unused_names(events.filter(rows))


def _without_unused_names(events: pa.Table) -> pa.Table:
    """Make the dictionaries anew that have more names than there are rows.

    Where a few persons are sought in a large site, it is the names that would fill the memory.
    """
    for name in _NAMES:
        column = events[name]
        if sum(len(chunk.dictionary) for chunk in column.chunks) > len(column):
            anew = column.cast(pa.string()).dictionary_encode()
            events = events.set_column(COLUMNS.index(name), name, anew)
    return events


def _finished(block: pa.Table) -> pa.Table:
    """Lay each column out as one array; check the order."""
    whole = block.unify_dictionaries().combine_chunks()
    subject_id = whole["subject_id"].to_numpy()
    if np.any(subject_id[1:] < subject_id[:-1]):
        raise ValueError("the events are not sorted by subject_id")
    return whole
