"""A recurrent network over the embedded visits, scored from its last state.

With x_t the one-hot vector of visit t (a 1 for each of its codes):

    e_t = U x_t                        the sum of the codes' embeddings, or
    e_t = tanh(U x_t + b)              squashed, as Doctor AI's
    s_t = [e_t, log(days_t + 1)]       with the time from the visit to the index date (option)
    h_t = cell(s_t, h_(t-1)), h_0 = 0  plain, GRU or LSTM; in one or both directions; in layers
    score = sigmoid(w . h_T + b)       from the state after the last visit

(Choi et al., JAMIA 2017;24(2):361-370, Methods; Choi et al., MLHC 2016, eq. 1.) U x_t is an
embedding bag: the one-hot vector is never built. Read in both directions h_T is what each direction
knows at its end: -> h after the last visit, <- h after the first. A row without visits keeps
h_T = h_0. Dropout acts between layers and before the head.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from visitseq.models.batches import Batch
from visitseq.models.cells import GRU, LSTM, RNN

#: The recurrent cells by name.
CELLS: dict[str, type[RNN] | type[GRU] | type[LSTM]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def code_vectors(codes: int, size: int) -> nn.EmbeddingBag:
    """Make the vectors of ``codes`` known codes, summed over the codes of a visit.

    Where no code is known, one row stands that no visit asks for.
    """
    # Sparse gradients: a step touches the rows of the batch's codes alone (lazy_rows.py).
    vectors = nn.EmbeddingBag(
        max(codes, 1), size, mode="sum", include_last_offset=True, sparse=True
    )
    # U(-0.1, 0.1) as in the authors' code; torch's N(0, 1) saturates the state and learns far more
    # slowly.
    nn.init.uniform_(vectors.weight, -0.1, 0.1)
    return vectors


class VisitReader(nn.Module):
    """The embedded visits and the recurrence over them: what all networks here begin with.

    Parameters
    ----------
    codes
        Codes that the fold knows: the rows of the embedding.
    cell
        A name in ``CELLS``.
    embedding, hidden, layers
        Size of the embedded visit, size of the state, number of recurrent layers.
    bidirectional
        Whether a second network reads the visits from the last to the first.
    dropout
        Share of the states dropped between layers, in training.
    duration
        Whether ``batch.durations``, log(days + 1), stands beside the embedded visit.
    squash
        Whether the embedded visit is tanh(U x + b) instead of U x.
    cell_options
        Passed to the cell: ``precision``; of a plain network ``nonlinearity``, of a GRU
        ``reset_after``.
    """

    def __init__(
        self,
        *,
        codes: int,
        cell: str,
        embedding: int,
        hidden: int,
        layers: int,
        bidirectional: bool,
        dropout: float,
        duration: bool,
        squash: bool,
        **cell_options: Any,
    ) -> None:
        super().__init__()
        self.duration = duration
        self.embed = code_vectors(codes, embedding)
        self.squash = nn.Parameter(torch.zeros(embedding)) if squash else None
        self.recur = CELLS[cell](
            embedding + duration,
            hidden,
            layers,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
            **cell_options,
        )

    def packed_visits(self, batch: Batch) -> PackedSequence:
        """Inputs of the recurrence."""
        return PackedSequence(self.embed_visits(batch), batch.batch_sizes)

    def embed_visits(self, batch: Batch) -> torch.Tensor:
        """Input of the recurrence at each visit, shape (visits, embedding + duration)."""
        embedded: torch.Tensor = self.embed(batch.codes, batch.code_offsets)
        if self.squash is not None:
            embedded = torch.tanh(embedded + self.squash)
        if self.duration:
            embedded = torch.cat([embedded, batch.durations.unsqueeze(1)], dim=1)
        return embedded


class RecurrentClassifier(VisitReader):
    """Map a batch of visit sequences to one logit a row.

    Parameters
    ----------
    hidden, bidirectional
        Of ``VisitReader``; from the last state of each direction the score is computed.
    dropout
        Share of the states dropped between layers and before the head, in training.
    orthonormal
        Whether the weights begin orthonormal and the biases 0, as Doctor AI's (MLHC 2016, appendix
        A: Saxe et al., ICLR 2014), instead of U(-0.1, 0.1) for the embedding and torch.nn's
        U(-1, 1) / sqrt(hidden) for the cells.
    **options
        The others of ``VisitReader``.
    """

    def __init__(
        self,
        *,
        hidden: int,
        bidirectional: bool,
        dropout: float,
        orthonormal: bool,
        **options: Any,
    ) -> None:
        super().__init__(hidden=hidden, bidirectional=bidirectional, dropout=dropout, **options)
        self.width = hidden * (2 if bidirectional else 1)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(self.width, 1)
        if orthonormal:
            make_orthonormal(self.embed, self.recur)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logit of each row of ``batch``, shape (rows,)."""
        logits: torch.Tensor = self.head(self.drop(self.last_states(batch)))
        return logits.squeeze(-1)

    def last_states(self, batch: Batch) -> torch.Tensor:
        """State after the last visit of each row, 0 without visits, shape (rows, width)."""
        states = self.head.weight.new_zeros(len(batch.ranks), self.width)
        if len(batch.batch_sizes):
            _, last = self.recur(self.packed_visits(batch))
            last = last[0] if isinstance(last, tuple) else last  # an LSTM's h, without its c
            ends = torch.cat(list(last[-2:] if self.recur.bidirectional else last[-1:]), 1)
            states = torch.cat([ends, states[len(ends) :]])
        return states[batch.ranks]

    def visit_states(self, batch: Batch) -> torch.Tensor:
        """State after each visit, step by step, shape (visits, hidden).

        Raises
        ------
        ValueError
            The network reads in both directions: its state at a visit has seen the later ones,
            which are to be predicted.
        """
        if self.recur.bidirectional:
            raise ValueError(
                "a bidirectional network can't predict at every visit: its state there has read "
                "the visits that come after"
            )
        if not len(batch.batch_sizes):
            return self.head.weight.new_zeros(0, self.width)
        states: torch.Tensor = self.recur(self.packed_visits(batch))[0].data
        return states


def make_orthonormal(embed: nn.EmbeddingBag, recur: nn.RNNBase) -> None:
    """Begin with orthonormal weights, a block for each gate, and biases of 0."""
    nn.init.orthogonal_(embed.weight)
    for name, value in recur.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(value)
        else:
            for gate in value.detach().view(-1, recur.hidden_size, value.shape[1]):
                nn.init.orthogonal_(gate)


def reader_options(model: Mapping[str, Any]) -> dict[str, Any]:
    """Options of ``VisitReader``, but for the codes, in a model's section of the configuration."""
    same = ("cell", "embedding", "hidden", "layers", "bidirectional", "dropout", "duration")
    options = {name: model[name] for name in same}
    options |= {"squash": model["embed"] == "tanh", "precision": model["precision"]}
    if model["cell"] == "rnn":
        options["nonlinearity"] = model["nonlinearity"]
    if model["cell"] == "gru":
        options["reset_after"] = model["reset"] == "after"
    return options


def build_classifier(model: Mapping[str, Any], codes: int) -> RecurrentClassifier:
    """Network that a model's section of the configuration describes, for ``codes`` known codes."""
    orthonormal = model["initialisation"] == "orthonormal"
    return RecurrentClassifier(codes=codes, orthonormal=orthonormal, **reader_options(model))
