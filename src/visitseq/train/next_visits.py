"""The objective of a network that predicts the next visit at every visit.

The loss of a row is the mean over its predictions (``models.next_visit``). The penalty is
l2 (|V|^2 + |w|^2) of the weights of both heads, as in Choi et al., MLHC 2016; of a model on counts
it is of all weights, as there.

Before the first step the label head's bias is what the training visits say of each label without
regard to history (``forecasting.base_rates``), and the time head's the mean logarithm of the days
between them: it then starts where its rectifier lets gradients through.
"""

import numpy as np
import torch
from torch import nn

from visitseq.encode.sequences import Integers, gather_lists
from visitseq.models.forecast_batches import Trajectories
from visitseq.models.next_visit import NextVisitNetwork
from visitseq.models.next_visit_batches import collate_next_visit, log_days
from visitseq.train.forecasting import base_rates


class NextVisits:
    """Loss of a fold's rows, each of two visits or more, under such a network.

    Parameters
    ----------
    network
        The network, on the device where it is trained.
    data
        Visits and labels of all rows.
    training, validation
        Rows to learn from, and rows that choose the epoch (may be empty).
    l2
        Strength of the penalty.
    """

    def __init__(
        self,
        network: NextVisitNetwork,
        data: Trajectories,
        training: Integers,
        validation: Integers,
        *,
        l2: float,
    ) -> None:
        self.network: nn.Module = network
        self.training, self.validation = training, validation
        self.lengths: Integers = data.visits.lengths
        self._network, self.data, self._l2 = network, data, l2

    def losses(self, rows: Integers) -> torch.Tensor:
        """Loss of each of ``rows``, shape (rows,)."""
        device = self._network.head.bias.device
        return self._network.losses(collate_next_visit(self.data, rows).to(device))

    def penalty(self) -> torch.Tensor:
        """L2 penalty of the network's penalised weights."""
        squares = [weight.square().sum() for weight in self._network.penalised()]
        return self._l2 * torch.stack(squares).sum()

    def start_at_base_rates(self) -> None:
        """Set the heads' biases, so that no epochs are spent on finding them.

        Raises
        ------
        UserError
            No training visit has a label.
        """
        with torch.no_grad():
            rates = base_rates(self.data, self.training, self._network.loss_name)
            self._network.head.bias.copy_(rates)
            self._network.time.bias.fill_(self._mean_log_days())

    def _mean_log_days(self) -> float:
        """Mean over all predictions of the training rows."""
        visits = self.data.visits
        places, offsets = gather_lists(visits.visit_offsets, self.training)
        asked = np.delete(places, offsets[:-1])
        return float(log_days(visits, asked).mean(dtype=np.float64))
