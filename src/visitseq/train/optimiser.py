"""The steps of a network: dense parameters by torch's optimiser, embedding tables row by row.

A table is the weight of a ``torch.nn.Embedding`` or ``EmbeddingBag`` with ``sparse=True``; see
lazy_rows.py for how its rows move. Weights that are frozen (``requires_grad=False``) stay. Before
a step the norm of the whole gradient, tables included, can be cut to ``gradient_norm`` (Pascanu et
al., ICML 2013, Algorithm 1): g <- g min(1, c / |g|).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from visitseq.train.lazy_rows import (
    ADADELTA,
    ADAM,
    ROWS,
    RowAdadelta,
    RowAdam,
    RowOptimiser,
    RowSGD,
    add_uses,
    rows_used,
)
from visitseq.train.ranks import Ranks

Parameters = list[nn.Parameter]


def _adam(dense: Parameters) -> torch.optim.Optimizer:
    beta, beta_square, eps = ADAM
    return torch.optim.Adam(dense, betas=(beta, beta_square), eps=eps)


def _adadelta(dense: Parameters) -> torch.optim.Optimizer:
    rho, eps = ADADELTA
    return torch.optim.Adadelta(dense, rho=rho, eps=eps)


#: The optimisers by name: of the dense parameters, and of a table.
OPTIMISERS: dict[
    str,
    tuple[Callable[[Parameters], torch.optim.Optimizer], Callable[[torch.Tensor], RowOptimiser]],
] = {
    "adam": (_adam, RowAdam),
    "adadelta": (_adadelta, RowAdadelta),
    "sgd": (torch.optim.SGD, RowSGD),
}


class Optimiser:
    """Moves all parameters of a network that are not frozen.

    Parameters
    ----------
    network
        Its parameters are changed in place.
    name
        A name in ``OPTIMISERS``.
    gradient_norm
        Largest norm of the gradient of all parameters together; None cuts nothing.
    """

    def __init__(self, network: nn.Module, name: str, gradient_norm: float | None = None) -> None:
        make_dense, make_rows = OPTIMISERS[name]
        self.tables = [table for table in _tables(network) if table.requires_grad]
        known = {id(table) for table in _tables(network)}
        self.dense = [
            weight
            for weight in network.parameters()
            if weight.requires_grad and id(weight) not in known
        ]
        self.gradient_norm = gradient_norm
        self._for_dense = make_dense(self.dense)
        self._for_tables = [make_rows(table) for table in self.tables]

    def clear(self) -> None:
        """Forget the gradients, before the next backward pass adds its own."""
        for weight in [*self.dense, *self.tables]:
            weight.grad = None

    def step(self, learning_rate: float, ranks: Ranks) -> None:
        """Take one step down the gradients that the ranks' backward passes have left."""
        # A parameter that took no part in the batch has the gradient 0.
        for weight in self.dense:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        dense = [weight.grad for weight in self.dense if weight.grad is not None]
        rows = [ranks.any(rows_used(table)).nonzero().squeeze(1) for table in self.tables]
        sums = [add_uses(*pair) for pair in zip(self.tables, rows, strict=True)]
        ranks.add_all([*dense, *sums])
        if self.gradient_norm is not None:
            cut_norm([*dense, *sums], self.gradient_norm)
        for group in self._for_dense.param_groups:
            group["lr"] = learning_rate
        self._for_dense.step()
        for table, of_table, total in zip(self._for_tables, rows, sums, strict=True):
            for some, gradient in zip(
                torch.split(of_table, ROWS), torch.split(total, ROWS), strict=True
            ):
                table.step(some, gradient, learning_rate)

    def state(self) -> dict[str, torch.Tensor]:
        """What it remembers, as flat names: of dense parameters and of tables, by number."""
        dense = self._for_dense.state_dict()["state"]
        return {
            **{f"dense.{place}.{key}": v for place, of in dense.items() for key, v in of.items()},
            **{
                f"table.{place}.{key}": value
                for place, table in enumerate(self._for_tables)
                for key, value in table.state.items()
            },
        }

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Remember what ``state`` returned."""
        dense: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in state.items():
            kind, place, key = name.split(".")
            if kind == "dense":
                dense.setdefault(int(place), {})[key] = value
            else:
                self._for_tables[int(place)].state[key].copy_(value)
        groups: Any = self._for_dense.state_dict()["param_groups"]
        self._for_dense.load_state_dict({"state": dense, "param_groups": groups})


def cut_norm(gradients: list[torch.Tensor], largest: float) -> None:
    """Shorten ``gradients``, taken as one vector, to the length ``largest``, in place."""
    lengths = torch.stack([gradient.norm() for gradient in gradients])
    factor = (largest / lengths.norm()).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor)


def _tables(network: nn.Module) -> Iterator[torch.Tensor]:
    """The embedding tables of ``network`` whose gradients are sparse."""
    for module in network.modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            yield module.weight
