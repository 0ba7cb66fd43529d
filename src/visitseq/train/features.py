"""What a classical model sees of a row: counts of codes, counts by time, or visit frequency alone.

    counts      in how many of the row's visits each known code stands
    time        the same in four bins of time before the window's end, up to 3, 6 and 12 months and
                longer ago; log(1 + days) from the last visit to the window's end; log(1 + visits)
    frequency   log(1 + visits), log(1 + codes), log(1 + days from the first visit to the last): how
                often somebody was seen, and nothing of what for

With pre-trained vectors the counts are not given themselves, but the sum of the codes' vectors that
they make: counts @ vectors, in each bin of ``time``.

Months are whole days as everywhere (3 months are 92 days); a visit belongs to the bin whose last
day it starts on or after. A row without any visit has 0 everywhere, but for ``time`` its last visit
stands at the window's start: longer ago than any that is seen. Visits are counted by the day on
which they start, which is the same number whether a step of the sequence is a visit or a code. Of
``frequency`` all codes are counted, known or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from visitseq.cohort.windows import months_to_days
from visitseq.encode.sequences import Sequences, code_positions, count_matrix, drop_unknown

Floats = npt.NDArray[np.float64]
Matrix: TypeAlias = sparse.csr_matrix | Floats

#: Last day before the window's end of each bin but the last, which is open.
BIN_ENDS = tuple(months_to_days(months) for months in (3, 6, 12))


class Window(NamedTuple):
    """The window that a task reads, in whole days.

    Attributes
    ----------
    days
        Its length.
    gap
        From its end to the index date.
    """

    days: int
    gap: int

    @classmethod
    def of_task(cls, task: Mapping[str, Any]) -> "Window":
        """Take the window of a task's section of the configuration."""
        return cls(
            months_to_days(task["observation_months"]), months_to_days(task["prediction_months"])
        )


@dataclass(frozen=True, eq=False)
class Features:
    """The features of a model.

    Attributes
    ----------
    kind
        counts, time or frequency.
    known
        Ids of the codes that are counted, ascending.
    window
        The task's window.
    vectors
        A vector for each known code, shape (known, dimension); None counts the codes themselves.
    """

    kind: str
    known: npt.NDArray[np.int32]
    window: Window
    vectors: npt.NDArray[np.float32] | None = None

    def matrix(self, sequences: Sequences) -> Matrix:
        """Features of the rows, shape (rows, features): sparse as counts are, dense otherwise."""
        if self.kind == "frequency":
            return visit_frequency(sequences)
        if self.kind == "counts":
            return self._summed(counts(sequences, self.known), bins=1)
        binned = time_counts(sequences, self.known, self.window)
        timing = visit_timing(sequences, self.window)
        if self.vectors is None:
            return sparse.hstack([binned, sparse.csr_matrix(timing)], format="csr")
        return np.hstack([self._summed(binned, bins=len(BIN_ENDS) + 1), timing])

    def _summed(self, counted: sparse.csr_matrix, bins: int) -> Matrix:
        """Sum the codes' vectors in each bin, if there are vectors."""
        if self.vectors is None:
            return counted
        vectors, size = self.vectors.astype(np.float64), len(self.known)
        return np.hstack([counted[:, b * size : (b + 1) * size] @ vectors for b in range(bins)])


def counts(sequences: Sequences, known: npt.NDArray[np.int32]) -> sparse.csr_matrix:
    """Counts of the ``known`` codes, shape (rows, codes).

    A fold that knows no code has one empty column: scikit-learn refuses a matrix without any.
    """
    if not len(known):
        return sparse.csr_matrix((len(sequences), 1))
    return count_matrix(sequences, known)


def time_counts(
    sequences: Sequences, known: npt.NDArray[np.int32], window: Window
) -> sparse.csr_matrix:
    """Counts of the ``known`` codes in each bin of time before the window's end.

    Returns
    -------
    scipy.sparse.csr_matrix
        Shape (rows, bins x known): all codes in the latest bin first, then all in the one before.
    """
    bins = np.searchsorted(BIN_ENDS, sequences.days_to_index - window.gap)
    bin_of_code = np.repeat(bins, np.diff(sequences.code_offsets))
    places = code_positions(sequences.codes, known)
    columns, offsets = drop_unknown(
        np.where(places >= 0, bin_of_code * len(known) + places, -1),
        sequences.code_offsets[sequences.visit_offsets],
    )
    shape = (len(sequences), (len(BIN_ENDS) + 1) * len(known))
    matrix = sparse.csr_matrix((np.ones(len(columns)), columns, offsets), shape=shape)
    matrix.sum_duplicates()
    return matrix


def visit_timing(sequences: Sequences, window: Window) -> Floats:
    """Log-days since the last visit and log-number of visits, shape (rows, 2)."""
    since = np.full(len(sequences), float(window.days))
    seen = np.flatnonzero(sequences.lengths)
    since[seen] = sequences.days_to_index[sequences.visit_offsets[seen + 1] - 1] - window.gap
    timing: Floats = np.log1p(np.column_stack([since, visit_number(sequences)]))
    return timing


def visit_frequency(sequences: Sequences) -> Floats:
    """Log-numbers of visits, of codes and of days from first to last visit, shape (rows, 3)."""
    offsets = sequences.visit_offsets
    codes, span = np.diff(sequences.code_offsets[offsets]), np.zeros(len(sequences))
    seen = np.flatnonzero(sequences.lengths)
    first, last = offsets[seen], offsets[seen + 1] - 1
    span[seen] = sequences.days_to_index[first] - sequences.days_to_index[last]
    frequency: Floats = np.log1p(np.column_stack([visit_number(sequences), codes, span]))
    return frequency


def visit_number(sequences: Sequences) -> Floats:
    """Days on which a visit of the row starts, shape (rows,)."""
    row = np.repeat(np.arange(len(sequences)), sequences.lengths)
    starts = np.ones(len(row), dtype=np.bool_)
    same_row = row[1:] == row[:-1]
    starts[1:] = ~same_row | (sequences.days_to_index[1:] != sequences.days_to_index[:-1])
    number: Floats = np.bincount(row[starts], minlength=len(sequences)).astype(np.float64)
    return number
