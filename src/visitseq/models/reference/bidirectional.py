"""Two cells over the same visits: one reads from the first to the last, one the other way.

    -> h_t = cell(x_t, -> h_(t-1))       ahead, for t = 1 … T
    <- h_t = cell(x_t, <- h_(t+1))       back, for t = T … 1
    h_t = [-> h_t, <- h_t]

A score of the whole sequence needs what each cell knows at its end: -> h_T after the last visit and
<- h_1 after the first. (h_T would hold a <- h_T that has read one visit only.)

    o = V [-> h_T, <- h_1] + b2
    yhat = g(o)

and back, V' grad o falls into two halves, each of which goes its own way through time. (Schuster
and Paliwal, IEEE Transactions on Signal Processing 1997;45:2673.)
"""

from dataclasses import dataclass

import numpy as np

from visitseq.models.reference import cells, output
from visitseq.models.reference.cells import Cell, CellTrace
from visitseq.models.reference.losses import Loss
from visitseq.models.reference.output import Output, OutputTrace
from visitseq.models.reference.steps import Floats, Gradients


@dataclass(frozen=True, eq=False)
class Bidirectional:
    """Weights: the two cells, and an output whose V has shape (labels, 2 hidden)."""

    ahead: Cell
    back: Cell
    output: Output


@dataclass(frozen=True, eq=False)
class BidirectionalTrace:
    """What the network computed; ``back`` numbers its steps in its own order, the last visit 1."""

    ahead: CellTrace
    back: CellTrace
    outputs: OutputTrace

    @property
    def h(self) -> Floats:
        """h_t = [-> h_t, <- h_t] in the order of the visits, shape (T, 2 hidden)."""
        return np.hstack([self.ahead.h[1:], self.back.h[1:][::-1]])


@dataclass(frozen=True, eq=False)
class BidirectionalGradients:
    """Gradients of the loss with respect to the weights and to the inputs (T, inputs)."""

    network: Bidirectional
    x: Floats


def forward(network: Bidirectional, x: Floats, y: Floats, *, loss: Loss) -> BidirectionalTrace:
    """Read ``x``, shape (T, inputs), both ways, predict ``y``, shape (1, labels), and compare."""
    # -> h_t = cell(x_t, -> h_(t-1))
    ahead = cells.forward(network.ahead, x, cells.initial_state(network.ahead))
    # <- h_t = cell(x_t, <- h_(t+1))
    back = cells.forward(network.back, x[::-1], cells.initial_state(network.back))
    # o = V [-> h_T, <- h_1] + b2
    both = np.hstack([ahead.h[-1:], back.h[-1:]])
    return BidirectionalTrace(ahead, back, output.forward(network.output, both, y, loss))


def backward(trace: BidirectionalTrace) -> BidirectionalGradients:
    """Gradients of the loss."""
    outputs = output.backward(trace.outputs)
    # [grad -> h_T, grad <- h_1] = V' grad o
    from_ahead, from_back = np.split(outputs.h, [trace.ahead.h.shape[1]], axis=1)
    ahead = _back_from_last(trace.ahead, from_ahead)
    back = _back_from_last(trace.back, from_back)
    weights = Bidirectional(ahead.cell, back.cell, outputs.output)
    # grad x_t is the sum of both ways
    return BidirectionalGradients(weights, ahead.x + back.x[::-1])


def _back_from_last(states: CellTrace, grad_last_h: Floats) -> Gradients[Cell]:
    """Back through a cell whose last state alone has an output."""
    grad_h = np.zeros_like(states.h)
    grad_h[-1:] = grad_last_h
    return cells.backward(states, grad_h, cells.initial_state(states.cell))
