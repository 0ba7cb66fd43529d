"""The steps of a network: dense parameters by torch's steps, embedding tables row by row.

A table is the weight of a ``torch.nn.Embedding`` or ``EmbeddingBag`` with ``sparse=True``; see
lazy_rows.py for how its rows move. Weights that are frozen (``requires_grad=False``) stay. Before
a step the norm of the whole gradient, tables included, can be cut to ``gradient_norm`` (Pascanu et
al., ICML 2013, Algorithm 1): g <- g min(1, c / |g|).
"""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import nn

from visitseq.train.dense_steps import DenseAdadelta, DenseAdam, DenseOptimiser, DenseSGD
from visitseq.train.lazy_rows import (
    ROWS,
    RowAdadelta,
    RowAdam,
    RowOptimiser,
    RowSGD,
    add_uses,
    rows_used,
)
from visitseq.train.ranks import Ranks

#: The optimisers by name: of the dense parameters, and of a table.
OPTIMISERS: dict[
    str,
    tuple[Callable[[list[nn.Parameter]], DenseOptimiser], Callable[[torch.Tensor], RowOptimiser]],
] = {
    "adam": (DenseAdam, RowAdam),
    "adadelta": (DenseAdadelta, RowAdadelta),
    "sgd": (DenseSGD, RowSGD),
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
        self._for_dense.step(learning_rate)
        for table, of_table, total in zip(self._for_tables, rows, sums, strict=True):
            for some, gradient in zip(
                torch.split(of_table, ROWS), torch.split(total, ROWS), strict=True
            ):
                table.step(some, gradient, learning_rate)

    def state(self) -> dict[str, torch.Tensor]:
        """What it remembers, as flat names: of dense parameters and of tables, by number."""
        return {
            **{
                f"dense.{place}.{key}": value
                for key, values in self._for_dense.state.items()
                for place, value in enumerate(values)
            },
            **{
                f"table.{place}.{key}": value
                for place, table in enumerate(self._for_tables)
                for key, value in table.state.items()
            },
        }

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Remember what ``state`` returned."""
        for name, value in self.state().items():
            value.copy_(state[name])


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
