"""One layer in one direction, with its back-propagation through time written out.

For all visits of a packed batch at once, before the recurrence:

    gates = U x + b                          one product over all visits

then the recurrence step by step (``compiled``, or ``stepwise`` where that cannot run), which keeps
the gates and h_(t-1). Back, the recurrence turns the gates into the gradients of the sums inside
them, and what is left are again products over all visits at once:

    grad x = gates U,   grad U = gates' x,   grad b = sum of gates,   grad W = gates' h_(t-1)

(of the GRU's new information h_(t-1) is what the reset gate lets through, and with the reset after
the product the gradient has passed it). That is where the time goes, and a product over thousands
of rows runs at the speed of the machine. The gradients take the place of the gates, so that a
second backward pass through the same step is refused. Equations: ``visitseq.models.reference``.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from visitseq.models import compiled, stepwise
from visitseq.models.steps import Steps

#: U (gates * hidden, inputs), W (gates * hidden, hidden), and the biases beside them.
Weights = tuple[Tensor, Tensor, Tensor, Tensor]
#: Of one cell h alone, of an LSTM h and c.
States = tuple[Tensor, ...]


class _Recurrence(torch.autograd.Function):
    """What the cells share: the buffers of a forward pass serve one backward pass."""

    @staticmethod
    def keep(ctx: Any, watched: tuple[Tensor, ...], *buffers: Tensor) -> None:
        """Keep what the way back needs.

        Inputs and outputs go by way of torch, which notices if somebody writes to them meanwhile
        and lets go of them where nobody goes back.
        """
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*watched)
        ctx.buffers = buffers

    @staticmethod
    def taken(ctx: Any) -> tuple[Tensor, ...]:
        watched, buffers = ctx.saved_tensors, ctx.buffers
        if buffers is None:
            raise RuntimeError(
                "back-propagation through time runs once for each forward pass; run that again "
                "instead of keeping the graph (retain_graph)"
            )
        ctx.buffers = None
        return (*watched, *buffers)

    @staticmethod
    def inputs(ctx: Any, gates: Tensor, x: Tensor, u: Tensor) -> tuple[Tensor | None, Tensor]:
        """Gradients of x (None if nobody asks) and of U."""
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = ctx.engine.product(gates, u.t(), u.new_zeros(u.shape[1]), ctx.half)
        return grad_x, ctx.engine.transposed_product(gates, x, ctx.half)


class _RNN(_Recurrence):
    @staticmethod
    def forward(  # noqa: PLR0917  (apply takes no names)
        ctx: Any, x: Tensor, u: Tensor, w: Tensor, b_u: Tensor, b_w: Tensor, h_0: Tensor,
        engine: ModuleType, steps: Steps, relu: bool, half: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        ctx.engine, ctx.steps, ctx.relu, ctx.half = engine, steps, relu, half
        state = h_0.clone(memory_format=torch.contiguous_format)
        h = ctx.engine.product(x, u, b_u + b_w, half)
        previous = ctx.engine.rnn_forward(h, w, state, steps=steps, relu=relu, half=half)
        _Recurrence.keep(ctx, (x, u, w, h_0, h), previous)
        return h, state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_h: Tensor | None, grad_last: Tensor | None) -> Any:
        x, u, w, h_0, h, previous = _Recurrence.taken(ctx)
        gates, carry = _copy(grad_h, h), _copy(grad_last, h_0)
        ctx.engine.rnn_backward(h, gates, w, carry, steps=ctx.steps, relu=ctx.relu, half=ctx.half)
        grad_x, grad_u = _Recurrence.inputs(ctx, gates, x, u)
        grad_w = ctx.engine.transposed_product(gates, previous, ctx.half)
        bias = gates.sum(0)
        return grad_x, grad_u, grad_w, bias, bias, carry, None, None, None, None


class _GRU(_Recurrence):
    """Reset after the product."""

    @staticmethod
    def forward(  # noqa: PLR0917  (apply takes no names)
        ctx: Any, x: Tensor, u: Tensor, w: Tensor, b_u: Tensor, b_w: Tensor, h_0: Tensor,
        engine: ModuleType, steps: Steps, half: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        ctx.engine, ctx.steps, ctx.half = engine, steps, half
        state = h_0.clone(memory_format=torch.contiguous_format)
        of_gates, c_n = b_w.tensor_split((2 * state.shape[1],))
        bias = b_u + torch.cat([of_gates, torch.zeros_like(c_n)])
        gates = ctx.engine.product(x, u, bias, half)
        h, previous, seen = ctx.engine.gru_forward(gates, w, c_n, state, steps=steps, half=half)
        _Recurrence.keep(ctx, (x, u, w, h_0), gates, previous, seen)
        return h, state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_h: Tensor | None, grad_last: Tensor | None) -> Any:
        x, u, w, h_0, gates, previous, seen = _Recurrence.taken(ctx)
        carry, asked = _copy(grad_last, h_0), _given(grad_h, previous)
        ctx.engine.gru_backward(
            asked, gates, previous, seen, w, carry=carry, steps=ctx.steps, half=ctx.half
        )
        grad_x, grad_u = _Recurrence.inputs(ctx, gates, x, u)
        of_gates = gates[:, : 2 * h_0.shape[1]]
        grad_w = [ctx.engine.transposed_product(a, previous, ctx.half) for a in (of_gates, seen)]
        bias = gates.sum(0)
        bias_w = torch.cat([bias[: of_gates.shape[1]], seen.sum(0)])
        return grad_x, grad_u, torch.cat(grad_w), bias, bias_w, carry, None, None, None


class _GRUBefore(_Recurrence):
    """Reset before the product."""

    @staticmethod
    def forward(  # noqa: PLR0917  (apply takes no names)
        ctx: Any, x: Tensor, u: Tensor, w: Tensor, b_u: Tensor, b_w: Tensor, h_0: Tensor,
        engine: ModuleType, steps: Steps, half: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        ctx.engine, ctx.steps, ctx.half = engine, steps, half
        state = h_0.clone(memory_format=torch.contiguous_format)
        gates = ctx.engine.product(x, u, b_u + b_w, half)
        h, previous, reset = ctx.engine.gru_before_forward(gates, w, state, steps=steps, half=half)
        _Recurrence.keep(ctx, (x, u, w, h_0), gates, previous, reset)
        return h, state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_h: Tensor | None, grad_last: Tensor | None) -> Any:
        x, u, w, h_0, gates, previous, reset = _Recurrence.taken(ctx)
        carry, asked = _copy(grad_last, h_0), _given(grad_h, previous)
        ctx.engine.gru_before_backward(
            asked, gates, previous, w, carry=carry, steps=ctx.steps, half=ctx.half
        )
        grad_x, grad_u = _Recurrence.inputs(ctx, gates, x, u)
        of_gates, of_new = gates.tensor_split((2 * h_0.shape[1],), 1)
        grad_w = [
            ctx.engine.transposed_product(of_gates, previous, ctx.half),
            ctx.engine.transposed_product(of_new, reset, ctx.half),
        ]
        bias = gates.sum(0)
        return grad_x, grad_u, torch.cat(grad_w), bias, bias, carry, None, None, None


class _LSTM(_Recurrence):
    @staticmethod
    def forward(  # noqa: PLR0917  (apply takes no names)
        ctx: Any, x: Tensor, u: Tensor, w: Tensor, b_u: Tensor, b_w: Tensor, h_0: Tensor,
        c_0: Tensor, engine: ModuleType, steps: Steps, half: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        ctx.engine, ctx.steps, ctx.half = engine, steps, half
        state, cell_state = (s.clone(memory_format=torch.contiguous_format) for s in (h_0, c_0))
        gates = ctx.engine.product(x, u, b_u + b_w, half)
        h, *kept = ctx.engine.lstm_forward(gates, w, state, cell_state, steps=steps, half=half)
        _Recurrence.keep(ctx, (x, u, w, h_0), gates, *kept)
        return h, state, cell_state

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_h: Tensor | None, grad_last: Tensor | None, grad_last_c: Tensor | None
    ) -> Any:
        x, u, w, h_0, gates, previous, cells, bent = _Recurrence.taken(ctx)
        carry, cell_carry = _copy(grad_last, h_0), _copy(grad_last_c, h_0)
        asked = _given(grad_h, previous)
        carries = {"carry": carry, "cell_carry": cell_carry}
        ctx.engine.lstm_backward(
            asked, gates, cells, bent, w, **carries, steps=ctx.steps, half=ctx.half
        )
        grad_x, grad_u = _Recurrence.inputs(ctx, gates, x, u)
        grad_w = ctx.engine.transposed_product(gates, previous, ctx.half)
        bias = gates.sum(0)
        return grad_x, grad_u, grad_w, bias, bias, carry, cell_carry, None, None, None


def rnn(
    x: Tensor, weights: Weights, start: States, steps: Steps, *, relu: bool, half: bool
) -> States:
    """Run the plain network over all visits.

    Parameters
    ----------
    x
        Inputs, shape (visits, inputs).
    weights
        U, W and their biases.
    start
        h_0, shape (rows, hidden).
    steps
        Which visits belong to which step.
    relu
        Whether f is max(z, 0) instead of tanh.
    half
        Whether the factors of products are rounded to bfloat16.

    Returns
    -------
    h, h_T
        States at each visit, shape (visits, hidden), and the last ones, shape (rows, hidden).
    """
    return _on_whole_lanes(_RNN.apply, 1, x, weights, start, steps, relu, half)


def gru(
    x: Tensor, weights: Weights, start: States, steps: Steps, *, reset_after: bool, half: bool
) -> States:
    """Run the GRU over all visits: as ``rnn``, the reset after or before the product."""
    apply = _GRU.apply if reset_after else _GRUBefore.apply
    return _on_whole_lanes(apply, 3, x, weights, start, steps, half)


def lstm(x: Tensor, weights: Weights, start: States, steps: Steps, *, half: bool) -> States:
    """Run the LSTM over all visits: as ``rnn``, with (h_0, c_0) to begin with, and h, h_T, c_T."""
    return _on_whole_lanes(_LSTM.apply, 4, x, weights, start, steps, half)


def engine_for(*given: Tensor) -> ModuleType:
    """What runs the recurrence over what is ``given``."""
    can = all(value.device.type == "cpu" and value.dtype == torch.float32 for value in given)
    return compiled if can and compiled.is_there() else stepwise


def _on_whole_lanes(
    apply: Callable[..., States],
    gates: int,
    x: Tensor,
    weights: Weights,
    start: States,
    *settings: Any,
) -> States:
    """Run a recurrence on hidden units padded to whole registers.

    Units whose weights, biases and first state are 0 stay at 0 in every cell and tell the others
    nothing, so they change no number.
    """
    hidden, engine = start[0].shape[1], engine_for(x, *weights, *start)
    more = -hidden % engine.lanes()
    if not more:
        return apply(x.contiguous(), *weights, *start, engine, *settings)
    u, w, b_u, b_w = (value.reshape(gates, hidden, *value.shape[1:]) for value in weights)
    padded = (
        functional.pad(u, (0, 0, 0, more)).flatten(0, 1),
        functional.pad(w, (0, more, 0, more)).flatten(0, 1),
        functional.pad(b_u, (0, more)).flatten(),
        functional.pad(b_w, (0, more)).flatten(),
    )
    begin = (functional.pad(s, (0, more)) for s in start)
    found = apply(x.contiguous(), *padded, *begin, engine, *settings)
    return tuple(values[:, :hidden] for values in found)


def _copy(gradient: Tensor | None, like: Tensor) -> Tensor:
    """A gradient that may be written to; 0 where nobody asked for any."""
    if gradient is None:
        return torch.zeros_like(like, memory_format=torch.contiguous_format)
    return gradient.clone(memory_format=torch.contiguous_format)


def _given(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient.contiguous()
