"""A recurrent network over the embedded visits, scored from its last state.

With x_t the one-hot vector of visit t (a 1 for each of its codes):

    e_t = U x_t                        the sum of the codes' embeddings
    s_t = [e_t, log(days_t + 1)]       with the time from the visit to the index date (option)
    h_t = cell(s_t, h_(t-1)), h_0 = 0
    score = sigmoid(w . h_T + b)       from the state after the last visit

(Choi et al., JAMIA 2017;24(2):361-370, Methods). U x_t is an embedding bag: the one-hot vector is
never built. A row without visits keeps h_T = h_0. Dropout acts between layers and before the head.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from visitseq.models.batches import Batch

#: The recurrent cells by name. Each takes (input, hidden, layers, dropout=) and maps a packed
#: sequence to the outputs and the last states, as torch.nn's do.
CELLS: dict[str, type[nn.GRU]] = {"gru": nn.GRU}


class RecurrentClassifier(nn.Module):
    """Map a batch of visit sequences to one logit a row.

    Parameters
    ----------
    codes
        Codes that the fold knows: the rows of the embedding. Where it knows none, one row stands
        that no visit asks for.
    cell
        A name in ``CELLS``.
    embedding, hidden, layers
        Size of the embedded visit, size of the state, number of recurrent layers.
    dropout
        Share of the states dropped between layers and before the head, in training.
    duration
        Whether log(days to the index date + 1) stands beside the embedded visit.
    """

    def __init__(
        self,
        *,
        codes: int,
        cell: str,
        embedding: int,
        hidden: int,
        layers: int,
        dropout: float,
        duration: bool,
    ) -> None:
        super().__init__()
        self.duration = duration
        self.hidden = hidden
        # Sparse gradients: a step touches the rows of the batch's codes alone (lazy_rows.py).
        self.embed = nn.EmbeddingBag(
            max(codes, 1), embedding, mode="sum", include_last_offset=True, sparse=True
        )
        # U(-0.1, 0.1) as in the authors' code; torch's N(0, 1) saturates the state and learns
        # far more slowly.
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)
        self.recur = CELLS[cell](
            embedding + duration, hidden, layers, dropout=dropout if layers > 1 else 0.0
        )
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logit of each row of ``batch``, shape (rows,)."""
        logits: torch.Tensor = self.head(self.drop(self.last_states(batch)))
        return logits.squeeze(-1)

    def last_states(self, batch: Batch) -> torch.Tensor:
        """State after the last visit of each row, 0 without visits, shape (rows, hidden)."""
        states = self.head.weight.new_zeros(len(batch.ranks), self.hidden)
        if len(batch.batch_sizes):
            visits = PackedSequence(self.embed_visits(batch), batch.batch_sizes)
            _, last = self.recur(visits)  # (layers, rows with visits, hidden)
            states = torch.cat([last[-1], states[last.shape[1] :]])
        return states[batch.ranks]

    def embed_visits(self, batch: Batch) -> torch.Tensor:
        """Input of the recurrence at each visit, shape (visits, embedding + duration)."""
        embedded: torch.Tensor = self.embed(batch.codes, batch.code_offsets)
        if self.duration:
            embedded = torch.cat([embedded, batch.durations.unsqueeze(1)], dim=1)
        return embedded


def build_classifier(model: Mapping[str, Any], codes: int) -> RecurrentClassifier:
    """Network that a model's section of the configuration describes, for ``codes`` known codes."""
    sizes = ("cell", "embedding", "hidden", "layers", "dropout", "duration")
    return RecurrentClassifier(codes=codes, **{name: model[name] for name in sizes})
