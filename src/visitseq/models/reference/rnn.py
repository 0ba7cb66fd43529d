"""The recurrent neural network, and back-propagation through time.

Forward, for t = 1 … T, in the lecture's symbols:

    z_t = U x_t + W h_(t-1) + b1
    h_t = f(z_t)                     f = tanh, f' = 1 - h^2
    o_t = V h_t + b2                 (module output)
    yhat_t = g(o_t)                  (module losses)

Backward, for t = T … 1, with grad a the gradient of the loss L with respect to a, ' the transpose
and * the product element by element:

    grad o_t = yhat_t - y_t          (module losses)
    grad h_T = V' grad o_T
    grad h_t = V' grad o_t + W' grad z_(t+1)
    grad z_t = f'(z_t) * grad h_t

    grad V = sum_t grad o_t h_t'     grad b2 = sum_t grad o_t        (module output)
    grad W = sum_t grad z_t h_(t-1)'
    grad U = sum_t grad z_t x_t'     grad b1 = sum_t grad z_t

V' grad o_t is absent at a step without output: a network with a loss at its last step alone starts
from grad h_T and has nothing to add on the way back.

(Goodfellow, Bengio and Courville, Deep Learning, 2016, section 10.2.2. There U, V and W mean the
same; the biases are b and c where the lecture has b1 and b2.)
"""

from dataclasses import dataclass

import numpy as np

from visitseq.models.reference.steps import Floats, Gradients, from_one, sum_of_products


@dataclass(frozen=True, eq=False)
class RNN:
    """Weights: ``U`` (hidden, inputs), ``W`` (hidden, hidden), ``b1`` (hidden,)."""

    U: Floats
    W: Floats
    b1: Floats


@dataclass(frozen=True, eq=False)
class RNNTrace:
    """What the cell computed; row t belongs to step t, shape (T + 1, …).

    Attributes
    ----------
    cell
        The weights.
    x
        Inputs.
    z
        Sums that go into f.
    h
        States; ``h[0]`` is the initial one.
    """

    cell: RNN
    x: Floats
    z: Floats
    h: Floats


def forward(cell: RNN, x: Floats, h_0: Floats) -> RNNTrace:
    """States of a sequence ``x``, shape (T, inputs), that starts from ``h_0``, shape (hidden,)."""
    U, W, b1 = cell.U, cell.W, cell.b1
    x = from_one(x)
    z, h = np.zeros((2, len(x), len(b1)))
    h[0] = h_0
    for t in range(1, len(x)):
        # z_t = U x_t + W h_(t-1) + b1
        z[t] = U @ x[t] + W @ h[t - 1] + b1
        # h_t = f(z_t)
        h[t] = np.tanh(z[t])
    return RNNTrace(cell, x, z, h)


def backward(trace: RNNTrace, grad_h: Floats) -> Gradients[RNN]:
    """Back-propagation through time.

    Parameters
    ----------
    trace
        What ``forward`` returned.
    grad_h
        What the outputs ask of the states: V' grad o_t in row t, 0 where step t has no output;
        shape (T + 1, hidden).

    Returns
    -------
    Gradients
        Of the loss with respect to U, W, b1, to the inputs and to h_0.
    """
    U, W = trace.cell.U, trace.cell.W
    x, h = trace.x, trace.h
    # grad h_T = V' grad o_T
    grad_h = grad_h.copy()
    grad_z = np.zeros_like(h)
    for t in range(len(x) - 1, 0, -1):
        # grad z_t = f'(z_t) * grad h_t
        grad_z[t] = (1 - h[t] ** 2) * grad_h[t]
        # grad h_(t-1) = V' grad o_(t-1) + W' grad z_t
        grad_h[t - 1] += W.T @ grad_z[t]
    # grad U = sum_t grad z_t x_t'
    grad_U = sum_of_products(grad_z, x)
    # grad W = sum_t grad z_t h_(t-1)'
    grad_W = sum_of_products(grad_z[1:], h[:-1])
    # grad b1 = sum_t grad z_t
    grad_b1 = grad_z.sum(axis=0)
    # grad x_t = U' grad z_t
    grad_x = grad_z[1:] @ U
    return Gradients(RNN(grad_U, grad_W, grad_b1), grad_x, (grad_h[0],))
