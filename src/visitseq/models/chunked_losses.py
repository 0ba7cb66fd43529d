"""The loss of many visits' labels without the numbers of all of them at once.

The numbers o = V h + b of all visits are a (visits x labels) matrix: for a million visits and 1,778
labels 7 GB. A visit's loss needs its own row alone, so the visits are taken in chunks: of a chunk
the numbers are computed, the losses taken and the numbers forgotten. On the way back they are
computed once more, turned into their gradients in place (``label_losses.label_slopes``), and with
these

    grad h = slopes V,   grad V = slopes' h,   grad b = sum of slopes

are added up chunk by chunk. That is one product in four for memory that does not grow with the
visits. Products are those of the recurrence (``recurrence.engine_for``): a visit's numbers do not
depend on the others of its chunk.

Measured, 1.1 million visits with 200 units and 1,778 labels, forward and back, one thread of an AMD
EPYC (Zen 5), seconds of the processor: 22 (multinomial) and 26 (paper); by
``torch.utils.checkpoint`` and torch's products 44 (multinomial).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from visitseq.models.label_losses import label_losses, label_slopes
from visitseq.models.recurrence import engine_for

#: Numbers held at once: 4 MiB in float32, which a processor's cache can hold.
CELLS = 2**20


def chunked_losses(
    states: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, offsets: Tensor, *, loss: str
) -> Tensor:
    """Loss of each visit, shape (visits,), as ``label_losses`` of states @ weight.T + bias.

    Parameters
    ----------
    states
        What each visit is predicted from, shape (visits, hidden).
    weight, bias
        Of the head: V of shape (labels, hidden), and b.
    labels, offsets, loss
        Of ``label_losses``.
    """
    apply: Callable[..., Tensor] = _ChunkedLosses.apply
    return apply(states, weight, bias, labels, offsets, loss)


class _ChunkedLosses(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917  (apply takes no names)
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, offsets: Tensor,
        loss: str,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(states, weight, bias, labels, offsets)
        ctx.loss = loss
        product = engine_for(states, weight, bias).product
        losses = states.new_empty(len(states))
        for chunk, held, ends in chunks(labels, offsets, len(weight)):
            numbers = product(states[chunk], weight, bias, half=False)
            losses[chunk] = label_losses(numbers, held, ends, loss)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, bias, labels, offsets = ctx.saved_tensors
        engine = engine_for(states, weight, bias)
        nothing = weight.new_zeros(weight.shape[1])
        of_states = torch.empty_like(states)
        of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        for chunk, held, ends in chunks(labels, offsets, len(weight)):
            numbers = engine.product(states[chunk], weight, bias, half=False)
            slopes = label_slopes(numbers, held, ends, ctx.loss).mul_(gradient[chunk].unsqueeze(1))
            of_states[chunk] = engine.product(slopes, weight.t(), nothing, half=False)
            of_weight += engine.transposed_product(slopes, states[chunk], half=False)
            of_bias += slopes.sum(dim=0)
        return of_states, of_weight, of_bias, None, None, None


def chunks(labels: Tensor, offsets: Tensor, width: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Cut the visits into chunks, each with its labels and their offsets."""
    size = max(1, CELLS // width)
    for first in range(0, len(offsets) - 1, size):
        ends = offsets[first : first + size + 1]
        yield slice(first, first + size), labels[ends[0] : ends[-1]], ends - ends[0]
