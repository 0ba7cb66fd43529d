"""A batch for a network that reads some visits of each row and writes those that follow.

Of a row K visits are written, its last or others, and those before them are read. What the decoder
is given and what it has to answer is one array, moved by a step: bags of labels, those of the visit
before the first written one, of the first, …, of the last,

    bag    0        1        …   K - 1      K
    step   1 given  2 given  …   K given
                    1 asked  …   K-1 asked  K asked

one after the other, each for all rows of the batch.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from visitseq.encode.sequences import (
    Integers,
    VisitLists,
    code_positions,
    drop_unknown,
    gather_lists,
)
from visitseq.models.batches import Batch, collate


@dataclass(frozen=True, eq=False)
class VisitLabels:
    """What can be asked of each visit.

    Attributes
    ----------
    offsets
        First label of each visit, and the number of labels at the end, shape (visits + 1,).
    ids
        Label ids, sorted and unique within a visit, shape (labels of all visits,).
    known
        Ids that the fold can predict, ascending: the network's label j is ``known[j]``.
    """

    offsets: Integers
    ids: npt.NDArray[np.int32]
    known: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Visits that can be read and written.

    Attributes
    ----------
    visits, labels
        Visits of all rows, and their labels.
    known
        Ids of the codes that the fold knows, ascending.
    ahead
        How many visits are written.
    """

    visits: VisitLists
    labels: VisitLabels
    known: npt.NDArray[np.int32]
    ahead: int


@dataclass(frozen=True, eq=False)
class ForecastBatch:
    """The visits that are read, and the labels of those that are written.

    Attributes
    ----------
    read
        The visits of each row before those that are written.
    ahead
        How many visits are written.
    labels
        Places of the labels among the known ones, bag after bag, int64.
    offsets
        First label of each bag, and their number at the end, shape ((ahead + 1) x rows + 1,).
        A row that has no visit to read has an empty bag 0.
    """

    read: Batch
    ahead: int
    labels: torch.Tensor
    offsets: torch.Tensor

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.read.ranks)

    def bags(self, first: int, last: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Labels and offsets of the bags ``first`` … ``last - 1`` of all rows, step by step."""
        offsets = self.offsets[first * self.rows : last * self.rows + 1]
        return self.labels[offsets[0] : offsets[-1]], offsets - offsets[0]

    @property
    def given(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Labels and offsets of the visit before each written one."""
        return self.bags(0, self.ahead)

    @property
    def asked(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Labels and offsets of the written visits."""
        return self.bags(1, self.ahead + 1)


def collate_forecast(data: Trajectories, rows: Integers, ends: Integers) -> ForecastBatch:
    """Cut the visits of ``rows`` into those that are read and those that are written.

    Parameters
    ----------
    data
        Visits and labels of all rows.
    rows
        The rows wanted.
    ends
        For each row the visit after the last that is written, at least ``ahead`` after its first.
    """
    starts, ahead = data.visits.visit_offsets[rows], data.ahead
    places = ends - ahead - 1 + np.arange(ahead + 1)[:, None]  # (ahead + 1, rows)
    missing = places < starts
    entries, offsets = gather_lists(data.labels.offsets, np.maximum(places, starts).ravel())
    positions = code_positions(data.labels.ids[entries], data.labels.known)
    positions[np.repeat(missing.ravel(), np.diff(offsets))] = -1
    positions, offsets = drop_unknown(positions, offsets)
    return ForecastBatch(
        read=collate(data.visits, rows, data.known, ends - ahead),
        ahead=ahead,
        labels=torch.from_numpy(positions),
        offsets=torch.from_numpy(offsets),
    )
