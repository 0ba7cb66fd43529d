"""Sequence to sequence: one network reads a row's visits, another writes those that follow.

With x_t the one-hot vector of visit t = 1 … T that is read, and y_s the labels of visit s = 1 … K
that is written (y_0: those of the last visit read):

    h_t = encoder([U x_t, log(days_t + 1)], h_(t-1)),  h_0 = 0
    d_0 = h_T                            of LSTMs also the cell's c_T
    d_s = decoder(E y_(s-1), d_(s-1))
    o_s = V d_s + b
    p_s = softmax(o_s) or sigmoid(o_s)   label_losses says which and with which loss

(Cho et al., EMNLP 2014:1724; Sutskever, Vinyals and Le, NIPS 2014:3104.) U x_t is the sum of the
codes' embeddings; E y is the mean of the labels' embeddings, 0 without labels. In training the
decoder is given the true y_(s-1) (teacher forcing). In use nobody knows it, and the decoder is
given the mean embedding that its own prediction expects,

    sum_j q_j E_j,   q = p_(s-1) / sum_j p_(s-1),j

so nothing is drawn at random and no number of labels has to be chosen.

An encoder of both directions has two last states, h_T forwards and h_1 backwards; a matrix M maps
the pair to the decoder's size, d_0 = M [h_T forwards, h_1 backwards] (of LSTMs another one maps the
cells). It adds no constant: whoever has no visit to read starts from 0 in either case.

With attention each step looks back at all that was read. The encoder's states k_t (h_t, or of both
directions M [h_t forwards, h_t backwards]) are weighed by how well they fit the decoder's,

    a_st = exp(d_s . k_t) / sum_(t' = 1 … T) exp(d_s . k_t')
    c_s = sum_t a_st k_t                 0 where nothing was read
    o_s = V tanh(C [c_s, d_s]) + b

the dot-product attention of Luong, Pham and Manning (EMNLP 2015:1412, equations 5, 7 and 8; the
idea is of Bahdanau, Cho and Bengio, ICLR 2015, whose score is a small network). The sum goes over
the row's own visits: padding has no weight. c_s is not fed back into the decoder, so in training
all steps of the decoder are one call.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from visitseq.models.batches import Batch
from visitseq.models.forecast_batches import ForecastBatch
from visitseq.models.label_losses import label_losses, label_shares
from visitseq.models.recurrent import CELLS, VisitReader

#: How the decoder may look back at what was read.
ATTENTIONS = ("none", "dot")

#: A recurrent state: h, of an LSTM h and c, shape (rows, hidden) each.
State = tuple[torch.Tensor, ...]


class Memory(NamedTuple):
    """What was read: k_t, shape (rows, visits, hidden), and whether a row has a visit t."""

    states: torch.Tensor
    present: torch.Tensor


class VisitEncoder(VisitReader):
    """Read a batch of visit sequences in one layer.

    Its weights are those of a ``RecurrentClassifier`` of the same sizes but for the head, so that
    one can start the other.

    Parameters
    ----------
    **sizes
        Of ``VisitReader``: codes, cell, embedding, hidden, bidirectional, duration.
    """

    def __init__(self, **sizes: Any) -> None:
        super().__init__(**sizes, layers=1, dropout=0.0, squash=False)

    def forward(self, batch: Batch) -> tuple[PackedSequence, State]:
        """States h_t of all visits, and the last ones of the rows that have a visit.

        Both in the order of the batch, longest row first, the two directions side by side. The
        batch has at least one visit.
        """
        states, last = self.recur(self.packed_visits(batch))
        # (directions, rows, hidden) -> (rows, directions x hidden)
        return states, tuple(side_by_side(part) for part in as_tuple(last))


class EncoderDecoder(nn.Module):
    """Map the visits that are read to one number a label for each visit that is written.

    A batch has at least one row.

    Parameters
    ----------
    codes, cell, embedding, hidden, bidirectional, duration
        Of the encoder; cell, embedding and hidden are the decoder's too.
    labels
        Labels that the fold can predict.
    dropout
        Share of what the output is computed from that is dropped in training.
    attention
        A name in ``ATTENTIONS``.
    loss
        multinomial or sigmoid, of ``label_losses``.
    """

    def __init__(
        self,
        *,
        codes: int,
        labels: int,
        cell: str,
        embedding: int,
        hidden: int,
        bidirectional: bool,
        duration: bool,
        dropout: float,
        attention: str,
        loss: str,
    ) -> None:
        super().__init__()
        self.hidden, self.loss_name, self.parts = hidden, loss, 2 if cell == "lstm" else 1
        self.encoder = VisitEncoder(
            codes=codes,
            cell=cell,
            embedding=embedding,
            hidden=hidden,
            bidirectional=bidirectional,
            duration=duration,
        )
        self.bridges = nn.ModuleList(
            nn.Linear(2 * hidden, hidden, bias=False) if bidirectional else nn.Identity()
            for _ in range(self.parts)
        )
        self.embed_labels = nn.EmbeddingBag(
            max(labels, 1), embedding, mode="mean", include_last_offset=True, sparse=True
        )
        nn.init.uniform_(self.embed_labels.weight, -0.1, 0.1)
        self.decoder = CELLS[cell](embedding, hidden)
        self.combine = None if attention == "none" else nn.Linear(2 * hidden, hidden, bias=False)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, max(labels, 1))

    def forward(self, batch: ForecastBatch) -> torch.Tensor:
        """Numbers o_s when the true labels are given, shape (ahead, rows, labels)."""
        memory, state = self.encode(batch.read)
        decoded, _ = self.decode(self.embed_labels(*batch.given), state)
        return self.write(decoded, memory)

    def forecast(self, batch: ForecastBatch) -> torch.Tensor:
        """Numbers o_s when nothing is given but what was read, shape (ahead, rows, labels).

        Of the batch's labels only those of the last visit read are looked at.
        """
        memory, state = self.encode(batch.read)
        given, steps = self.embed_labels(*batch.bags(0, 1)), []
        for _ in range(batch.ahead):
            decoded, state = self.decode(given, state)
            steps.append(self.write(decoded, memory))
            given = label_shares(steps[-1][0], self.loss_name) @ self.embed_labels.weight
        return torch.cat(steps)

    def losses(self, batch: ForecastBatch) -> torch.Tensor:
        """Mean loss of each row's written visits, with teacher forcing, shape (rows,)."""
        losses = label_losses(self(batch).flatten(0, 1), *batch.asked, self.loss_name)
        return losses.view(batch.ahead, batch.rows).mean(dim=0)

    def encode(self, batch: Batch) -> tuple[Memory | None, State]:
        """Memory of the visits read, and the decoder's initial state, in the rows' own order.

        Without attention there is no memory.
        """
        rows = len(batch.ranks)
        if not len(batch.batch_sizes):
            nothing = self.head.weight.new_zeros(rows, self.hidden)
            nowhere = nothing.new_zeros(rows, 1, dtype=torch.bool)
            memory = Memory(nothing.unsqueeze(1), nowhere) if self.combine is not None else None
            return memory, (nothing,) * self.parts
        packed, last = self.encoder(batch)
        state = tuple(
            fill_rows(bridge(part), rows)[batch.ranks]
            for bridge, part in zip(self.bridges, last, strict=True)
        )
        return self.remember(packed, batch) if self.combine is not None else None, state

    def remember(self, packed: PackedSequence, batch: Batch) -> Memory:
        """Memory of the encoder's states, at least one, in the rows' own order."""
        padded, lengths = pad_packed_sequence(packed, batch_first=True)
        rows = len(batch.ranks)
        keys, lengths = fill_rows(self.bridges[0](padded), rows), fill_rows(lengths, rows)
        present = torch.arange(keys.shape[1]) < lengths.unsqueeze(1)
        return Memory(keys[batch.ranks], present[batch.ranks])

    def decode(self, given: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Run the decoder over ``given``, shape (steps x rows, embedding), step by step.

        Returns
        -------
        decoded, state
            d_s, shape (steps, rows, hidden), and the state after the last step.
        """
        rows = len(state[0])
        sizes = torch.full((len(given) // rows,), rows)
        initial = tuple(part.unsqueeze(0) for part in state)
        packed, last = self.decoder(
            PackedSequence(given, sizes), initial if self.parts == 2 else initial[0]
        )
        decoded = packed.data.view(len(sizes), rows, self.hidden)
        return decoded, tuple(part.squeeze(0) for part in as_tuple(last))

    def write(self, decoded: torch.Tensor, memory: Memory | None) -> torch.Tensor:
        """Numbers o_s of the decoder's states, shape (steps, rows, labels)."""
        if self.combine is not None and memory is not None:
            context = attend(decoded, memory)
            decoded = torch.tanh(self.combine(torch.cat([context, decoded], dim=-1)))
        numbers: torch.Tensor = self.head(self.drop(decoded))
        return numbers


def attend(decoded: torch.Tensor, memory: Memory) -> torch.Tensor:
    """Context c_s of each step and row, as ``decoded``, shape (steps, rows, hidden)."""
    scores = torch.einsum("srh,rth->srt", decoded, memory.states)
    hidden = scores.masked_fill(~memory.present, torch.finfo(scores.dtype).min)
    # A row without visits would spread its weight over the padding.
    weights = hidden.softmax(dim=-1) * memory.present
    return torch.einsum("srt,rth->srh", weights, memory.states)


def as_tuple(state: torch.Tensor | State) -> State:
    """Last state as a cell returns it, as a tuple whatever the cell."""
    return state if isinstance(state, tuple) else (state,)


def side_by_side(states: torch.Tensor) -> torch.Tensor:
    """Turn (directions, rows, hidden) into (rows, directions x hidden)."""
    return states.transpose(0, 1).flatten(1)


def fill_rows(values: torch.Tensor, rows: int) -> torch.Tensor:
    """Append zeros for the rows that have no visit: they come last in a batch."""
    missing = rows - len(values)
    return torch.cat([values, values.new_zeros(missing, *values.shape[1:])])


def build_encoder_decoder(model: Mapping[str, Any], codes: int, labels: int) -> EncoderDecoder:
    """Network that a model's section of the configuration describes."""
    sizes = ("cell", "embedding", "hidden", "bidirectional", "duration")
    choices = ("dropout", "attention", "loss")
    kind = {name: model[name] for name in (*sizes, *choices)}
    return EncoderDecoder(codes=codes, labels=labels, **kind)


def classifier_section(model: Mapping[str, Any]) -> dict[str, Any]:
    """Section of the recurrent classifier that the encoder of a model of kind seq2seq starts."""
    return {
        **model,
        "kind": "recurrent",
        "visits": "in_order",
        "layers": 1,
        "embed": "sum",
        "initialisation": "uniform",
        "nonlinearity": "tanh",
        "reset": "after",
        "precision": "float32",
        "class_weights": "none",
    }
