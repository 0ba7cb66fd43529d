"""Optimisers of the parameters whose whole gradient is known: torch's own steps.

torch offers a step twice: as an ``Optimizer``, and as the function that this calls. The first call
of an ``Optimizer`` imports torch's compiler, which nothing here compiles with and which takes as
long as torch itself: a second of each training. So the moments are kept here, under torch's names,
and the functions called. The steps are the same, bit by bit.
"""

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import nn
from torch.optim.adadelta import adadelta
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from visitseq.train.lazy_rows import ADADELTA, ADAM

Tensors = list[torch.Tensor]


class DenseOptimiser(Protocol):
    """Steps of some parameters, each of which has a gradient."""

    #: What it remembers, by name: a tensor for each parameter.
    state: dict[str, Tensors]

    def step(self, learning_rate: float) -> None:
        """Move the parameters down their gradients."""


class DenseSGD:
    """Plain steps, without momentum."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters: Tensors = [*parameters]
        self.state: dict[str, Tensors] = {}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move the parameters down their gradients."""
        sgd(
            self.parameters,
            _gradients(self.parameters),
            [None] * len(self.parameters),
            lr=learning_rate,
            weight_decay=0,
            momentum=0,
            dampening=0,
            nesterov=False,
            maximize=False,
        )


class DenseAdam:
    """Adam (Kingma and Ba, ICLR 2015, Algorithm 1)."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters: Tensors = [*parameters]
        self.state = _clocks(parameters) | _zeros(parameters, "exp_avg", "exp_avg_sq")

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move the parameters down their gradients."""
        beta, beta_square, eps = ADAM
        adam(
            self.parameters,
            _gradients(self.parameters),
            self.state["exp_avg"],
            self.state["exp_avg_sq"],
            [],
            self.state["step"],
            lr=learning_rate,
            beta1=beta,
            beta2=beta_square,
            eps=eps,
            weight_decay=0,
            amsgrad=False,
            maximize=False,
        )


class DenseAdadelta:
    """Adadelta (Zeiler, arXiv 1212.5701, Algorithm 1)."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters: Tensors = [*parameters]
        self.state = _clocks(parameters) | _zeros(parameters, "square_avg", "acc_delta")

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move the parameters down their gradients."""
        rho, eps = ADADELTA
        adadelta(
            self.parameters,
            _gradients(self.parameters),
            self.state["square_avg"],
            self.state["acc_delta"],
            self.state["step"],
            lr=learning_rate,
            rho=rho,
            eps=eps,
            weight_decay=0,
            maximize=False,
        )


def _zeros(parameters: Sequence[nn.Parameter], *names: str) -> dict[str, Tensors]:
    """Moments before the first step."""
    return {name: [torch.zeros_like(weight) for weight in parameters] for name in names}


def _clocks(parameters: Sequence[nn.Parameter]) -> dict[str, Tensors]:
    """Steps of each parameter so far; in the host's memory, where torch's functions want them."""
    return {"step": [torch.tensor(0.0) for _ in parameters]}


def _gradients(parameters: Tensors) -> Tensors:
    """Gradient of each parameter; none may be left out, for the moments stand in the same order."""
    return cast(Tensors, [weight.grad for weight in parameters])
