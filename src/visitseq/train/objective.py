"""What the training loop asks of a network and its task, and no more."""

from typing import Protocol

import torch
from torch import nn

from visitseq.encode.sequences import Integers


class Objective(Protocol):
    """A network with the rows that it learns from and the loss of each.

    Attributes
    ----------
    network
        What is trained. An embedding with ``sparse=True`` is updated row by row.
    training, validation
        Rows to learn from, and rows that choose the epoch (may be empty).
    lengths
        Steps of every row, by row number; batches hold rows of similar length.
    """

    network: nn.Module
    training: Integers
    validation: Integers
    lengths: Integers

    def losses(self, rows: Integers) -> torch.Tensor:
        """Loss of each of ``rows``, at least one, shape (rows,), on the network's device.

        The network is in training mode in the steps and in evaluation mode otherwise. Weights of
        rows are in it. A row's loss must not depend on the other rows of the batch.
        """

    def penalty(self) -> torch.Tensor:
        """What is added to the mean loss of a batch for the weights themselves; a scalar."""
