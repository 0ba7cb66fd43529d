"""The spectral radius of W: by how much, in the long run, a step stretches what it is given.

Going back one step through a plain network multiplies the gradient by W' and by f'(z) <= 1. Where
f' is near 1 the gradient so shrinks or grows, step after step, by the largest absolute eigenvalue
of W: below 1 it vanishes, and only above 1 can it explode (Pascanu, Mikolov and Bengio, ICML
2013;28:1310, section 2.1). In a gated cell each gate has a W of its own, and the way past the gates
(z * h_(t-1), f * c_(t-1)) has none: there the radii are no rates, but say how strongly each gate
listens to the state.
"""

import torch

from visitseq.models.unrolled import GATES, Weights, layer_count


def spectral_radii(cell: str, weights: Weights) -> dict[str, float]:
    """Largest absolute eigenvalue of each gate's W in the top layer.

    Parameters
    ----------
    cell
        A name in ``unrolled.GATES``.
    weights
        State dict of a torch.nn.RNN, LSTM or GRU.

    Returns
    -------
    dict
        By the gate's name, in the order of ``unrolled.GATES``.
    """
    blocks = weights[f"weight_hh_l{layer_count(weights) - 1}"].double().chunk(len(GATES[cell]))
    return {
        gate: float(torch.linalg.eigvals(block).abs().max())
        for gate, block in zip(GATES[cell], blocks, strict=True)
    }
