"""Long short-term memory: a state c that is carried on, and gates that decide what it carries.

Forward, for t = 1 … T, with s the logistic function and * the product element by element:

    f_t = s(U_f x_t + W_f h_(t-1) + b_f)           forget gate: how much of c_(t-1) is kept
    i_t = s(U_i x_t + W_i h_(t-1) + b_i)           input gate: how much of the new is let in
    c~_t = tanh(U_c x_t + W_c h_(t-1) + b_c)       the new
    c_t = f_t * c_(t-1) + i_t * c~_t               cell update
    o_t = s(U_o x_t + W_o h_(t-1) + b_o)           output gate: how much is shown
    h_t = o_t * tanh(c_t)                          state

As in the plain network U multiplies the input and W the previous state; the index names the gate
(f forget, i input, c cell, o output). The gate o_t is not the o_t = V h_t + b2 of the output.

Backward, for t = T … 1, with grad a the gradient of the loss with respect to a and a_f, a_i, a_c,
a_o the sums inside the gates' functions:

    grad h_T = V' grad o_T
    grad h_t = V' grad o_t + W_f' grad a_f + W_i' grad a_i + W_c' grad a_c + W_o' grad a_o
                                                                    (the a of step t + 1)
    grad c_t = grad h_t * o_t * (1 - tanh(c_t)^2) + grad c_(t+1) * f_(t+1)
    grad a_f = grad c_t * c_(t-1) * f_t * (1 - f_t)
    grad a_i = grad c_t * c~_t * i_t * (1 - i_t)
    grad a_c = grad c_t * i_t * (1 - c~_t^2)
    grad a_o = grad h_t * tanh(c_t) * o_t * (1 - o_t)

    grad U_f = sum_t grad a_f x_t'   grad W_f = sum_t grad a_f h_(t-1)'   grad b_f = sum_t grad a_f

and so for i, c and o. The way from c_t to c_(t-1) has no matrix and no tanh on it, only f_t: that
is why the gradient lasts (Hochreiter and Schmidhuber, Neural Computation 1997;9:1735; the forget
gate: Gers, Schmidhuber and Cummins, Neural Computation 2000;12:2451).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from visitseq.models.reference.steps import Floats, Gradients, from_one, sum_of_products


@dataclass(frozen=True, eq=False)
class LSTM:
    """Weights of each gate: ``U`` (hidden, inputs), ``W`` (hidden, hidden), ``b`` (hidden,)."""

    U_f: Floats
    W_f: Floats
    b_f: Floats
    U_i: Floats
    W_i: Floats
    b_i: Floats
    U_c: Floats
    W_c: Floats
    b_c: Floats
    U_o: Floats
    W_o: Floats
    b_o: Floats


@dataclass(frozen=True, eq=False)
class LSTMTrace:
    """What the cell computed; row t belongs to step t, shape (T + 1, …).

    Attributes
    ----------
    cell
        The weights.
    x
        Inputs.
    f, i, c_tilde, o
        Forget gate, input gate, the new, output gate.
    c, h
        What is carried on and what is shown; ``c[0]`` and ``h[0]`` are the initial state.
    """

    cell: LSTM
    x: Floats
    f: Floats
    i: Floats
    c_tilde: Floats
    o: Floats
    c: Floats
    h: Floats


def forward(cell: LSTM, x: Floats, h_0: Floats, c_0: Floats) -> LSTMTrace:
    """States of a sequence ``x``, shape (T, inputs), from ``h_0`` and ``c_0``, shape (hidden,)."""
    x = from_one(x)
    f, i, c_tilde, o, c, h = np.zeros((6, len(x), len(cell.b_f)))
    h[0], c[0] = h_0, c_0
    for t in range(1, len(x)):
        # f_t = s(U_f x_t + W_f h_(t-1) + b_f)
        f[t] = expit(cell.U_f @ x[t] + cell.W_f @ h[t - 1] + cell.b_f)
        # i_t = s(U_i x_t + W_i h_(t-1) + b_i)
        i[t] = expit(cell.U_i @ x[t] + cell.W_i @ h[t - 1] + cell.b_i)
        # c~_t = tanh(U_c x_t + W_c h_(t-1) + b_c)
        c_tilde[t] = np.tanh(cell.U_c @ x[t] + cell.W_c @ h[t - 1] + cell.b_c)
        # c_t = f_t * c_(t-1) + i_t * c~_t
        c[t] = f[t] * c[t - 1] + i[t] * c_tilde[t]
        # o_t = s(U_o x_t + W_o h_(t-1) + b_o)
        o[t] = expit(cell.U_o @ x[t] + cell.W_o @ h[t - 1] + cell.b_o)
        # h_t = o_t * tanh(c_t)
        h[t] = o[t] * np.tanh(c[t])
    return LSTMTrace(cell, x, f, i, c_tilde, o, c, h)


def backward(trace: LSTMTrace, grad_h: Floats, grad_c_T: Floats) -> Gradients[LSTM]:
    """Back-propagation through time.

    Parameters
    ----------
    trace
        What ``forward`` returned.
    grad_h
        What the outputs ask of the states: V' grad o_t in row t, 0 where step t has no output;
        shape (T + 1, hidden).
    grad_c_T
        What a decoder asks of the last c, else 0; shape (hidden,).

    Returns
    -------
    Gradients
        Of the loss with respect to the weights, to the inputs and to (h_0, c_0).
    """
    cell, f, i, c_tilde, o = trace.cell, trace.f, trace.i, trace.c_tilde, trace.o
    # grad h_T = V' grad o_T
    grad_h = grad_h.copy()
    grad_c, grad_a_f, grad_a_i, grad_a_c, grad_a_o = np.zeros((5, *trace.h.shape))
    grad_c[-1] = grad_c_T
    for t in range(len(trace.x) - 1, 0, -1):
        tanh_c = np.tanh(trace.c[t])
        # grad c_t = grad h_t * o_t * (1 - tanh(c_t)^2) + grad c_(t+1) * f_(t+1)
        grad_c[t] += grad_h[t] * o[t] * (1 - tanh_c**2)
        grad_c[t - 1] = grad_c[t] * f[t]
        # grad a_f = grad c_t * c_(t-1) * f_t * (1 - f_t)
        grad_a_f[t] = grad_c[t] * trace.c[t - 1] * f[t] * (1 - f[t])
        # grad a_i = grad c_t * c~_t * i_t * (1 - i_t)
        grad_a_i[t] = grad_c[t] * c_tilde[t] * i[t] * (1 - i[t])
        # grad a_c = grad c_t * i_t * (1 - c~_t^2)
        grad_a_c[t] = grad_c[t] * i[t] * (1 - c_tilde[t] ** 2)
        # grad a_o = grad h_t * tanh(c_t) * o_t * (1 - o_t)
        grad_a_o[t] = grad_h[t] * tanh_c * o[t] * (1 - o[t])
        # grad h_(t-1) = V' grad o_(t-1) + W_f' grad a_f + W_i' grad a_i
        #                                + W_c' grad a_c + W_o' grad a_o
        grad_h[t - 1] += cell.W_f.T @ grad_a_f[t] + cell.W_i.T @ grad_a_i[t]
        grad_h[t - 1] += cell.W_c.T @ grad_a_c[t] + cell.W_o.T @ grad_a_o[t]
    # grad x_t = U_f' grad a_f + U_i' grad a_i + U_c' grad a_c + U_o' grad a_o
    grad_x = grad_a_f @ cell.U_f + grad_a_i @ cell.U_i
    grad_x += grad_a_c @ cell.U_c + grad_a_o @ cell.U_o
    grad_cell = _sum_over_steps(trace, grad_a_f, grad_a_i, grad_a_c, grad_a_o)
    return Gradients(grad_cell, grad_x[1:], (grad_h[0], grad_c[0]))


def _sum_over_steps(
    trace: LSTMTrace, grad_a_f: Floats, grad_a_i: Floats, grad_a_c: Floats, grad_a_o: Floats
) -> LSTM:
    x, h = trace.x, trace.h
    return LSTM(
        # grad U_f = sum_t grad a_f x_t', and so for i, c and o
        U_f=sum_of_products(grad_a_f, x),
        U_i=sum_of_products(grad_a_i, x),
        U_c=sum_of_products(grad_a_c, x),
        U_o=sum_of_products(grad_a_o, x),
        # grad W_f = sum_t grad a_f h_(t-1)'
        W_f=sum_of_products(grad_a_f[1:], h[:-1]),
        W_i=sum_of_products(grad_a_i[1:], h[:-1]),
        W_c=sum_of_products(grad_a_c[1:], h[:-1]),
        W_o=sum_of_products(grad_a_o[1:], h[:-1]),
        # grad b_f = sum_t grad a_f
        b_f=grad_a_f.sum(axis=0),
        b_i=grad_a_i.sum(axis=0),
        b_c=grad_a_c.sum(axis=0),
        b_o=grad_a_o.sum(axis=0),
    )
