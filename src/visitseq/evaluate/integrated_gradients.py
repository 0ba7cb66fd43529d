r"""What each code of each visit adds to a network's logit, by integrated gradients.

With e = (e_1, …, e_T) the embedded visits of a row, e_t the sum of the vectors of its codes, and
F(e) the network's logit with everything else as it is (the days beside the visits among it), the
attribution of code j in visit t is its vector times the gradient at e_t, averaged over the straight
path from visits without codes (e = 0) to the row as it is:

    a_tj = v_j . integral from 0 to 1 of dF/de_t (alpha e) d alpha

(Sundararajan, Taly and Yan, ICML 2017;70:3319, equation 1, with the embedded visits as the input.)
Completeness: what the codes of a row are given adds up to what they change,

    sum over t, j of a_tj = F(e) - F(0)

The integral is taken by Gauss and Legendre's rule, which is exact for polynomials of a degree below
twice the number of points; what it misses is the ``gap``, the difference between the two sides.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from visitseq.models.batches import Batch
from visitseq.models.networks import Network

#: Points on the path.
POINTS = 32


class Attributions(NamedTuple):
    """What the codes of a batch add to the logits of its rows.

    Attributes
    ----------
    codes
        Attribution of each code, in the order of ``batch.codes``, float64, shape (codes,).
    gaps
        Change of each row's logit that the attributions don't add up to, shape (rows,).
    """

    codes: npt.NDArray[np.float64]
    gaps: npt.NDArray[np.float64]


def integrated_gradients(network: Network, batch: Batch, points: int = POINTS) -> Attributions:
    """Attribute the logits of ``batch`` to its codes; leaves the network in evaluation mode.

    Parameters
    ----------
    network
        Maps a batch to one logit a row, and embeds the visits by its ``embed``, an embedding bag.
    batch
        The rows.
    points
        Points at which the gradient is taken.
    """
    network.eval()
    if not len(batch.codes):
        return Attributions(np.empty(0), np.zeros(len(batch.ranks)))
    embedded = network.embed(batch.codes, batch.code_offsets).detach()
    at, weights = np.polynomial.legendre.leggauss(points)
    gradient = torch.zeros_like(embedded, dtype=torch.float64)
    for place, weight in zip((1 + at) / 2, weights / 2, strict=True):
        gradient += weight * _gradient(network, batch, embedded * place)
    visits = torch.repeat_interleave(batch.code_offsets.diff())
    codes = (network.embed.weight.detach()[batch.codes].double() * gradient[visits]).sum(1)
    with torch.no_grad():
        change = _logits(network, batch, embedded) - _logits(network, batch, 0 * embedded)
    given = torch.zeros_like(change, dtype=torch.float64)
    given.index_add_(0, code_rows(batch), codes)
    return Attributions(codes.numpy(), (change.double() - given).numpy())


def code_steps(batch: Batch) -> torch.Tensor:
    """Step (0, 1, …) at which each code of a batch is read, shape (codes,)."""
    steps = torch.repeat_interleave(torch.arange(len(batch.batch_sizes)), batch.batch_sizes)
    return torch.repeat_interleave(steps, batch.code_offsets.diff())


def code_rows(batch: Batch) -> torch.Tensor:
    """Row of each code of a batch, in the order in which rows were asked for, shape (codes,)."""
    ranks = [torch.arange(size) for size in batch.batch_sizes.tolist()]
    visits = torch.argsort(batch.ranks)[torch.cat([*ranks, torch.arange(0)])]
    return torch.repeat_interleave(visits, batch.code_offsets.diff())


def _gradient(network: Network, batch: Batch, embedded: torch.Tensor) -> torch.Tensor:
    """Gradient of each row's logit at its own embedded visits; rows do not meet."""
    point = embedded.requires_grad_()
    (gradient,) = torch.autograd.grad(_logits(network, batch, point).sum(), point)
    return gradient


def _logits(network: Network, batch: Batch, embedded: torch.Tensor) -> torch.Tensor:
    """Logits of ``batch`` with its embedded visits replaced, shape (rows,)."""
    replacement = network.embed.register_forward_hook(lambda *_: embedded)
    try:
        logits: torch.Tensor = network(batch)
    finally:
        replacement.remove()
    return logits
