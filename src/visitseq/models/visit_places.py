"""Where each visit of a packed batch belongs: to which row, and as which of its visits.

A batch is packed step by step (batches.py): step t holds visit t of the first ``batch_sizes[t]``
rows, so the visit of the row of rank r stands at offset(t) + r.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class VisitPlaces:
    """The row and the step of each visit, int64, on the device of the batch.

    Attributes
    ----------
    ranks
        Rank of the row that each visit belongs to, shape (visits,).
    steps
        Which of the row's visits it is, from 0, shape (visits,).
    lengths
        Visits of the row of each rank, without the rows that have none, shape (ranks,).
    offsets
        Place of the first visit of each step, shape (steps,).
    """

    ranks: torch.Tensor
    steps: torch.Tensor
    lengths: torch.Tensor
    offsets: torch.Tensor

    @classmethod
    def of_batch(cls, batch_sizes: torch.Tensor, device: torch.device) -> "VisitPlaces":
        """Places of the visits of a batch with these ``batch_sizes``."""
        sizes = batch_sizes.to(device)
        offsets = torch.cumsum(sizes, 0) - sizes
        steps = torch.repeat_interleave(torch.arange(len(sizes), device=device), sizes)
        ranks = torch.arange(len(steps), device=device) - offsets[steps]
        return cls(ranks, steps, torch.bincount(ranks), offsets)

    @property
    def from_last(self) -> torch.Tensor:
        """How many visits of its row come after each visit, shape (visits,)."""
        return self.lengths[self.ranks] - 1 - self.steps

    def mirrored(self) -> torch.Tensor:
        """Place of the visit that stands as far from the row's other end, shape (visits,).

        ``x[mirrored]`` has the visits of every row in reverse, in the same layout; done twice it
        gives x back.
        """
        return self.offsets[self.from_last] + self.ranks
