"""Give a network the weights of another that knows other codes.

All weights are carried over as they are but those with a row for each code (or label), of which
each row has an origin (known.py): a row of the source's, or none, and then it stays as the network
was made, fresh.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn


def graft(
    network: nn.Module,
    source: Mapping[str, torch.Tensor],
    origins: Mapping[str, npt.NDArray[np.intp]],
) -> None:
    """Give ``network``, as it was made, the weights ``source``.

    Parameters
    ----------
    network
        Of the same settings as the source's; changed in place.
    source
        The source's weights by name.
    origins
        For each weight with a row a code, the source's row from which each row starts, -1 for none;
        shape (codes,). Rows beyond these stay (a network that knows no code has one all the same).
    """
    weights = dict(source)
    for name, origin in origins.items():
        rows = network.get_parameter(name).detach().clone()
        carried = torch.from_numpy(np.flatnonzero(origin >= 0))
        rows[carried] = source[name][torch.from_numpy(origin[origin >= 0])]
        weights[name] = rows
    network.load_state_dict(weights)


def freeze_but(network: nn.Module, layers: list[nn.Module]) -> None:
    """Freeze all weights of ``network`` but those of ``layers``."""
    network.requires_grad_(False)
    for layer in layers:
        layer.requires_grad_(True)
