"""A cell from the weights that torch.nn.RNN, LSTM and GRU keep.

torch calls U ``weight_ih``, W ``weight_hh``, and has two biases, ``bias_ih`` beside U and
``bias_hh`` beside W. The gates of a cell lie one upon another, in the order

    RNN                              (one block)
    LSTM    i f c o                  torch calls c, the new, g
    GRU     r z h                    torch calls h, the new information, n

Two biases in one sum are one bias, their sum. Only in the GRU's new information do they differ:
there r_t multiplies ``bias_hh`` (c_h) but not ``bias_ih`` (b_h). torch's GRU is ``GRUResetAfter``.

Each function takes the state dict of a torch.nn module as NumPy arrays, and the end of the names,
``l0``, or ``l0_reverse`` for the cell that reads backwards.
"""

from collections.abc import Mapping

import numpy as np

from visitseq.models.reference.gru import GRUResetAfter
from visitseq.models.reference.lstm import LSTM
from visitseq.models.reference.rnn import RNN
from visitseq.models.reference.steps import Floats


def rnn(weights: Mapping[str, Floats], layer: str = "l0") -> RNN:
    """The cell of a torch.nn.RNN with tanh."""
    ((U, W, b_ih, b_hh),) = _gates(weights, layer, 1)
    return RNN(U, W, b_ih + b_hh)


def lstm(weights: Mapping[str, Floats], layer: str = "l0") -> LSTM:
    """The cell of a torch.nn.LSTM."""
    i, f, c, o = _gates(weights, layer, 4)
    return LSTM(
        U_f=f[0], W_f=f[1], b_f=f[2] + f[3],
        U_i=i[0], W_i=i[1], b_i=i[2] + i[3],
        U_c=c[0], W_c=c[1], b_c=c[2] + c[3],
        U_o=o[0], W_o=o[1], b_o=o[2] + o[3],
    )  # fmt: skip


def gru(weights: Mapping[str, Floats], layer: str = "l0") -> GRUResetAfter:
    """The cell of a torch.nn.GRU."""
    r, z, h = _gates(weights, layer, 3)
    return GRUResetAfter(
        U_z=z[0], W_z=z[1], b_z=z[2] + z[3],
        U_r=r[0], W_r=r[1], b_r=r[2] + r[3],
        U_h=h[0], W_h=h[1], b_h=h[2], c_h=h[3],
    )  # fmt: skip


def _gates(
    weights: Mapping[str, Floats], layer: str, count: int
) -> list[tuple[Floats, Floats, Floats, Floats]]:
    """U, W and the two biases of each gate, in torch's order."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    blocks = [np.split(np.asarray(weights[f"{n}_{layer}"], np.float64), count) for n in names]
    return list(zip(*blocks, strict=True))
