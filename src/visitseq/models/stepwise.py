"""The recurrences in torch, one step after the other: what ``compiled`` does where it can't.

The functions have the names, arguments and results of those in ``compiled``, work in any floating
type and on any device, and write into what they are given just so:

    gates     visits x gates * hidden   in: U x + biases; out: the gates' values; going back their
                                        gradients (those of the sums inside the gates)
    previous  visits x hidden           h_(t-1) of each visit
    state     rows x hidden             in: h_0; out: h_T of each row
    carry     rows x hidden             in: gradient of h_T; out: of h_0
    gradients visits x hidden           what the output asks of h_t

Gates lie in torch's order: GRU r z n, LSTM i f g o. The equations are those of
``visitseq.models.reference``. ``half`` rounds the factors of every product to bfloat16.
"""

import torch
from torch import Tensor

from visitseq.models.steps import Steps


def lanes() -> int:
    """To a multiple of what the hidden units have to be padded."""
    return 1


def product(a: Tensor, weight: Tensor, bias: Tensor, half: bool) -> Tensor:
    """Return a @ weight.T + bias."""
    return torch.addmm(bias, _rounded(a, half), _rounded(weight, half).t())


def transposed_product(a: Tensor, b: Tensor, half: bool) -> Tensor:
    """Return a.T @ b: the gradient of a weight, summed over all visits."""
    return _rounded(a, half).t() @ _rounded(b, half)


def rnn_forward(
    z: Tensor, w: Tensor, state: Tensor, *, steps: Steps, relu: bool, half: bool
) -> Tensor:
    """z_t = U x_t + W h_(t-1) + b1, h_t = f(z_t); ``z`` becomes h. Return ``previous``."""
    previous, weight = torch.empty_like(z), _rounded(w, half).t()
    for visits in steps:
        before, now = _remember(previous, state, visits), z[visits]
        now.addmm_(_rounded(before, half), weight)
        state[: len(now)] = now.relu_() if relu else now.tanh_()
    return previous


def rnn_backward(
    h: Tensor, gradients: Tensor, w: Tensor, carry: Tensor, *, steps: Steps, relu: bool, half: bool
) -> None:
    """Turn ``gradients`` into those of z."""
    weight = _rounded(w, half)
    for visits in steps.back():
        now, grad_z = h[visits], gradients[visits]
        asked = carry[: len(now)]
        grad_z.add_(asked).mul_((now > 0) if relu else 1 - now * now)
        asked.copy_(_rounded(grad_z, half) @ weight)


