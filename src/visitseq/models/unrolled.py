"""The recurrent cells one step at a time, so that every state is a tensor of its own.

A fast recurrence hands out its outputs and keeps the way between them to itself. Whoever asks for
the gradient at h_t needs each state on the way from the first visit to the loss. So the cells are
written once more, from the weights that torch.nn.RNN, LSTM and GRU keep; with U = ``weight_ih``,
W = ``weight_hh``, a = U x_t + b_ih, m = W h_(t-1) + b_hh, and s the logistic function:

    rnn_tanh     h_t = tanh(a + m)
    rnn_relu     h_t = max(a + m, 0)
    lstm         i, f, o = s(a + m) gate by gate, g = tanh(a + m)
                 c_t = f * c_(t-1) + i * g
                 h_t = o * tanh(c_t)
    gru_after    r, z = s(a + m) gate by gate
                 n = tanh(a + r * m)                          reset after the product
                 h_t = (1 - z) * n + z * h_(t-1)
    gru_before   the same, but n = tanh(a + W (r * h_(t-1)) + b_hh)

A cell's gates lie one upon another in its weights, in the order of ``GATES``. Sequences are packed
(``models.batches``): step t holds the first ``batch_sizes[t]`` rows, so a row whose visits have
ended takes part in no further step.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

#: What a cell remembers after a step, (rows, hidden) each: (h,), and of an LSTM (h, c).
State = tuple[torch.Tensor, ...]
Weights = Mapping[str, torch.Tensor]

#: The blocks of W by cell, in torch's order.
GATES = {
    "rnn": ("state",),
    "lstm": ("input", "forget", "cell", "output"),
    "gru": ("reset", "update", "new"),
}


def form_of(model: Mapping[str, Any]) -> str:
    """Name above of the cell that a model's section of the configuration describes."""
    choice = {"rnn": "nonlinearity", "gru": "reset"}.get(model["cell"])
    return f"{model['cell']}_{model[choice]}" if choice else str(model["cell"])


def top_states(
    form: str, weights: Weights, inputs: torch.Tensor, batch_sizes: torch.Tensor
) -> list[State]:
    """States of the top layer after each step, from zeros.

    Autograd follows the states of the top layer alone: weights, inputs and lower layers are
    constants, because nothing leads from the top layer's h_t back to them.

    Parameters
    ----------
    form
        Name of the cell, as above.
    weights
        State dict of a torch.nn.RNN, LSTM or GRU that reads forwards.
    inputs
        Inputs of the first layer, packed, shape (visits, inputs).
    batch_sizes
        Rows that take part in each step, shape (steps,).

    Returns
    -------
    list of State
        One a step, each of shape (batch_sizes[t], hidden).
    """
    top = layer_count(weights) - 1
    with torch.no_grad():
        for layer in range(top):
            inputs = torch.cat([h for h, *_ in _unroll(form, weights, layer, inputs, batch_sizes)])
    return _unroll(form, weights, top, inputs, batch_sizes)


def layer_count(weights: Weights) -> int:
    """How many layers a state dict has."""
    return sum(name.startswith("weight_hh_l") for name in weights)


def _unroll(
    form: str, weights: Weights, layer: int, inputs: torch.Tensor, batch_sizes: torch.Tensor
) -> list[State]:
    U, W, b_ih, b_hh = (
        weights[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    sizes = batch_sizes.tolist()
    # The initial state wants a gradient, and so every state that comes of it has one.
    start = W.new_zeros(sizes[0], W.shape[1]).requires_grad_()
    state: State = (start, start) if form == "lstm" else (start,)
    states = []
    for a in torch.split(inputs @ U.T + b_ih, sizes):
        state = tuple(part[: len(a)] for part in state)
        state = _STEPS[form](a, W, b_hh, state)
        states.append(state)
    return states


def _rnn_tanh(a: torch.Tensor, W: torch.Tensor, b_hh: torch.Tensor, state: State) -> State:
    return (torch.tanh(a + state[0] @ W.T + b_hh),)


def _rnn_relu(a: torch.Tensor, W: torch.Tensor, b_hh: torch.Tensor, state: State) -> State:
    return (torch.relu(a + state[0] @ W.T + b_hh),)


def _lstm(a: torch.Tensor, W: torch.Tensor, b_hh: torch.Tensor, state: State) -> State:
    h, c = state
    i, f, g, o = (a + h @ W.T + b_hh).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru_after(a: torch.Tensor, W: torch.Tensor, b_hh: torch.Tensor, state: State) -> State:
    (h,) = state
    (a_r, a_z, a_n), (m_r, m_z, m_n) = a.chunk(3, dim=1), (h @ W.T + b_hh).chunk(3, dim=1)
    r, z = torch.sigmoid(a_r + m_r), torch.sigmoid(a_z + m_z)
    return ((1 - z) * torch.tanh(a_n + r * m_n) + z * h,)


def _gru_before(a: torch.Tensor, W: torch.Tensor, b_hh: torch.Tensor, state: State) -> State:
    (h,) = state
    (a_r, a_z, a_n), (W_r, W_z, W_n) = (a + b_hh).chunk(3, dim=1), W.chunk(3)
    r, z = torch.sigmoid(a_r + h @ W_r.T), torch.sigmoid(a_z + h @ W_z.T)
    return ((1 - z) * torch.tanh(a_n + (r * h) @ W_n.T) + z * h,)


_STEPS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor, State], State]] = {
    "rnn_tanh": _rnn_tanh,
    "rnn_relu": _rnn_relu,
    "lstm": _lstm,
    "gru_after": _gru_after,
    "gru_before": _gru_before,
}
