"""A sorted list of days for each person, searched for many persons in one step.

The lists lie end to end in one array, ``offsets`` saying where each begins (the layout of a CSR
matrix). Person and day together make one key, ``person * SPAN + day``, and the keys ascend over the
whole array: one binary search answers "where in this person's list would this day stand" for any
number of (person, day) pairs. Persons asked about in ascending order make it fast, since then
neighbouring searches touch neighbouring memory.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]  # rows of persons where many lists of them are held
Days = Ints | npt.NDArray[np.int32]  # 32 bits hold any day but NEVER

#: Days since 1970-01-01 that stand for "before every date" and "never".
BEGINNING, NEVER = -(2**31), 2**31
_SPAN = 2**33  # more than there are days between the two


@dataclass(frozen=True)
class DayLists:
    """Ascending days of each person.

    Parameters
    ----------
    offsets
        Where each person's list begins, and where the last one ends, shape (persons + 1,).
    days
        The lists end to end, days since 1970-01-01, shape (days,).
    """

    offsets: Ints
    days: Days

    @classmethod
    def from_pairs(cls, rows: Ints, days: Ints, persons: int) -> "DayLists":
        """Make the lists of ``persons`` persons from (row, day) pairs, sorted by both."""
        return cls.from_lengths(np.bincount(rows, minlength=persons), days)

    @classmethod
    def from_lengths(cls, lengths: Ints, days: Days) -> "DayLists":
        """Cut ``days`` into lists of these lengths."""
        return cls(np.concatenate([[0], np.cumsum(lengths)]), days)

    @cached_property
    def _keys(self) -> Ints:
        keys = np.repeat(np.arange(self.persons) * _SPAN, np.diff(self.offsets))
        keys += self.days
        return keys

    @property
    def persons(self) -> int:
        """Number of lists."""
        return len(self.offsets) - 1

    def position(self, rows: Ints, day: Ints | int) -> Ints:
        """Where in ``days`` each person's first entry on or after ``day`` stands.

        A person without one has the position at which the list ends. ``rows`` and ``day``
        broadcast.
        """
        return np.searchsorted(self._keys, rows * _SPAN + day)

    def last_before(self, rows: Ints, day: Ints | int) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Position of each person's last entry before ``day``, and whether there is one.

        Where there is none the position is a valid one, 0, that means nothing.
        """
        position = self.position(rows, day) - 1
        exists = position >= self.offsets[rows]
        return np.where(exists, position, 0), exists

    def first(self) -> Ints:
        """First day of each list, NEVER for an empty one, shape (persons,)."""
        return self._ends(self.offsets[:-1], NEVER)

    def last(self) -> Ints:
        """Last day of each list, BEGINNING for an empty one, shape (persons,)."""
        return self._ends(self.offsets[1:] - 1, BEGINNING)

    def _ends(self, positions: Ints, empty: int) -> Ints:
        ends = np.full(self.persons, empty, dtype=np.int64)
        filled = np.diff(self.offsets) > 0
        ends[filled] = self.days[positions[filled]]
        return ends

    def take(self, rows: Ints) -> tuple["DayLists", Ints]:
        """Return the lists of the persons ``rows``, and where each of their days stood."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        source = np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        source += np.arange(offsets[-1])
        return DayLists(offsets, self.days[source]), source
