"""The gated recurrent unit: one state, and two gates that decide how much of it is renewed.

Forward, for t = 1 … T, with s the logistic function and * the product element by element:

    z_t = s(U_z x_t + W_z h_(t-1) + b_z)           update gate: how much of the old state is kept
    r_t = s(U_r x_t + W_r h_(t-1) + b_r)           reset gate: how much of it the new one may see
    h~_t = tanh(U_h x_t + m_t + b_h)               new information
    h_t = z_t * h_(t-1) + (1 - z_t) * h~_t         new state

where m_t is what the new information sees of the old state:

    m_t = W_h (r_t * h_(t-1))                      ``GRU``, as the papers have it
    m_t = r_t * (W_h h_(t-1) + c_h)                ``GRUResetAfter``, as cuDNN and torch have it

As in the plain network U multiplies the input and W the previous state; the index names the gate
(z update, r reset, h new information). The papers on the unit call them W and U, the other way
round. c_h is a second bias, which only the reset after the product tells from b_h. The gate z_t is
not the z = U x + W h + b1 of the plain network.

Backward, for t = T … 1, with grad a the gradient of the loss with respect to a and a_z, a_r, a_h
the sums inside the gates' functions:

    grad h_T = V' grad o_T
    grad h_t = V' grad o_t + grad h_(t+1) * z_(t+1) + W_z' grad a_z + W_r' grad a_r + (through m)
                                                                    (the a and m of step t + 1)
    grad a_z = grad h_t * (h_(t-1) - h~_t) * z_t * (1 - z_t)
    grad a_h = grad h_t * (1 - z_t) * (1 - h~_t^2) = grad m_t
    grad a_r = grad r_t * r_t * (1 - r_t)

                      reset before the product           reset after the product
    grad r_t          h_(t-1) * (W_h' grad m_t)          (W_h h_(t-1) + c_h) * grad m_t
    through m         r_t * (W_h' grad m_t)              W_h' (r_t * grad m_t)
    grad W_h          sum_t grad m_t (r_t * h_(t-1))'    sum_t (r_t * grad m_t) h_(t-1)'
    grad c_h                                             sum_t r_t * grad m_t

    grad U_z = sum_t grad a_z x_t'   grad W_z = sum_t grad a_z h_(t-1)'   grad b_z = sum_t grad a_z

and so for r, and U_h and b_h. (Cho et al., EMNLP 2014:1724; Choi et al., JAMIA 2017;24(2):361-370.)
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from visitseq.models.reference.steps import Floats, Gradients, from_one, sum_of_products


@dataclass(frozen=True, eq=False)
class GRU:
    """Weights of each gate: ``U`` (hidden, inputs), ``W`` (hidden, hidden), ``b`` (hidden,)."""

    U_z: Floats
    W_z: Floats
    b_z: Floats
    U_r: Floats
    W_r: Floats
    b_r: Floats
    U_h: Floats
    W_h: Floats
    b_h: Floats


@dataclass(frozen=True, eq=False)
class GRUResetAfter(GRU):
    """Weights of the form whose reset comes after the product: one bias more, (hidden,)."""

    c_h: Floats


@dataclass(frozen=True, eq=False)
class GRUTrace:
    """What the cell computed; row t belongs to step t, shape (T + 1, …).

    Attributes
    ----------
    cell
        The weights.
    x
        Inputs.
    z, r
        Update gate, reset gate.
    h_tilde
        New information.
    h
        States; ``h[0]`` is the initial one.
    """

    cell: GRU
    x: Floats
    z: Floats
    r: Floats
    h_tilde: Floats
    h: Floats


def forward(cell: GRU, x: Floats, h_0: Floats) -> GRUTrace:
    """States of a sequence ``x``, shape (T, inputs), that starts from ``h_0``, shape (hidden,)."""
    x = from_one(x)
    z, r, h_tilde, h = np.zeros((4, len(x), len(cell.b_z)))
    h[0] = h_0
    for t in range(1, len(x)):
        # z_t = s(U_z x_t + W_z h_(t-1) + b_z)
        z[t] = expit(cell.U_z @ x[t] + cell.W_z @ h[t - 1] + cell.b_z)
        # r_t = s(U_r x_t + W_r h_(t-1) + b_r)
        r[t] = expit(cell.U_r @ x[t] + cell.W_r @ h[t - 1] + cell.b_r)
        # h~_t = tanh(U_h x_t + m_t + b_h)
        h_tilde[t] = np.tanh(cell.U_h @ x[t] + _seen(cell, r[t], h[t - 1]) + cell.b_h)
        # h_t = z_t * h_(t-1) + (1 - z_t) * h~_t
        h[t] = z[t] * h[t - 1] + (1 - z[t]) * h_tilde[t]
    return GRUTrace(cell, x, z, r, h_tilde, h)


def _seen(cell: GRU, r: Floats, h: Floats) -> Floats:
    """m_t, from r_t and h_(t-1)."""
    if isinstance(cell, GRUResetAfter):
        # m_t = r_t * (W_h h_(t-1) + c_h)
        return r * (cell.W_h @ h + cell.c_h)
    # m_t = W_h (r_t * h_(t-1))
    return np.asarray(cell.W_h @ (r * h))


def backward(trace: GRUTrace, grad_h: Floats) -> Gradients[GRU]:
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
        Of the loss with respect to the weights, to the inputs and to h_0.
    """
    cell, z, r, h_tilde, h = trace.cell, trace.z, trace.r, trace.h_tilde, trace.h
    # grad h_T = V' grad o_T
    grad_h = grad_h.copy()
    grad_a_z, grad_a_r, grad_a_h = np.zeros((3, *h.shape))
    for t in range(len(h) - 1, 0, -1):
        # grad a_z = grad h_t * (h_(t-1) - h~_t) * z_t * (1 - z_t)
        grad_a_z[t] = grad_h[t] * (h[t - 1] - h_tilde[t]) * z[t] * (1 - z[t])
        # grad a_h = grad h_t * (1 - z_t) * (1 - h~_t^2) = grad m_t
        grad_a_h[t] = grad_h[t] * (1 - z[t]) * (1 - h_tilde[t] ** 2)
        grad_r, through_m = _back_through_m(cell, r[t], h[t - 1], grad_a_h[t])
        # grad a_r = grad r_t * r_t * (1 - r_t)
        grad_a_r[t] = grad_r * r[t] * (1 - r[t])
        # grad h_(t-1) = V' grad o_(t-1) + grad h_t * z_t + W_z' grad a_z + W_r' grad a_r
        #                                + (through m)
        grad_h[t - 1] += grad_h[t] * z[t] + cell.W_z.T @ grad_a_z[t] + cell.W_r.T @ grad_a_r[t]
        grad_h[t - 1] += through_m
    # grad x_t = U_z' grad a_z + U_r' grad a_r + U_h' grad a_h
    grad_x = grad_a_z @ cell.U_z + grad_a_r @ cell.U_r + grad_a_h @ cell.U_h
    grad_cell = _sum_over_steps(trace, grad_a_z, grad_a_r, grad_a_h)
    return Gradients(grad_cell, grad_x[1:], (grad_h[0],))


