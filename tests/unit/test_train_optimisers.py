"""Steps of the optimisers, held to torch's own on dense gradients."""

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from visitseq.train.optimiser import Optimiser, cut_norm
from visitseq.train.ranks import Ranks
from visitseq.train.schedule import learning_rate

CODES, WIDTH = 9, 3
Dense = Callable[[list[nn.Parameter], float], torch.optim.Optimizer]
DENSE: dict[str, Dense] = {
    "adam": lambda weights, rate: torch.optim.Adam(weights, lr=rate),
    "adadelta": lambda weights, rate: torch.optim.Adadelta(weights, lr=rate, rho=0.95, eps=1e-6),
    "sgd": lambda weights, rate: torch.optim.SGD(weights, lr=rate),
}


class Bag(nn.Module):
    """Codes in, a number a bag out."""

    def __init__(self, *, sparse: bool, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.embed = nn.EmbeddingBag(CODES, WIDTH, mode="sum", sparse=sparse, dtype=dtype)
        self.head = nn.Linear(WIDTH, 1, dtype=dtype)
        self.unused = nn.Parameter(torch.ones(2, dtype=dtype))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.head(torch.tanh(self.embed(codes)))
        return values.squeeze(-1)


def pair(dtype: torch.dtype = torch.float64) -> tuple[Bag, Bag]:
    """Two networks of the same weights: the first's table has sparse gradients."""
    torch.manual_seed(3)
    ours, dense = Bag(sparse=True, dtype=dtype), Bag(sparse=False, dtype=dtype)
    dense.load_state_dict(ours.state_dict())
    return ours, dense


def backward(network: Bag, codes: torch.Tensor, targets: torch.Tensor) -> None:
    network.zero_grad()
    loss = functional.mse_loss(network(codes), targets.to(network.unused.dtype))
    torch.autograd.backward(loss)


def batches(steps: int, *, every: bool, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random bags of codes with their targets; with ``every``, each batch holds every code."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(steps):
        codes = draw.integers(0, CODES if every else 4, size=(12, 2))
        codes[:CODES, 0] = np.arange(CODES) if every else codes[:CODES, 0]
        found.append((torch.from_numpy(codes), torch.from_numpy(draw.normal(size=12))))
    return found


def run(ours: Bag, optimiser: Optimiser, data: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    for codes, targets in data:
        optimiser.clear()
        backward(ours, codes, targets)
        optimiser.step(0.05, Ranks())


def assert_close(ours: nn.Module, other: nn.Module) -> None:
    for name, weight in ours.state_dict().items():
        torch.testing.assert_close(weight, other.state_dict()[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "every"),
    [("adam", True), ("adadelta", True), ("sgd", True), ("sgd", False)],
)
def test_where_every_code_is_in_every_batch_it_is_torchs_dense_optimiser_and_sgd_always(
    name: str, every: bool
) -> None:
    (ours, dense), data = pair(), batches(20, every=every)
    reference = DENSE[name](list(dense.parameters()), 0.05)
    for codes, targets in data:
        backward(dense, codes, targets)
        dense.unused.grad = torch.zeros_like(dense.unused)
        reference.step()
    run(ours, Optimiser(ours, name), data)
    assert_close(ours, dense)


@pytest.mark.parametrize("name", DENSE)
def test_dense_parameters_take_torchs_steps_to_the_last_bit(name: str) -> None:
    ours = nn.Linear(5, 3)
    other = copy.deepcopy(ours)
    optimiser, reference = Optimiser(ours, name), DENSE[name]([*other.parameters()], 0.05)
    for inputs in torch.from_numpy(np.random.default_rng(2).normal(size=(30, 4, 5))).float():
        for network in (ours, other):
            network.zero_grad()
            network(inputs).square().sum().backward()
        optimiser.step(0.05, Ranks())
        reference.step()
    assert all(map(torch.equal, ours.parameters(), other.parameters()))
    remembered = reference.state_dict()["state"]
    expected = {
        f"dense.{n}.{key}": v
        for n, of in remembered.items()
        for key, v in of.items()
        if v is not None
    }
    assert optimiser.state().keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in optimiser.state().items())


@pytest.mark.parametrize("name", ["adam", "adadelta"])
def test_a_row_moves_as_if_the_batches_without_it_had_not_been(name: str) -> None:
    """The table alone: the batches that hold code 8 are the dense optimiser's only batches."""
    draw = np.random.default_rng(1)
    ours, _ = pair()
    dense = nn.Parameter(ours.embed.weight.detach()[8:].clone())
    optimiser = Optimiser(ours, name)
    reference = DENSE[name]([dense], 0.05)
    for step in range(30):
        code, gradient = (8, 0)[step % 3 > 0], torch.from_numpy(draw.normal(size=(1, WIDTH)))
        optimiser.clear()
        (ours.embed(torch.tensor([[code]])) * gradient).sum().backward()
        optimiser.step(0.05, Ranks())
        if code == 8:
            dense.grad = gradient
            reference.step()
    torch.testing.assert_close(ours.embed.weight[8:], dense, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", DENSE)
def test_rows_that_were_not_touched_keep_their_bytes(name: str) -> None:
    ours, _ = pair(torch.float32)
    optimiser = Optimiser(ours, name)
    run(ours, optimiser, batches(5, every=True))  # every row has moments by now
    before = copy.deepcopy({"weight": ours.embed.weight.detach(), **optimiser.state()})
    run(ours, optimiser, batches(5, every=False))
    after = {"weight": ours.embed.weight.detach(), **optimiser.state()}
    of_rows = [key for key in before if key == "weight" or key.startswith("table.")]
    assert len(of_rows) == {"sgd": 1, "adam": 4, "adadelta": 3}[name]
    for key in of_rows:
        assert before[key][4:].numpy().tobytes() == after[key][4:].numpy().tobytes(), key
        assert (before[key][:4] != after[key][:4]).any(), key


@pytest.mark.parametrize("name", DENSE)
def test_an_optimiser_goes_on_from_its_state(name: str) -> None:
    data = batches(12, every=False)
    ours, _ = pair(torch.float32)
    optimiser = Optimiser(ours, name)
    run(ours, optimiser, data[:6])
    other, state = copy.deepcopy(ours), copy.deepcopy(optimiser.state())
    run(ours, optimiser, data[6:])
    again = Optimiser(other, name)
    again.load_state(state)
    run(other, again, data[6:])
    for key, weight in ours.state_dict().items():
        assert torch.equal(weight, other.state_dict()[key]), key


def test_the_norm_is_that_of_all_gradients_together() -> None:
    ours, dense = pair()
    codes, targets = batches(1, every=False)[0]
    before = copy.deepcopy(ours)
    backward(ours, codes, targets)
    Optimiser(ours, "sgd", gradient_norm=0.01).step(1.0, Ranks())
    backward(dense, codes, targets)
    norm = torch.nn.utils.clip_grad_norm_(dense.parameters(), 0.01)
    assert norm > 0.02
    moved = 0.0
    for name, weight in dense.named_parameters():
        if weight.grad is not None:
            step = before.state_dict()[name] - ours.state_dict()[name]
            # torch divides by the norm + 1e-6.
            torch.testing.assert_close(step, weight.grad, rtol=1e-4, atol=1e-9)
            moved += step.square().sum().item()
    assert math.sqrt(moved) == pytest.approx(0.01)


def test_a_short_gradient_is_not_cut() -> None:
    gradients = [torch.tensor([3.0]), torch.tensor([[4.0]])]
    cut_norm(gradients, 5.0)
    assert [gradient.item() for gradient in gradients] == [3.0, 4.0]
    cut_norm(gradients, 2.5)
    assert [gradient.item() for gradient in gradients] == [1.5, 2.0]


def test_frozen_weights_stay() -> None:
    ours, _ = pair()
    ours.embed.weight.requires_grad_(False)
    ours.head.bias.requires_grad_(False)
    before = copy.deepcopy(ours.state_dict())
    run(ours, Optimiser(ours, "adam"), batches(3, every=True))
    moved = {name for name, w in ours.state_dict().items() if (w != before[name]).any()}
    assert moved == {"head.weight"}


def test_a_table_of_which_the_batch_holds_nothing_stays() -> None:
    ours, _ = pair()
    before = ours.embed.weight.detach().clone()
    optimiser = Optimiser(ours, "adam")
    ours.head(torch.ones(1, WIDTH, dtype=torch.float64)).sum().backward()
    optimiser.step(0.05, Ranks())
    assert torch.equal(ours.embed.weight, before)


def test_the_rate_falls_as_torchs_cosine() -> None:
    weight = nn.Parameter(torch.zeros(1))
    sgd = torch.optim.SGD([weight], lr=0.3)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=10)
    for epoch in range(10):
        expected = sgd.param_groups[0]["lr"]
        assert learning_rate("cosine", 0.3, [1.0] * epoch, 10) == pytest.approx(expected)
        sgd.step()
        reference.step()


def test_the_rate_is_halved_as_by_torchs_plateau() -> None:
    losses = np.random.default_rng(4).integers(0, 30, size=60).tolist()
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    # torch waits for more than `patience` epochs; its threshold is relative.
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        sgd, factor=0.5, patience=1, threshold=0.0, min_lr=0.0, eps=0.0
    )
    for epoch, loss in enumerate(losses):
        assert learning_rate("plateau", 0.3, losses[:epoch], 60) == sgd.param_groups[0]["lr"]
        reference.step(loss)
    assert learning_rate("plateau", 0.3, losses, 60) < 0.3 / 1000


def test_a_constant_rate_is_one() -> None:
    assert {learning_rate("constant", 0.3, [1.0] * epoch, 10) for epoch in range(10)} == {0.3}
