"""RETAIN: a score that is a sum over the codes of the visits (Choi et al., NIPS 2016, section 2).

Two recurrent networks read the visits from the last to the first and say how much each visit
counts, and how much each dimension of it. With x_i the one-hot vector of visit i of T:

    v_i = W_emb x_i                                the sum of the codes' embeddings
    s_i = [v_i, log(days_i + 1)]                   with the time to the index date (option)
    g_T, …, g_1 = GRU_alpha(s_T, …, s_1)
    h_T, …, h_1 = GRU_beta(s_T, …, s_1)
    e_i = w_alpha . g_i + b_alpha
    alpha_1, …, alpha_T = softmax(e_1, …, e_T)     how much a visit counts
    beta_i = tanh(W_beta h_i + b_beta)             how much each of its dimensions does
    c = sum_i alpha_i beta_i * v_i                 the context
    score = sigmoid(w . c + b)

v_i is linear in the codes, so the logit is the sum over all occurrences of codes, plus b, of

    alpha_i  w . (beta_i * W_emb[:, k])            the contribution of code k of visit i (eq. 5, 6)

As in the authors' code time enters the attention alone: the context holds v_i, not s_i, so the
durations have no contribution of their own. A row without visits has c = 0. Dropout acts on v_i and
on c, as in the authors' code. The paper scores every visit of a sequence; for one score at the end
the two networks begin once, at the last visit.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from visitseq.models.batches import Batch
from visitseq.models.cells import GRU
from visitseq.models.recurrent import code_vectors
from visitseq.models.visit_places import VisitPlaces


class Retain(nn.Module):
    """Map a batch of visit sequences to one logit a row, see the module.

    Parameters
    ----------
    codes
        Codes that the fold knows: the rows of the embedding.
    embedding, hidden
        Size of the embedded visit, and of the states g and h.
    dropout
        Share of v_i and of c dropped in training.
    duration
        Whether ``batch.durations``, log(days + 1), stands beside the embedded visit.
    """

    def __init__(
        self, *, codes: int, embedding: int, hidden: int, dropout: float, duration: bool
    ) -> None:
        super().__init__()
        self.duration = duration
        self.embed = code_vectors(codes, embedding)
        self.drop = nn.Dropout(dropout)
        self.read_alpha = GRU(embedding + duration, hidden)
        self.read_beta = GRU(embedding + duration, hidden)
        self.alpha = nn.Linear(hidden, 1)
        self.beta = nn.Linear(hidden, embedding)
        self.head = nn.Linear(embedding, 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logit of each row of ``batch``, shape (rows,)."""
        context = self.head.weight.new_zeros(len(batch.ranks), self.embed.embedding_dim)
        if len(batch.batch_sizes):
            visits = self.drop(self.embed(batch.codes, batch.code_offsets))
            places = VisitPlaces.of_batch(batch.batch_sizes, visits.device)
            alpha, beta = self._attend(visits, batch, places)
            context = context.index_add(0, places.ranks, alpha.unsqueeze(1) * beta * visits)
        logits: torch.Tensor = self.head(self.drop(context))
        return logits.squeeze(-1)[batch.ranks]

    def attention(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Alpha and beta of each visit of ``batch``, shapes (visits,) and (visits, embedding)."""
        if not len(batch.batch_sizes):
            nothing = self.head.weight.new_zeros(0, self.embed.embedding_dim)
            return nothing.sum(1), nothing
        visits = self.drop(self.embed(batch.codes, batch.code_offsets))
        return self._attend(visits, batch, VisitPlaces.of_batch(batch.batch_sizes, visits.device))

    def contributions(self, batch: Batch) -> torch.Tensor:
        """What each occurrence of a code adds to its row's logit, in the order of batch.codes.

        A row's logit is the sum over its codes, plus the head's bias; in evaluation mode, since
        dropout is not divided among the codes. Shape (codes,).
        """
        alpha, beta = self.attention(batch)
        weights = alpha.unsqueeze(1) * beta * self.head.weight
        visit = torch.repeat_interleave(
            torch.arange(len(weights), device=weights.device), batch.code_offsets.diff()
        )
        return (weights[visit] * self.embed.weight[batch.codes]).sum(1)

    def _attend(
        self, visits: torch.Tensor, batch: Batch, places: VisitPlaces
    ) -> tuple[torch.Tensor, torch.Tensor]:
        read = visits
        if self.duration:
            read = torch.cat([visits, batch.durations.unsqueeze(1)], dim=1)
        mirrored = places.mirrored()
        backwards = PackedSequence(read[mirrored], batch.batch_sizes)
        g, h = (net(backwards)[0].data[mirrored] for net in (self.read_alpha, self.read_beta))
        return softmax_over_rows(self.alpha(g).squeeze(1), places), torch.tanh(self.beta(h))


def softmax_over_rows(numbers: torch.Tensor, places: VisitPlaces) -> torch.Tensor:
    """Softmax of ``numbers``, one a visit, over the visits of each row, shape (visits,)."""
    rows = len(places.lengths)
    largest = numbers.new_empty(rows).scatter_reduce(
        0, places.ranks, numbers.detach(), "amax", include_self=False
    )
    # The largest of a row is taken from all of them, which changes nothing but overflow.
    powers = torch.exp(numbers - largest[places.ranks])
    return powers / numbers.new_zeros(rows).index_add(0, places.ranks, powers)[places.ranks]


def build_retain(model: Mapping[str, Any], codes: int) -> Retain:
    """Network that a model's section of the configuration describes, for ``codes`` known codes."""
    same = ("embedding", "hidden", "dropout", "duration")
    return Retain(codes=codes, **{name: model[name] for name in same})
