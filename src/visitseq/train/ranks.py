"""The processes that train one model together: one by default, more under torchrun.

Data-parallel training: every process (rank) has the whole network and takes its share of each
batch. The loss of a share is the sum over its rows divided by the rows of the *whole* batch, so
the gradients of all shares add up to the gradient of the batch, whatever the shares' sizes. Every
rank then takes the same step, and the weights stay the same everywhere.

    dense parameters    one sum over all ranks of all gradients, laid end to end
    embedding tables    the rows that any rank used (the largest of each row's marks), then one
                        sum over all ranks of the gradients of those rows

``torch.distributed`` carries it: gloo between CPUs, NCCL between GPUs. Where no process group was
begun there is one rank, and nothing is sent.
"""

from dataclasses import dataclass

import torch
from torch import distributed

from visitseq.encode.sequences import Integers


@dataclass(frozen=True)
class Ranks:
    """One process among those that train the model.

    Attributes
    ----------
    rank
        The number of the process, from 0; 0 writes and logs.
    world
        How many there are.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def here(cls) -> "Ranks":
        """The ranks of the process group, if one was begun."""
        if not distributed.is_available() or not distributed.is_initialized():
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this process writes and logs."""
        return self.rank == 0

    def share(self, rows: Integers) -> Integers:
        """Share of ``rows`` for this rank: every world-th, so that shares are alike in length."""
        return rows[self.rank :: self.world]

    def add(self, values: torch.Tensor) -> torch.Tensor:
        """Sum of ``values`` over the ranks, in place."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values

    def add_all(self, values: list[torch.Tensor]) -> None:
        """Sum of each of ``values`` over the ranks, in place, in one message."""
        if self.world > 1:
            flat = self.add(torch.cat([value.flatten() for value in values]))
            totals = torch.split(flat, [value.numel() for value in values])
            for value, total in zip(values, totals, strict=True):
                value.copy_(total.view_as(value))

    def any(self, marks: torch.Tensor) -> torch.Tensor:
        """Which of ``marks`` (bool) are set at any rank."""
        if self.world == 1:
            return marks
        counts = marks.to(torch.uint8)
        distributed.all_reduce(counts, op=distributed.ReduceOp.MAX)
        return counts.bool()

    def gather(self, value: torch.Tensor) -> torch.Tensor:
        """``value`` of every rank, shape (world, …)."""
        if self.world == 1:
            return value.unsqueeze(0)
        values = [torch.empty_like(value) for _ in range(self.world)]
        distributed.all_gather(values, value)
        return torch.stack(values)

    def wait(self) -> None:
        """Go on when every rank has come here."""
        if self.world > 1:
            distributed.barrier()
