"""In which order a recurrence takes the visits of a packed batch.

The rows of a batch are sorted by length, the longest first; step t takes the rows that have a
visit t, which are the first ``sizes[t]``. In every array of visits they stand from row
``offsets[t]`` on. The backward direction of a bidirectional network takes the same steps from the
last to the first: a row then begins at its own last visit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps of a batch, in one direction.

    Attributes
    ----------
    sizes, offsets
        Rows of each step, and the place of its first visit; int64, shape (steps,).
    down
        Whether the steps are taken from the last to the first.
    """

    sizes: torch.Tensor
    offsets: torch.Tensor
    down: bool

    @classmethod
    def of_batch(cls, batch_sizes: torch.Tensor, down: bool) -> "Steps":
        """Steps of a PackedSequence with these ``batch_sizes``."""
        sizes = batch_sizes.to(torch.int64).contiguous()
        return cls(sizes, torch.cumsum(sizes, 0) - sizes, down)

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.sizes)

    def __iter__(self) -> Iterator[slice]:
        """Give the visits of each step, in the order in which they are taken."""
        spans = zip(self.sizes.tolist(), self.offsets.tolist(), strict=True)
        visits = [slice(first, first + size) for size, first in spans]
        return reversed(visits) if self.down else iter(visits)

    def back(self) -> "Steps":
        """The same steps from their end, as back-propagation takes them."""
        return Steps(self.sizes, self.offsets, not self.down)
