"""What the last visits held, counted: the models of the next visit that have no recurrence.

With x_t the one-hot vector of visit t and c_t the sum of the last five (or fewer, at the start of a
row; Choi et al., Doctor AI, MLHC 2016, baselines):

    c_t = x_t + … + x_(t-4)

    logistic   o_t = W c_t + b,                     d_t = max(0, w . c_t + c)
    mlp        h_t = tanh(U c_t + a),               o_t and d_t from h_t (``next_visit``)

Products are linear, so that U x_t is looked up once for each visit and the last five are added:
neither c_t nor a one-hot vector is ever built. Where codes have pre-trained vectors E, c_t is the
sum of the vectors of the codes, E x_t in the place of x_t, as classical models see them in an onset
task; the vectors stay as they are, and a matrix of weights stands before them.

All weights are penalised, not those of the heads alone. Every code's weights then move at every
step, so that their gradient is dense.
"""

import torch
from torch import nn
from torch.nn import functional

from visitseq.models.batches import Batch


def sum_last(visits: torch.Tensor, batch_sizes: torch.Tensor, last: int) -> torch.Tensor:
    """Sum of each visit and of those before it in its row, ``last`` at most.

    Parameters
    ----------
    visits
        A vector a visit, step by step (``batches``), shape (visits, width).
    batch_sizes
        Rows that have a visit 0, a visit 1, …, shape (steps,).
    last
        How many visits are added up at most.
    """
    first = batch_sizes.cumsum(0) - batch_sizes
    total = visits
    for back in range(1, min(last, len(batch_sizes))):
        # A row's place in a step is its place in all steps before: the shift is the steps' own.
        shift = torch.repeat_interleave(first[back:] - first[:-back], batch_sizes[back:])
        start = int(first[back])
        earlier = visits[torch.arange(start, len(visits)) - shift]
        total = total + functional.pad(earlier, (0, 0, start, 0))
    return total


class LastVisitsReader(nn.Module):
    """Linear in the codes of the last visits, or the hyperbolic tangent of that.

    Parameters
    ----------
    codes
        Codes that the fold knows.
    width
        Size of what is given of each visit.
    last
        How many visits are added up.
    squash
        Whether it is tanh(U c + a) instead of U c.
    embedding
        Size of the codes' pre-trained vectors; None where there are none.
    """

    def __init__(
        self, *, codes: int, width: int, last: int, squash: bool, embedding: int | None
    ) -> None:
        super().__init__()
        self.last = last
        size = embedding or width
        self.embed = nn.EmbeddingBag(max(codes, 1), size, mode="sum", include_last_offset=True)
        self.mix = None if embedding is None else nn.Linear(embedding, width, bias=False)
        if self.mix is not None:
            self.embed.weight.requires_grad = False
        # A linear model begins at 0, where the labels' base rates are all that is said.
        nn.init.uniform_(self.weight, -0.1, 0.1) if squash else nn.init.zeros_(self.weight)
        self.squash = nn.Parameter(torch.zeros(width)) if squash else None

    @property
    def weight(self) -> torch.Tensor:
        """The weights that are trained, and penalised."""
        return self.embed.weight if self.mix is None else self.mix.weight

    def penalised(self) -> list[torch.Tensor]:
        """Weights under the penalty, besides the heads'."""
        return [self.weight]

    def forward(self, batch: Batch) -> torch.Tensor:
        """What is known after each visit, step by step, shape (visits, width)."""
        visits = self.embed(batch.codes, batch.code_offsets)
        found: torch.Tensor = sum_last(visits, batch.batch_sizes, self.last)
        if self.mix is not None:
            found = self.mix(found)
        return found if self.squash is None else torch.tanh(found + self.squash)
