"""Read visits.arrow: the visit sequences as flat arrays, without copying.

Arrow stores a list of lists as three flat arrays, which are a sparse one-hot matrix as they stand:

    row r     has the visits  visit_offsets[r] … visit_offsets[r + 1] - 1
    visit v   has the codes   codes[code_offsets[v]] … codes[code_offsets[v + 1] - 1]

so ``codes`` with ``code_offsets`` is the CSR form of the (visits x vocabulary) one-hot matrix whose
values are all 1, and ``visit_offsets`` says which of its rows belong to whom. The file is mapped,
not read: pages come in as they are touched, and several processes share them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from visitseq.errors import UserError

Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class VisitLists:
    """The visits of some rows, whatever is asked of them.

    Attributes
    ----------
    subject_id, part
        Columns of cohort.parquet, shape (rows,).
    visit_offsets
        First visit of each row, and the number of visits at the end, shape (rows + 1,).
    code_offsets
        First code of each visit, and the number of codes at the end, shape (visits + 1,).
    codes
        Vocabulary ids, sorted and unique within a visit, shape (codes,).
    days
        Whole days since the row's previous visit, shape (visits,).
    """

    subject_id: npt.NDArray[np.int64]
    part: npt.NDArray[np.int32]
    visit_offsets: Integers
    code_offsets: Integers
    codes: npt.NDArray[np.int32]
    days: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.subject_id)

    @property
    def lengths(self) -> Integers:
        """Visits of each row, shape (rows,)."""
        return np.diff(self.visit_offsets)

    @property
    def durations(self) -> npt.NDArray[np.float32]:
        """Days that a network may see beside each visit, shape (visits,)."""
        return self.days

    def rows_of_parts(self, parts: Sequence[int]) -> npt.NDArray[np.intp]:
        """Rows of the persons in ``parts``, in cohort order."""
        return np.flatnonzero(np.isin(self.part, np.asarray(parts, dtype=np.int32)))


@dataclass(frozen=True, eq=False)
class Sequences(VisitLists):
    """The visits before each row's index date, with the outcome, in cohort order.

    Attributes
    ----------
    set_id
        Matched set, int64, null without matching, length rows.
    index_time, label
        Columns of cohort.parquet (``index_time`` as datetime64[us]), shape (rows,).
    days_to_index
        Whole days from each visit until the row's index, shape (visits,).
    labelled
        Whether there is an outcome; without one ``label`` is False throughout and means nothing.
    """

    set_id: pa.Array
    index_time: npt.NDArray[np.datetime64]
    label: npt.NDArray[np.bool_]
    days_to_index: npt.NDArray[np.float32]
    labelled: bool = True

    @property
    def durations(self) -> npt.NDArray[np.float32]:
        """Days that a network may see beside each visit: those until the index."""
        return self.days_to_index

    def take(self, rows: Integers) -> "Sequences":
        """Sequences of ``rows`` in their order, copied; a row may be taken twice."""
        visits, visit_offsets = gather_lists(self.visit_offsets, rows)
        codes, code_offsets = gather_lists(self.code_offsets, visits)
        return Sequences(
            set_id=self.set_id.take(pa.array(rows)),
            subject_id=self.subject_id[rows],
            index_time=self.index_time[rows],
            label=self.label[rows],
            part=self.part[rows],
            visit_offsets=visit_offsets,
            code_offsets=code_offsets,
            codes=self.codes[codes],
            days=self.days[visits],
            days_to_index=self.days_to_index[visits],
            labelled=self.labelled,
        )


def read_sequences(path: Path, *, without_outcome: bool = False) -> Sequences:
    """Map visits.arrow into memory.

    All arrays but ``label`` (Arrow packs it into bits) are views of the mapped file, read-only.

    Parameters
    ----------
    path
        The file.
    without_outcome
        Whether a cohort without outcome will do, whose rows can be scored and no more.

    Raises
    ------
    UserError
        A row has no label, so nothing can be learned from it.
    ValueError
        The file breaks the contract of visits.arrow.
    """
    return sequences_of(open_batch(path), path, without_outcome=without_outcome)


def sequences_of(batch: pa.RecordBatch, path: Path, *, without_outcome: bool = False) -> Sequences:
    """Take the sequences of the record batch of a visits.arrow, as ``read_sequences`` does.

    ``path`` names the file in messages.
    """
    check_lists(batch, ["days", "days_to_index"], path)
    column = batch.column("label")
    labelled = not (without_outcome and len(column) and column.null_count == len(column))
    return Sequences(
        **visit_arrays(batch),
        set_id=batch.column("set_id"),
        index_time=batch.column("index_time").to_numpy(),
        label=_labels(column, path) if labelled else np.zeros(len(column), dtype=np.bool_),
        days_to_index=batch.column("days_to_index").values.to_numpy(),
        labelled=labelled,
    )


def read_visit_lists(path: Path) -> VisitLists:
    """Map the visits of any visits.arrow into memory, whatever is asked of them.

    Raises
    ------
    ValueError
        The file breaks the contract of visits.arrow.
    """
    batch = open_batch(path)
    check_lists(batch, ["days"], path)
    return VisitLists(**visit_arrays(batch))


def open_batch(path: Path) -> pa.RecordBatch:
    """Map the one record batch of a visits.arrow; a ValueError where it is not one."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        if reader.num_record_batches != 1:
            raise ValueError(f"{path}: {reader.num_record_batches} record batches, not one")
        return reader.get_batch(0)


