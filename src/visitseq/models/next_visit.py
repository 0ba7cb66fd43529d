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

(``recurrent.VisitReader``), or what the last visits held (``last_visits.py``). It has seen visits
1 … t and nothing else. Dropout acts between layers of a recurrent network and before both heads.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from visitseq.models.batches import Batch
from visitseq.models.chunked_losses import chunked_losses, chunks
from visitseq.models.label_losses import label_losses
from visitseq.models.last_visits import LastVisitsReader
from visitseq.models.next_visit_batches import NextVisitBatch
from visitseq.models.recurrent import VisitReader, make_orthonormal, reader_options


class StateReader(VisitReader):
    """Read visits forwards and give the state after each; options are those of ``VisitReader``."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """State after each visit, at least one, step by step, shape (visits, hidden)."""
        states: torch.Tensor = self.recur(self.packed_visits(batch))[0].data
        return states

    def penalised(self) -> list[torch.Tensor]:
        """Weights under the penalty, besides the heads': none."""
        return []


class _Shift(nn.Module):
    """A head without weights: it adds a bias to the numbers that it is given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        shifted: torch.Tensor = numbers + self.bias
        return shifted


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
        reader: StateReader | LastVisitsReader,
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

    def label_losses(self, states: torch.Tensor, batch: NextVisitBatch) -> torch.Tensor:
        """Loss of the labels at each visit, shape (visits,)."""
        head, labels = (self.head.weight, self.head.bias), (batch.labels, batch.offsets)
        return chunked_losses(states, *head, *labels, loss=self.loss_name)

    def penalised(self) -> list[torch.Tensor]:
        """Weights under the penalty."""
        return [self.head.weight, self.time.weight, *self.reader.penalised()]

    def losses(self, batch: NextVisitBatch) -> torch.Tensor:
        """Mean loss of each row's predictions, shape (rows,)."""
        states = self(batch.read)
        of_labels = self.label_losses(states, batch)
        of_time = (self.log_days(states) - batch.log_days).square() / 2
        asked = torch.bincount(batch.rows, minlength=len(batch.read.ranks))
        losses = (of_labels + self.tradeoff * of_time) / asked[batch.rows]
        return losses.new_zeros(len(asked)).index_add(0, batch.rows, losses)


class LogisticNextVisit(NextVisitNetwork):
    """Labels and days linear in what was read: the weights are the reader's.

    Its last column is of the days, all before it are of the labels. So the numbers of a batch's
    visits are held together, which they are not elsewhere.

    Parameters
    ----------
    reader
        Maps a batch to numbers of each visit, shape (visits, labels + 1).
    labels, loss, tradeoff
        Of ``NextVisitNetwork``.
    """

    def __init__(
        self, reader: LastVisitsReader, *, labels: int, loss: str, tradeoff: float
    ) -> None:
        super().__init__(reader, width=1, labels=labels, dropout=0, loss=loss, tradeoff=tradeoff)
        # Called, and asked for their bias: what the base class does with weights is done here.
        self.head: _Shift = _Shift(max(labels, 1))  # type: ignore[assignment]
        self.time: _Shift = _Shift(1)  # type: ignore[assignment]

    def numbers(self, states: torch.Tensor) -> torch.Tensor:
        """Numbers o of each label, shape (visits, labels)."""
        return super().numbers(states[:, :-1])

    def log_days(self, states: torch.Tensor) -> torch.Tensor:
        """Logarithm of the days until the next visit, shape (visits,)."""
        return super().log_days(states[:, -1:])

    def label_losses(self, states: torch.Tensor, batch: NextVisitBatch) -> torch.Tensor:
        """Loss of the labels at each visit, shape (visits,)."""
        cut = list(chunks(batch.labels, batch.offsets, len(self.head.bias)))
        # Split once: each slice would have a gradient of the size of all states.
        pieces = torch.split(states, [len(ends) - 1 for _, _, ends in cut])
        losses = [
            label_losses(self.numbers(piece), held, ends, self.loss_name)
            for piece, (_, held, ends) in zip(pieces, cut, strict=True)
        ]
        return torch.cat(losses)

    def penalised(self) -> list[torch.Tensor]:
        """Weights under the penalty."""
        return self.reader.penalised()


def network_section(model: Mapping[str, Any]) -> dict[str, Any]:
    """Section of a model as one that is trained in epochs.

    A classical model has what it needs for that in ``next_visit``, and no seed.
    """
    return {"seed": 0, **model, **model.get("next_visit", {})}


def build_next_visit(model: Mapping[str, Any], codes: int, labels: int) -> NextVisitNetwork:
    """Network that a model's section describes, for so many known codes and labels.

    Parameters
    ----------
    model
        Section of ``network_section``, with the size of the vectors (``with_vectors``).
    codes, labels
        How many the fold knows.
    """
    if model["kind"] != "recurrent":
        return _build_of_counts(model, codes, labels)
    reader = StateReader(codes=codes, **reader_options(model))
    heads = {name: model[name] for name in ("dropout", "loss", "tradeoff")}
    network = NextVisitNetwork(reader, width=model["hidden"], labels=labels, **heads)
    if model["initialisation"] == "orthonormal":
        make_orthonormal(reader.embed, reader.recur)
        nn.init.orthogonal_(network.head.weight)
    return network


def _build_of_counts(model: Mapping[str, Any], codes: int, labels: int) -> NextVisitNetwork:
    """Logistic regression or perceptron on the counts of the last visits."""
    linear = model["kind"] == "logistic"
    width = max(labels, 1) + 1 if linear else model["hidden"]
    reader = LastVisitsReader(
        codes=codes,
        width=width,
        last=model["last_visits"],
        squash=not linear,
        embedding=model.get("embedding"),
    )
    heads = {name: model[name] for name in ("loss", "tradeoff")}
    if linear:
        return LogisticNextVisit(reader, labels=labels, **heads)
    return NextVisitNetwork(reader, width=width, labels=labels, dropout=0.0, **heads)
