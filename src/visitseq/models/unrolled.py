"""The recurrent cells one step at a time, so that every state is a tensor of its own.

A fast recurrence hands out its outputs and keeps the way between them to itself. Whoever asks for
the gradient at h_t needs each state on the way from the first visit to the loss. So the cells are
written once more, from the weights that torch.nn.RNN, LSTM and GRU keep; with U = ``weight_ih``,
W = ``weight_hh``, a = U x_t + b_ih, m = W h_(t-1) + b_hh, and s the logistic function:

    rnn     h_t = tanh(a + m)
    lstm    i, f, o = s(a + m) gate by gate, g = tanh(a + m)
            c_t = f * c_(t-1) + i * g
            h_t = o * tanh(c_t)
    gru     r, z = s(a + m) gate by gate, n = tanh(a + r * m)
            h_t = (1 - z) * n + z * h_(t-1)

A cell's gates lie one upon another in its weights, in the order of ``GATES``. Sequences are packed
(``models.batches``): step t holds the first ``batch_sizes[t]`` rows, so a row whose visits have
ended takes part in no further step.
"""

from collections.abc import Callable, Mapping

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


def top_states(
    cell: str, weights: Weights, inputs: torch.Tensor, batch_sizes: torch.Tensor
) -> list[State]:
    """States of the top layer after each step, from zeros.

    Autograd follows the states of the top layer alone: weights, inputs and lower layers are
    constants, because nothing leads from the top layer's h_t back to them.

    Parameters
    ----------
    cell
        A name in ``GATES``.
    weights
        State dict of a torch.nn.RNN (tanh), LSTM or GRU that reads forwards.
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
            inputs = torch.cat([h for h, *_ in _unroll(cell, weights, layer, inputs, batch_sizes)])
    return _unroll(cell, weights, top, inputs, batch_sizes)


def layer_count(weights: Weights) -> int:
    """How many layers a state dict has."""
    return sum(name.startswith("weight_hh_l") for name in weights)


def _unroll(
    cell: str, weights: Weights, layer: int, inputs: torch.Tensor, batch_sizes: torch.Tensor
) -> list[State]:
    U, W, b_ih, b_hh = (
        weights[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    sizes = batch_sizes.tolist()
    # The initial state wants a gradient, and so every state that comes of it has one.
    start = W.new_zeros(sizes[0], W.shape[1]).requires_grad_()
    state: State = (start, start) if cell == "lstm" else (start,)
    states = []
    for a in torch.split(inputs @ U.T + b_ih, sizes):
        state = tuple(part[: len(a)] for part in state)
        state = _STEPS[cell](a, state[0] @ W.T + b_hh, state)
        states.append(state)
    return states


def _rnn(a: torch.Tensor, m: torch.Tensor, state: State) -> State:
    return (torch.tanh(a + m),)


def _lstm(a: torch.Tensor, m: torch.Tensor, state: State) -> State:
    i, f, g, o = (a + m).chunk(4, dim=1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru(a: torch.Tensor, m: torch.Tensor, state: State) -> State:
    (a_r, a_z, a_n), (m_r, m_z, m_n) = a.chunk(3, dim=1), m.chunk(3, dim=1)
    r, z = torch.sigmoid(a_r + m_r), torch.sigmoid(a_z + m_z)
    return ((1 - z) * torch.tanh(a_n + r * m_n) + z * state[0],)


_STEPS: dict[str, Callable[[torch.Tensor, torch.Tensor, State], State]] = {
    "rnn": _rnn,
    "lstm": _lstm,
    "gru": _gru,
}
