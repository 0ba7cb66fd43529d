"""The objective of a classifier: the log loss of each row, weighted by its class.

With ``class_weights: none`` every row counts once. With ``balanced`` a row counts n / (2 n_c),
where n_c of the n training rows are of its class: cases and controls then have the same say, their
weights sum to n, and what is learned is the probability at a prevalence of one half. The penalty is
l2 |w|^2 of the head's weights, as in Choi et al., JAMIA 2017.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from visitseq.encode.sequences import Integers
from visitseq.models.batches import collate
from visitseq.models.networks import Network
from visitseq.train.training_data import TrainingData


class Classification:
    """Log loss of a fold's rows under a classifier.

    Parameters
    ----------
    network
        The classifier, on the device where it is trained.
    data
        The fold's rows and codes.
    l2
        Strength of the penalty.
    class_weights
        none or balanced.
    """

    def __init__(
        self, network: Network, data: TrainingData, *, l2: float, class_weights: str
    ) -> None:
        self.network: nn.Module = network
        self.training: Integers = data.training
        self.validation: Integers = data.validation
        self.lengths: Integers = data.sequences.lengths
        self._data = data
        self._head = network.head
        self._l2 = l2
        self._weights = _weights(data.sequences.label[data.training], class_weights)

    def losses(self, rows: Integers) -> torch.Tensor:
        """Weighted log loss of each of ``rows``, float64, shape (rows,)."""
        device = self._head.weight.device
        labels = self._data.sequences.label[rows].astype(np.intp)
        batch = collate(self._data.sequences, rows, self._data.known).to(device)
        return functional.binary_cross_entropy_with_logits(
            self.network(batch).double(),
            torch.from_numpy(labels).to(device, torch.float64),
            torch.from_numpy(self._weights[labels]).to(device),
            reduction="none",
        )

    def penalty(self) -> torch.Tensor:
        """L2 penalty of the head's weights."""
        penalty: torch.Tensor = self._l2 * self._head.weight.square().sum()
        return penalty

    def start_at_base_rate(self) -> None:
        """Set the head's bias to the log odds of a case among the training rows, as weighted.

        No epochs are spent on finding it.
        """
        labels = self._data.sequences.label[self.training]
        cases, controls = labels.sum(), (~labels).sum()
        odds = cases * self._weights[1] / (controls * self._weights[0])
        nn.init.constant_(self._head.bias, math.log(odds))


def _weights(labels: npt.NDArray[np.bool_], class_weights: str) -> npt.NDArray[np.float64]:
    """Weight of a control and of a case."""
    if class_weights == "none":
        return np.ones(2)
    return len(labels) / (2 * np.bincount(labels, minlength=2))
