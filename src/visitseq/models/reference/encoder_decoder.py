"""Sequence to sequence: one cell reads the input, another, started from its last state, writes.

The encoder reads x_1 … x_T; the decoder, whose steps are s = 1 … S, writes y_1 … y_S:

    h_t = encoder(x_t, h_(t-1)),  h_0 = 0
    d_0 = h_T                            of LSTMs also c_T
    d_s = decoder(y_(s-1), d_(s-1)),  y_0 = 0
    o_s = V d_s + b2
    yhat_s = g(o_s)
    L = sum_s L_s

The decoder is fed the true y_(s-1), not its own prediction (teacher forcing): a step's loss does
not depend on what was predicted before, and no gradient passes through yhat. Back, all that the
encoder learns comes through the state that the decoder started from:

    grad h_T = grad d_0                  of LSTMs also grad c_T

(Cho et al., EMNLP 2014:1724, and Sutskever, Vinyals and Le, NIPS 2014:3104, whose decoder starts
from the encoder's last state.)
"""

from dataclasses import dataclass

import numpy as np

from visitseq.models.reference import cells, output
from visitseq.models.reference.cells import Cell, CellTrace
from visitseq.models.reference.losses import Loss
from visitseq.models.reference.output import Output, OutputTrace
from visitseq.models.reference.steps import Floats, from_one


@dataclass(frozen=True, eq=False)
class EncoderDecoder:
    """Weights: two cells of one kind and hidden size, and the output of the decoder.

    The decoder's inputs are the labels: its U has shape (hidden, labels).
    """

    encoder: Cell
    decoder: Cell
    output: Output


@dataclass(frozen=True, eq=False)
class EncoderDecoderTrace:
    """What the two cells and the output computed; ``decoder.h[s]`` is d_s."""

    encoder: CellTrace
    decoder: CellTrace
    outputs: OutputTrace


@dataclass(frozen=True, eq=False)
class EncoderDecoderGradients:
    """Gradients of the loss with respect to the weights and to the inputs (T, inputs)."""

    network: EncoderDecoder
    x: Floats


def forward(network: EncoderDecoder, x: Floats, y: Floats, *, loss: Loss) -> EncoderDecoderTrace:
    """Read ``x``, shape (T, inputs), write ``y``, shape (S, labels), and compare."""
    # h_t = encoder(x_t, h_(t-1)),  h_0 = 0
    encoder = cells.forward(network.encoder, x, cells.initial_state(network.encoder))
    # d_s = decoder(y_(s-1), d_(s-1)),  y_0 = 0,  d_0 = h_T
    decoder = cells.forward(network.decoder, from_one(y)[:-1], cells.last_state(encoder))
    # o_s = V d_s + b2
    outputs = output.forward(network.output, decoder.h[1:], y, loss)
    return EncoderDecoderTrace(encoder, decoder, outputs)


def backward(trace: EncoderDecoderTrace) -> EncoderDecoderGradients:
    """Gradients of the summed loss, through the decoder to the encoder."""
    outputs = output.backward(trace.outputs)
    # No other network goes on from the decoder's last state.
    grad_last = cells.initial_state(trace.decoder.cell)
    decoder = cells.backward(trace.decoder, from_one(outputs.h), grad_last)
    # grad h_T = grad d_0; the encoder has no outputs of its own.
    encoder = cells.backward(trace.encoder, np.zeros_like(trace.encoder.h), decoder.start)
    weights = EncoderDecoder(encoder.cell, decoder.cell, outputs.output)
    return EncoderDecoderGradients(weights, encoder.x)