def _back_through_m(cell: GRU, r: Floats, h: Floats, grad_m: Floats) -> tuple[Floats, Floats]:
    """Grad r_t, and what m_t adds to grad h_(t-1)."""
    if isinstance(cell, GRUResetAfter):
        # grad r_t = (W_h h_(t-1) + c_h) * grad m_t;  through m: W_h' (r_t * grad m_t)
        return (cell.W_h @ h + cell.c_h) * grad_m, cell.W_h.T @ (r * grad_m)
    # grad r_t = h_(t-1) * (W_h' grad m_t);  through m: r_t * (W_h' grad m_t)
    return h * (cell.W_h.T @ grad_m), r * (cell.W_h.T @ grad_m)


def _sum_over_steps(trace: GRUTrace, grad_a_z: Floats, grad_a_r: Floats, grad_a_h: Floats) -> GRU:
    x, h_before, r = trace.x, trace.h[:-1], trace.r[1:]
    gates = {
        # grad U_z = sum_t grad a_z x_t', and so for r and h
        "U_z": sum_of_products(grad_a_z, x),
        "U_r": sum_of_products(grad_a_r, x),
        "U_h": sum_of_products(grad_a_h, x),
        # grad W_z = sum_t grad a_z h_(t-1)', and so for r
        "W_z": sum_of_products(grad_a_z[1:], h_before),
        "W_r": sum_of_products(grad_a_r[1:], h_before),
        # grad b_z = sum_t grad a_z, and so for r and h
        "b_z": grad_a_z.sum(axis=0),
        "b_r": grad_a_r.sum(axis=0),
        "b_h": grad_a_h.sum(axis=0),
    }
    grad_m = grad_a_h[1:]
    if isinstance(trace.cell, GRUResetAfter):
        # grad W_h = sum_t (r_t * grad m_t) h_(t-1)'
        grad_W_h = sum_of_products(r * grad_m, h_before)
        # grad c_h = sum_t r_t * grad m_t
        return GRUResetAfter(**gates, W_h=grad_W_h, c_h=(r * grad_m).sum(axis=0))
    # grad W_h = sum_t grad m_t (r_t * h_(t-1))'
    return GRU(**gates, W_h=sum_of_products(grad_m, r * h_before))
