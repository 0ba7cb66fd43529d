"""A recurrent network with its output: a loss at every step, or at the last step only.

    x_1 … x_T  ->  h_1 … h_T             a cell, from h_0 = 0
    EVERY_STEP     o_t = V h_t + b2      for t = 1 … T; L = sum_t L_t
    LAST_STEP      o_T = V h_T + b2      L = L_T

Doctor AI predicts the next visit at every step; the heart-failure model scores a patient from the
state after the last visit. Without visits the last state is h_0, from which the score is g(b2).
"""

from dataclasses import dataclass

import numpy as np

from visitseq.models.reference import cells, output
from visitseq.models.reference.cells import Cell, CellTrace
from visitseq.models.reference.losses import Loss
from visitseq.models.reference.output import Output, OutputTrace
from visitseq.models.reference.steps import Floats

#: Rows of h (row t is h_t) that have an output.
EVERY_STEP = slice(1, None)
LAST_STEP = slice(-1, None)


@dataclass(frozen=True, eq=False)
class Network:
    """Weights: the cell's, and V and b2."""

    cell: Cell
    output: Output


@dataclass(frozen=True, eq=False)
class NetworkTrace:
    """What the cell and the output computed, and the rows of h that have an output."""

    states: CellTrace
    outputs: OutputTrace
    steps: slice


@dataclass(frozen=True, eq=False)
class NetworkGradients:
    """Gradients of the loss with respect to the weights and to the inputs (T, inputs)."""

    network: Network
    x: Floats


def forward(network: Network, x: Floats, y: Floats, *, loss: Loss, steps: slice) -> NetworkTrace:
    """Read a sequence, predict and compare.

    Parameters
    ----------
    network
        The weights.
    x
        Inputs, shape (T, inputs).
    y
        What is to be predicted: (T, labels) with EVERY_STEP, (1, labels) with LAST_STEP.
    loss
        ``losses.softmax`` or ``losses.logistic``.
    steps
        EVERY_STEP or LAST_STEP.
    """
    states = cells.forward(network.cell, x, cells.initial_state(network.cell))
    outputs = output.forward(network.output, states.h[steps], y, loss)
    return NetworkTrace(states, outputs, steps)


def backward(trace: NetworkTrace) -> NetworkGradients:
    """Gradients of the summed loss."""
    outputs = output.backward(trace.outputs)
    # V' grad o_t at the steps with an output, 0 at the others
    grad_h = np.zeros_like(trace.states.h)
    grad_h[trace.steps] = outputs.h
    # No other network goes on from the last state.
    grad_last = cells.initial_state(trace.states.cell)
    states = cells.backward(trace.states, grad_h, grad_last)
    return NetworkGradients(Network(states.cell, outputs.output), states.x)
