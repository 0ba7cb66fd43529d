"""The recurrences in C++: the functions of ``stepwise``, by way of ``kernels/recurrence.cpp``.

They take contiguous float32 tensors on the CPU whose hidden units are a multiple of ``lanes()``.
"""

from typing import Any

import torch
from torch import Tensor

from visitseq.models.kernels import library
from visitseq.models.steps import Steps


def is_there() -> bool:
    """Whether the recurrences have been compiled."""
    return library() is not None


def lanes() -> int:
    """To a multiple of what the hidden units have to be padded."""
    return int(_library().lanes())


def product(a: Tensor, weight: Tensor, bias: Tensor, half: bool) -> Tensor:
    """Return a @ weight.T + bias."""
    (width, depth), packed = weight.shape, _packed(weight, half)
    total = a.new_empty(len(a), width)
    _call(
        "product", a, a.stride(0), packed, half, len(a), depth, width, bias.contiguous(), total
    )  # fmt: skip
    return total


def transposed_product(a: Tensor, b: Tensor, half: bool) -> Tensor:
    """Return a.T @ b: the gradient of a weight, summed over all visits."""
    total = a.new_zeros(a.shape[1], b.shape[1])
    depth, rows, width = len(a), a.shape[1], b.shape[1]
    _call("transposed_product", a, a.stride(0), b, b.stride(0), half, rows, depth, width, total)
    return total


def rnn_forward(
    z: Tensor, w: Tensor, state: Tensor, *, steps: Steps, relu: bool, half: bool
) -> Tensor:
    """z_t = U x_t + W h_(t-1) + b1, h_t = f(z_t); ``z`` becomes h. Return ``previous``."""
    previous = torch.empty_like(z)
    _run("rnn_forward", steps, state, _packed(w, half), half, relu, z, previous, state)
    return previous


def rnn_backward(
    h: Tensor, gradients: Tensor, w: Tensor, carry: Tensor, *, steps: Steps, relu: bool, half: bool
) -> None:
    """Turn ``gradients`` into those of z."""
    _run("rnn_backward", steps, carry, _packed(w.t(), half), half, relu, h, gradients, carry)


def gru_forward(
    gates: Tensor, w: Tensor, c_n: Tensor, state: Tensor, *, steps: Steps, half: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Reset after the product, as cuDNN and torch. Return h, ``previous`` and W_n h_(t-1) + c_n."""
    previous, seen, h = _visits(gates, state, 3)
    w_gates, w_new = _packed_gru(w, half)
    _run(
        "gru_forward", steps, state, w_gates, w_new, half, c_n.contiguous(), gates, previous, seen,
        h, state,
    )  # fmt: skip
    return h, previous, seen


def gru_backward(
    gradients: Tensor, gates: Tensor, previous: Tensor, seen: Tensor, w: Tensor, *,
    carry: Tensor, steps: Steps, half: bool,
) -> None:  # fmt: skip
    """Turn ``gates`` into their gradients, ``seen`` into its own."""
    w_gates, w_new = _packed_gru(w, half, back=True)
    _run(
        "gru_backward", steps, carry, w_gates, w_new, half, gradients, gates, previous, seen, carry
    )  # fmt: skip


def gru_before_forward(
    gates: Tensor, w: Tensor, state: Tensor, *, steps: Steps, half: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Reset before the product, as the papers. Return h, ``previous`` and r_t * h_(t-1)."""
    previous, reset, h = _visits(gates, state, 3)
    w_gates, w_new = _packed_gru(w, half)
    _run(
        "gru_before_forward", steps, state, w_gates, w_new, half, gates, previous, reset, h, state
    )  # fmt: skip
    return h, previous, reset


def gru_before_backward(
    gradients: Tensor, gates: Tensor, previous: Tensor, w: Tensor, *,
    carry: Tensor, steps: Steps, half: bool,
) -> None:  # fmt: skip
    """Turn ``gates`` into their gradients."""
    w_gates, w_new = _packed_gru(w, half, back=True)
    through = torch.empty_like(carry)
    _run(
        "gru_before_backward", steps, carry, w_gates, w_new, half, gradients, gates, previous,
        through, carry,
    )  # fmt: skip


def lstm_forward(
    gates: Tensor, w: Tensor, state: Tensor, cell_state: Tensor, *, steps: Steps, half: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return h, ``previous``, c_(t-1) and tanh(c_t)."""
    previous, cells, bent, h = _visits(gates, state, 4)
    _run(
        "lstm_forward", steps, state, _packed(w, half), half, gates, previous, cells, bent, h,
        state, cell_state,
    )  # fmt: skip
    return h, previous, cells, bent


def lstm_backward(
    gradients: Tensor, gates: Tensor, cells: Tensor, bent: Tensor, w: Tensor, *,
    carry: Tensor, cell_carry: Tensor, steps: Steps, half: bool,
) -> None:  # fmt: skip
    """Turn ``gates`` into their gradients."""
    _run(
        "lstm_backward", steps, carry, _packed(w.t(), half), half, gradients, gates, cells, bent,
        carry, cell_carry,
    )  # fmt: skip


def _library() -> Any:
    loaded = library()
    if loaded is None:
        raise RuntimeError("the recurrences have not been compiled")
    return loaded


def _call(name: str, *arguments: Tensor | int) -> None:
    """Call a function of the library: tensors by the place of their numbers."""
    getattr(_library(), name)(*[a.data_ptr() if isinstance(a, Tensor) else a for a in arguments])


def _run(name: str, steps: Steps, state: Tensor, *arguments: Tensor | int) -> None:
    """Call a recurrence: all of them begin with the steps and the number of hidden units."""
    _call(name, steps.sizes, steps.offsets, len(steps), steps.down, state.shape[1], *arguments)


def _packed(weight: Tensor, half: bool) -> Tensor:
    """Weight of a product a @ weight.T, laid out for the kernels."""
    width, depth = weight.shape
    room = weight.new_empty(_library().packed_size(depth, width))
    _call("pack", weight, weight.stride(1), weight.stride(0), depth, width, half, room)
    return room


def _packed_gru(w: Tensor, half: bool, back: bool = False) -> list[Tensor]:
    """Weights of the two gates as one, and that of the new information."""
    hidden = w.shape[1]
    parts = w.tensor_split((2 * hidden,))
    return [_packed(part.t() if back else part, half) for part in parts]


def _visits(gates: Tensor, state: Tensor, count: int) -> list[Tensor]:
    return [gates.new_empty(len(gates), state.shape[1]) for _ in range(count)]
