"""Networks that predict at every visit what the next one holds, and when it comes.

With h_t what a network knows after visit t of a row (Choi et al., Doctor AI, MLHC 2016):

    o_t = V h_t + b          one number a label: softmax or sigmoid, as the loss has it
    d_t = max(0, w . h_t + c)    logarithm of the days until visit t + 1

    loss of a row of n visits = mean over t = 1 … n - 1 of
        L(o_t, labels of visit t + 1) + tradeoff / 2 x (d_t - log days)^2

where L is of ``label_losses`` and the days are at least 1. The mean over the visits, and over the
rows of a batch, is the reduction of the authors' code: a patient counts once, however many visits
there are. h_t is the state of a recurrent network that reads forwards,

    e_t = tanh(U x_t + b) or U x_t,   h_t = cell([e_t, log(days since visit t - 1, + 1)], h_(t-1))

(``recurrent.VisitReader``). It has seen visits 1 … t and nothing else. Dropout acts between layers
and before both heads.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from visitseq.models.batches import Batch
from visitseq.models.chunked_losses import chunked_losses
from visitseq.models.next_visit_batches import NextVisitBatch
from visitseq.models.recurrent import VisitReader, make_orthonormal, reader_options


class StateReader(VisitReader):
    """Read visits forwards and give the state after each; options are those of ``VisitReader``."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """State after each visit, at least one, step by step, shape (visits, hidden)."""
        states: torch.Tensor = self.recur(self.packed_visits(batch))[0].data
        return states


class NextVisitNetwork(nn.Module):
    """What a reader knows after each visit, with a head for the labels and one for the days.

    Parameters
    ----------
    reader
        Maps a batch to what is known after each visit, shape (visits, width).
    width
        Size of that.
    labels
        Labels that the fold can predict.
    dropout
        Share of it dropped before the heads, in training.
    loss
        A name in ``label_losses.LOSSES``.
    tradeoff
        Weight of the time.
    """

    def __init__(
        self,
        reader: nn.Module,
        *,
        width: int,
        labels: int,
        dropout: float,
        loss: str,
        tradeoff: float,
    ) -> None:
        super().__init__()
        self.loss_name, self.tradeoff = loss, tradeoff
        self.reader = reader
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(width, max(labels, 1))
        self.time = nn.Linear(width, 1)
        nn.init.uniform_(self.time.weight, -0.1, 0.1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """What both heads see after each visit, step by step, shape (visits, width)."""
        states: torch.Tensor = self.drop(self.reader(batch))
        return states

    def numbers(self, states: torch.Tensor) -> torch.Tensor:
        """Numbers o of each label, shape (visits, labels)."""
        numbers: torch.Tensor = self.head(states)
        return numbers

    def log_days(self, states: torch.Tensor) -> torch.Tensor:
        """Logarithm of the days until the next visit, shape (visits,)."""
        days: torch.Tensor = torch.relu(self.time(states)).squeeze(1)
        return days

    def losses(self, batch: NextVisitBatch) -> torch.Tensor:
        """Mean loss of each row's predictions, shape (rows,)."""
        states = self(batch.read)
        head, labels = (self.head.weight, self.head.bias), (batch.labels, batch.offsets)
        of_labels = chunked_losses(states, *head, *labels, loss=self.loss_name)
        of_time = (self.log_days(states) - batch.log_days).square() / 2
        asked = torch.bincount(batch.rows, minlength=len(batch.read.ranks))
        losses = (of_labels + self.tradeoff * of_time) / asked[batch.rows]
        return losses.new_zeros(len(asked)).index_add(0, batch.rows, losses)


def build_next_visit(model: Mapping[str, Any], codes: int, labels: int) -> NextVisitNetwork:
    """Network that a model's section describes, for so many known codes and labels."""
    reader = StateReader(codes=codes, **reader_options(model))
    heads = {name: model[name] for name in ("dropout", "loss", "tradeoff")}
    network = NextVisitNetwork(reader, width=model["hidden"], labels=labels, **heads)
    if model["initialisation"] == "orthonormal":
        make_orthonormal(reader.embed, reader.recur)
        nn.init.orthogonal_(network.head.weight)
    return network
