"""Any of the cells by one name, for the networks that are built from them.

A state is what a cell remembers: (h,), and of an LSTM (h, c).
"""

import numpy as np

from visitseq.models.reference import gru, lstm, rnn
from visitseq.models.reference.gru import GRU, GRUTrace
from visitseq.models.reference.lstm import LSTM, LSTMTrace
from visitseq.models.reference.rnn import RNN, RNNTrace
from visitseq.models.reference.steps import Floats, Gradients, State

Cell = RNN | LSTM | GRU
CellTrace = RNNTrace | LSTMTrace | GRUTrace


def initial_state(cell: Cell) -> State:
    """The state before the first visit: zeros."""
    match cell:
        case RNN():
            return (np.zeros_like(cell.b1),)
        case LSTM():
            return (np.zeros_like(cell.b_f), np.zeros_like(cell.b_f))
        case GRU():
            return (np.zeros_like(cell.b_z),)


def last_state(trace: CellTrace) -> State:
    """The state after the last visit; the initial one without visits."""
    match trace:
        case LSTMTrace():
            return (trace.h[-1], trace.c[-1])
        case _:
            return (trace.h[-1],)


def forward(cell: Cell, x: Floats, start: State) -> CellTrace:
    """States of a sequence ``x``, shape (T, inputs), that starts from the state ``start``."""
    match cell:
        case RNN():
            return rnn.forward(cell, x, *start)
        case LSTM():
            return lstm.forward(cell, x, *start)
        case GRU():
            return gru.forward(cell, x, *start)


def backward(trace: CellTrace, grad_h: Floats, grad_last: State) -> Gradients[Cell]:
    """Back-propagation through time.

    Parameters
    ----------
    trace
        What ``forward`` returned.
    grad_h
        V' grad o_t in row t, 0 where step t has no output; shape (T + 1, hidden).
    grad_last
        What another network, started from the last state, asks of it; else zeros.
    """
    grad_h = grad_h.copy()
    grad_h[-1] += grad_last[0]
    match trace:
        case RNNTrace():
            return rnn.backward(trace, grad_h)
        case LSTMTrace():
            return lstm.backward(trace, grad_h, grad_last[1])
        case GRUTrace():
            return gru.backward(trace, grad_h)
