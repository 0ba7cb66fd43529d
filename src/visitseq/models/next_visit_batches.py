"""A batch for a network that predicts at every visit the one after it.

Of a row of n visits the first n - 1 are read; at each of them the next is asked: its labels and the
days until it. What follows the last visit nobody knows (the record ends there): it is not asked.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from visitseq.encode.sequences import (
    Integers,
    VisitLists,
    code_positions,
    drop_unknown,
    gather_lists,
)
from visitseq.models.batches import Batch, collate, pack_visits
from visitseq.models.forecast_batches import Trajectories


@dataclass(frozen=True, eq=False)
class NextVisitBatch:
    """The visits that are read, step by step, and what is asked at each.

    Attributes
    ----------
    read
        The visits of each row before its last.
    rows
        The row of each visit that is read, in the order in which rows were asked for, shape
        (visits,).
    labels, offsets
        Places of the next visit's labels among the known ones, int64, visit after visit; first of
        each visit, and their number at the end, shape (visits + 1,).
    log_days
        Logarithm of the days until the next visit, at least 1, float32, shape (visits,).
    """

    read: Batch
    rows: torch.Tensor
    labels: torch.Tensor
    offsets: torch.Tensor
    log_days: torch.Tensor

    def to(self, device: torch.device) -> "NextVisitBatch":
        """Copy on ``device``, or this one if it is there."""
        moved = ("read", "rows", "labels", "offsets", "log_days")
        return replace(self, **{name: getattr(self, name).to(device) for name in moved})


def collate_next_visit(data: Trajectories, rows: Integers) -> NextVisitBatch:
    """Pack the visits of ``rows``, each of two visits or more, with what follows each.

    Parameters
    ----------
    data
        Visits and labels of all rows; ``ahead`` is of no matter.
    rows
        The rows wanted.
    """
    ends = data.visits.visit_offsets[rows + 1] - 1
    order, visits, batch_sizes = pack_visits(data.visits, rows, ends)
    entries, offsets = gather_lists(data.labels.offsets, visits + 1)
    positions = code_positions(data.labels.ids[entries], data.labels.known)
    positions, offsets = drop_unknown(positions, offsets)
    return NextVisitBatch(
        read=collate(data.visits, rows, data.known, ends),
        rows=torch.from_numpy(order[_places(batch_sizes)]),
        labels=torch.from_numpy(positions),
        offsets=torch.from_numpy(offsets),
        log_days=torch.from_numpy(log_days(data.visits, visits + 1)),
    )


def log_days(visits: VisitLists, places: Integers) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Logarithm of the days from the visit before to each of ``places``, at least 1."""
    return np.log(np.maximum(visits.days[places], 1)).astype(np.float32)


def _places(batch_sizes: Integers) -> Integers:
    """Place of each packed visit's row among the sorted ones: 0, 1, … in every step."""
    first = np.cumsum(batch_sizes) - batch_sizes
    return np.arange(batch_sizes.sum()) - np.repeat(first, batch_sizes)