def gru_forward(
    gates: Tensor, w: Tensor, c_n: Tensor, state: Tensor, *, steps: Steps, half: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Reset after the product, as cuDNN and torch. Return h, ``previous`` and W_n h_(t-1) + c_n."""
    hidden = state.shape[1]
    previous, seen, h = (gates.new_empty(len(gates), hidden) for _ in range(3))
    weight = _rounded(w, half).t()
    for visits in steps:
        before, own = _remember(previous, state, visits), gates[visits]
        told = _rounded(before, half) @ weight
        r, z = own[:, : 2 * hidden].add_(told[:, : 2 * hidden]).sigmoid_().chunk(2, 1)
        seen[visits] = told[:, 2 * hidden :] + c_n
        n = own[:, 2 * hidden :].add_(r * seen[visits]).tanh_()
        h[visits] = n + z * (before - n)
        state[: len(own)] = h[visits]
    return h, previous, seen


def gru_backward(
    gradients: Tensor, gates: Tensor, previous: Tensor, seen: Tensor, w: Tensor, *,
    carry: Tensor, steps: Steps, half: bool,
) -> None:  # fmt: skip
    """Turn ``gates`` into their gradients, ``seen`` into its own."""
    hidden, weight = carry.shape[1], _rounded(w, half)
    for visits in steps.back():
        own, m = gates[visits], seen[visits]
        r, z, n = (gate.clone() for gate in own.chunk(3, 1))
        asked = carry[: len(own)]
        grad_h = gradients[visits] + asked
        grad_n = grad_h * (1 - z) * (1 - n * n)
        grad_z = grad_h * (previous[visits] - n) * z * (1 - z)
        own[:] = torch.cat([grad_n * m * r * (1 - r), grad_z, grad_n], 1)
        m.copy_(grad_n * r)
        told = torch.cat([own[:, : 2 * hidden], m], 1)
        asked.copy_(grad_h * z + _rounded(told, half) @ weight)


def gru_before_forward(
    gates: Tensor, w: Tensor, state: Tensor, *, steps: Steps, half: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Reset before the product, as the papers. Return h, ``previous`` and r_t * h_(t-1)."""
    hidden = state.shape[1]
    previous, reset, h = (gates.new_empty(len(gates), hidden) for _ in range(3))
    gate_weight, new_weight = _rounded(w, half).t().tensor_split((2 * hidden,), 1)
    for visits in steps:
        before, own = _remember(previous, state, visits), gates[visits]
        r, z = (
            own[:, : 2 * hidden].add_(_rounded(before, half) @ gate_weight).sigmoid_().chunk(2, 1)
        )
        reset[visits] = r * before
        n = own[:, 2 * hidden :].add_(_rounded(reset[visits], half) @ new_weight).tanh_()
        h[visits] = n + z * (before - n)
        state[: len(own)] = h[visits]
    return h, previous, reset


def gru_before_backward(
    gradients: Tensor, gates: Tensor, previous: Tensor, w: Tensor, *,
    carry: Tensor, steps: Steps, half: bool,
) -> None:  # fmt: skip
    """Turn ``gates`` into their gradients."""
    hidden = carry.shape[1]
    gate_weight, new_weight = _rounded(w, half).tensor_split((2 * hidden,))
    for visits in steps.back():
        own, before = gates[visits], previous[visits]
        r, z, n = (gate.clone() for gate in own.chunk(3, 1))
        asked = carry[: len(own)]
        grad_h = gradients[visits] + asked
        grad_n = grad_h * (1 - z) * (1 - n * n)
        through = _rounded(grad_n, half) @ new_weight
        grad_z = grad_h * (before - n) * z * (1 - z)
        own[:] = torch.cat([through * before * r * (1 - r), grad_z, grad_n], 1)
        told = _rounded(own[:, : 2 * hidden], half) @ gate_weight
        asked.copy_(grad_h * z + through * r + told)


def lstm_forward(
    gates: Tensor, w: Tensor, state: Tensor, cell_state: Tensor, *, steps: Steps, half: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return h, ``previous``, c_(t-1) and tanh(c_t)."""
    hidden = state.shape[1]
    previous, cells, bent, h = (gates.new_empty(len(gates), hidden) for _ in range(4))
    weight = _rounded(w, half).t()
    for visits in steps:
        before, own = _remember(previous, state, visits), gates[visits]
        cells[visits] = cell_state[: len(own)]
        i, f, g, o = own.addmm_(_rounded(before, half), weight).chunk(4, 1)
        i.sigmoid_(), f.sigmoid_(), g.tanh_(), o.sigmoid_()
        cell_state[: len(own)] = f * cells[visits] + i * g
        bent[visits] = cell_state[: len(own)].tanh()
        h[visits] = o * bent[visits]
        state[: len(own)] = h[visits]
    return h, previous, cells, bent


def lstm_backward(
    gradients: Tensor, gates: Tensor, cells: Tensor, bent: Tensor, w: Tensor, *,
    carry: Tensor, cell_carry: Tensor, steps: Steps, half: bool,
) -> None:  # fmt: skip
    """Turn ``gates`` into their gradients."""
    weight = _rounded(w, half)
    for visits in steps.back():
        own, tanh_c = gates[visits], bent[visits]
        i, f, g, o = (gate.clone() for gate in own.chunk(4, 1))
        asked, asked_c = carry[: len(own)], cell_carry[: len(own)]
        grad_h = gradients[visits] + asked
        grad_c = asked_c + grad_h * o * (1 - tanh_c * tanh_c)
        parts = [
            grad_c * g * i * (1 - i),
            grad_c * cells[visits] * f * (1 - f),
            grad_c * i * (1 - g * g),
            grad_h * tanh_c * o * (1 - o),
        ]
        own[:] = torch.cat(parts, 1)
        asked_c.copy_(grad_c * f)
        asked.copy_(_rounded(own, half) @ weight)


def _remember(previous: Tensor, state: Tensor, visits: slice) -> Tensor:
    """Keep the state before a step."""
    previous[visits] = state[: visits.stop - visits.start]
    return previous[visits]


def _rounded(values: Tensor, half: bool) -> Tensor:
    return values.bfloat16().to(values.dtype) if half else values
