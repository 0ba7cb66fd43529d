"""A transformer encoder over the embedded visits, scored from a token that stands before them.

With x_i the one-hot vector of visit i of T, in sizes m (embedding) and d (hidden):

    s_i = [U x_i, log(days_i + 1)]              with the time from the visit to the index date
    a_i = norm(P s_i + p) + place(T - i)        the visit, and how many visits come after it
    a_0 = start                                 learnt, the same for every row
    b_0, …, b_T = layers(a_0, …, a_T)           self-attention over all of them
    score = sigmoid(w . norm(b_0) + b)

place is the sinusoids of Vaswani et al., NIPS 2017, section 3.5, counted from the last visit: a
longer past does not move the recent visits. Time stands beside the visit as in recurrent.py, so
that ``duration: false`` takes the same away from every network. norm(P s + p) brings the visit
to the scale of its place; the sum of a few small vectors would drown in it.

The score is read from the start token, whose attention says which visits count. The mean over
visits would say that they all do alike, and the last visit alone cannot be had of a row without
visits: of that the start token is all there is. The layers are torch's TransformerEncoderLayer,
with the normalisation before attention and feed-forward (norm_first): it trains at a constant
learning rate, where the paper's order needs a warm-up (Xiong et al., ICML 2020). Each layer begins
with weights of its own, which torch.nn.TransformerEncoder does not give.

Attention compares all visits of a row with one another: memory grows with the square of the longest
row of a batch. Which visits are read is the caller's choice (train/visits_read.py).
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from visitseq.models.batches import Batch
from visitseq.models.recurrent import code_vectors
from visitseq.models.visit_places import VisitPlaces

#: The feed-forward layers are so many times as wide as the model, as in the paper.
WIDER = 4
#: The longest wavelength of the sinusoids is 2 pi times this many visits, as in the paper.
LONGEST_WAVE = 10_000.0


class Transformer(nn.Module):
    """Map a batch of visit sequences to one logit a row, see the module.

    Parameters
    ----------
    codes
        Codes that the fold knows: the rows of the embedding.
    embedding, hidden
        Size of the embedded visit, and of the model, which ``heads`` divides.
    heads, layers
        Attention heads of a layer, and layers.
    dropout
        Share dropped in training, where torch's layers drop, and before the head.
    duration
        Whether ``batch.durations``, log(days + 1), stands beside the embedded visit.
    """

    def __init__(
        self,
        *,
        codes: int,
        embedding: int,
        hidden: int,
        heads: int,
        layers: int,
        dropout: float,
        duration: bool,
    ) -> None:
        super().__init__()
        self.duration = duration
        self.embed = code_vectors(codes, embedding)
        self.project = nn.Sequential(nn.Linear(embedding + duration, hidden), nn.LayerNorm(hidden))
        self.start = nn.Parameter(torch.empty(hidden))
        nn.init.normal_(self.start)  # of the scale of a visit
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                hidden, heads, WIDER * hidden, dropout, batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logit of each row of ``batch``, shape (rows,)."""
        tokens, padding = self._tokens(batch)
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=padding)
        logits: torch.Tensor = self.head(self.drop(self.norm(tokens[:, 0])))
        return logits.squeeze(-1)[batch.ranks]

    def _tokens(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Start token and visits of each rank, and which of them are padding.

        Shapes (rows, 1 + steps, hidden) and (rows, 1 + steps).
        """
        shape = (len(batch.ranks), 1 + len(batch.batch_sizes))
        places = VisitPlaces.of_batch(batch.batch_sizes, self.start.device)
        at = (places.ranks, places.steps + 1)
        padding = torch.ones(shape, dtype=torch.bool, device=self.start.device)
        padding[:, 0] = False
        padding[at] = False
        tokens = self.start.new_zeros(*shape, len(self.start))
        tokens[:, 0] = self.start
        tokens[at] = self._visits(batch, places)
        return tokens, padding

    def _visits(self, batch: Batch, places: VisitPlaces) -> torch.Tensor:
        """Vectors a_i, shape (visits, hidden)."""
        embedded = self.embed(batch.codes, batch.code_offsets)
        if self.duration:
            embedded = torch.cat([embedded, batch.durations.unsqueeze(1)], dim=1)
        projected: torch.Tensor = self.project(embedded)
        return projected + sinusoids(places.from_last, len(self.start))


def sinusoids(places: torch.Tensor, size: int) -> torch.Tensor:
    """Sines and cosines of ``places`` (Vaswani et al., section 3.5), shape (places, size).

    Dimensions 2i and 2i + 1 are sin and cos of place / 10000^(2i / size).
    """
    even = torch.arange(0, size, 2, device=places.device)
    angles = places.unsqueeze(1) * torch.exp(even * (-math.log(LONGEST_WAVE) / size))
    return torch.stack([torch.sin(angles), torch.cos(angles)], dim=2).flatten(1)[:, :size]


def build_transformer(model: Mapping[str, Any], codes: int) -> Transformer:
    """Network that a model's section of the configuration describes, for ``codes`` known codes."""
    same = ("embedding", "hidden", "heads", "layers", "dropout", "duration")
    return Transformer(codes=codes, **{name: model[name] for name in same})