def check_lists(batch: pa.RecordBatch, names: Sequence[str], path: Path) -> None:
    """Raise a ValueError unless each of the columns ``names`` has one entry a visit."""
    for name in names:
        if not batch.column(name).offsets.equals(batch.column("visits").offsets):
            raise ValueError(f"{path}: {name} has not one entry a visit")


def visit_arrays(batch: pa.RecordBatch) -> dict[str, Any]:
    """Fields of ``VisitLists``: views of the batch."""
    visits = batch.column("visits")
    return {
        "subject_id": batch.column("subject_id").to_numpy(),
        "part": batch.column("part").to_numpy(),
        "visit_offsets": visits.offsets.to_numpy(),
        "code_offsets": visits.values.offsets.to_numpy(),
        "codes": visits.values.values.to_numpy(),
        "days": batch.column("days").values.to_numpy(),
    }


def known_codes(
    vocabulary: pa.Table, parts: Sequence[int], min_count: int
) -> npt.NDArray[np.int32]:
    """Ids of the codes that stand in at least ``min_count`` visits of ``parts``, ascending.

    Parameters
    ----------
    vocabulary
        Table of vocabulary.parquet.
    parts
        The training parts of a fold: no other part decides what the fold knows.
    min_count
        Smallest number of visits that hold the code.
    """
    visits = sum(vocabulary[f"part_{part}"].to_numpy() for part in parts)
    return np.sort(vocabulary["id"].to_numpy()[visits >= min_count])


def gather_lists(offsets: Integers, lists: Integers) -> tuple[Integers, Integers]:
    """Entries of some of the lists that ``offsets`` cut an array into.

    Parameters
    ----------
    offsets
        First entry of each list, and the number of entries at the end, shape (all lists + 1,).
    lists
        The lists wanted, in the order wanted, shape (lists,).

    Returns
    -------
    entries, new_offsets
        Places of the entries in the array, one list after the other; and where each list begins
        in ``entries``, shape (lists + 1,).
    """
    starts = offsets[lists].astype(np.int64)
    new_offsets = np.concatenate([[0], np.cumsum(offsets[lists + 1] - starts)])
    shifts = np.repeat(starts - new_offsets[:-1], np.diff(new_offsets))
    return np.arange(new_offsets[-1]) + shifts, new_offsets


def code_positions(codes: npt.NDArray[np.int32], known: npt.NDArray[np.int32]) -> Integers:
    """Place of each of ``codes`` in the ascending ids ``known``, -1 where it is not among them."""
    if not len(known):
        return np.full(len(codes), -1)
    places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.where(known[places] == codes, places, -1)


def drop_unknown(positions: Integers, offsets: Integers) -> tuple[Integers, Integers]:
    """Take the -1 out of the lists that ``offsets`` cut ``positions`` into; a list may empty."""
    kept = positions >= 0
    before = np.concatenate([[0], np.cumsum(kept)])
    return positions[kept], before[offsets]


def count_matrix(sequences: Sequences, known: npt.NDArray[np.int32]) -> sparse.csr_matrix:
    """In how many visits of each row each known code stands.

    Returns
    -------
    scipy.sparse.csr_matrix
        Shape (rows, known), float64; column j is the code with the id ``known[j]``.
    """
    row_offsets = sequences.code_offsets[sequences.visit_offsets]
    columns, offsets = drop_unknown(code_positions(sequences.codes, known), row_offsets)
    matrix = sparse.csr_matrix(
        (np.ones(len(columns)), columns, offsets), shape=(len(sequences), len(known))
    )
    matrix.sum_duplicates()
    return matrix


def _labels(column: pa.Array, path: Path) -> npt.NDArray[np.bool_]:
    if column.null_count:
        raise UserError(
            f"{path}: {column.null_count} of {len(column)} rows have no label; "
            "use a cohort that has an outcome."
        )
    labels: npt.NDArray[np.bool_] = column.to_numpy(zero_copy_only=False)
    return labels
