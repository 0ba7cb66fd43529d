"""The objective of an encoder-decoder: the loss of the visits that it writes.

The loss of a row is the mean over its K written visits of their loss (``models.label_losses``),
with the true labels given to the decoder (teacher forcing); a visit without labels adds 0. The
penalty is l2 |V|^2 of the head's weights.

In training a row is cut anew at random each time: K visits in a row, anywhere after the first, are
written from those before them. What is predicted in use, the last K, is one of the cuts; a row of n
visits teaches n - K of them. Outside training it is the last K.

Before the first step the head's bias b is set to what the training visits say of each label without
regard to history,

    multinomial   b_j = log (n_j + 1)               (and paper)
    sigmoid       b_j = log (n_j + 1) / (n - n_j + 1)

with n visits that have labels, n_j of them the label j.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from visitseq.encode.sequences import Integers, code_positions, gather_lists
from visitseq.errors import UserError
from visitseq.models.encoder_decoder import EncoderDecoder
from visitseq.models.forecast_batches import Trajectories, collate_forecast


class Forecasting:
    """Loss of a fold's rows under an encoder-decoder.

    Parameters
    ----------
    network
        The encoder-decoder.
    data
        Visits and labels; each row that is used has more than ``data.ahead`` visits.
    training, validation
        Rows to learn from, and rows that choose the epoch (may be empty).
    l2
        Strength of the penalty.
    """

    def __init__(
        self,
        network: EncoderDecoder,
        data: Trajectories,
        training: Integers,
        validation: Integers,
        *,
        l2: float,
    ) -> None:
        self.network: nn.Module = network
        self.training, self.validation = training, validation
        self.lengths: Integers = data.visits.lengths
        self._network, self._data, self._l2 = network, data, l2

    def losses(self, rows: Integers) -> torch.Tensor:
        """Loss of each of ``rows``, shape (rows,)."""
        ends = self._data.visits.visit_offsets[rows + 1]
        if self._network.training:
            ends = random_ends(self._data, rows)
        return self._network.losses(collate_forecast(self._data, rows, ends))

    def penalty(self) -> torch.Tensor:
        """L2 penalty of the head's weights."""
        penalty: torch.Tensor = self._l2 * self._network.head.weight.square().sum()
        return penalty

    def start_at_base_rates(self) -> None:
        """Set the head's bias, so that no epochs are spent on finding it.

        Raises
        ------
        UserError
            No training visit has a label.
        """
        with torch.no_grad():
            loss = self._network.loss_name
            self._network.head.bias.copy_(base_rates(self._data, self.training, loss))


def base_rates(data: Trajectories, training: Integers, loss: str) -> torch.Tensor:
    """Bias of a head that says of each known label what the training rows' visits say.

    Raises
    ------
    UserError
        None of these visits has a label.
    """
    counts, visits = label_counts(data, training)
    if not visits:
        raise UserError(
            f"None of the {len(training)} training rows has a visit with a label to learn "
            "from. Name other labels or domains, lower min_count, or widen the cohort."
        )
    others = visits - counts + 1 if loss == "sigmoid" else 1
    return torch.from_numpy(np.log((counts + 1) / others))


def random_ends(data: Trajectories, rows: Integers) -> Integers:
    """For each row the visit after the last that is written, uniform among all that can be.

    It draws from torch's global generator, as dropout does.
    """
    starts, choices = data.visits.visit_offsets[rows], data.visits.lengths[rows] - data.ahead
    drawn = torch.rand(len(rows), dtype=torch.float64).numpy()  # below 1
    return starts + data.ahead + 1 + np.floor(drawn * choices).astype(np.int64)


def label_counts(data: Trajectories, rows: Integers) -> tuple[npt.NDArray[np.float64], int]:
    """In how many visits of ``rows`` each known label stands, and how many have any."""
    visits, _ = gather_lists(data.visits.visit_offsets, rows)
    entries, offsets = gather_lists(data.labels.offsets, visits)
    positions = code_positions(data.labels.ids[entries], data.labels.known)
    visit = np.repeat(np.arange(len(visits)), np.diff(offsets))[positions >= 0]
    counts = np.bincount(positions[positions >= 0], minlength=max(len(data.labels.known), 1))
    return counts.astype(np.float64), len(np.unique(visit))
