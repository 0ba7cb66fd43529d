"""The loss of a visit's labels against its formula, term by term, and in chunks against torch."""

from typing import Any

import numpy as np
import pytest
import torch

from visitseq.models import chunked_losses as chunked
from visitseq.models.chunked_losses import chunked_losses
from visitseq.models.label_losses import LOSSES, label_losses, label_slopes

VISITS: list[list[int]] = [[0], [1, 3], [], [0, 1, 2, 3, 4], [4], [2, 4], []]
LABELS = torch.tensor([label for visit in VISITS for label in visit])
OFFSETS = torch.tensor(np.cumsum([0, *map(len, VISITS)]))
WIDTH, HIDDEN = 5, 3


def numbers(seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(len(VISITS), WIDTH, dtype=torch.float64, generator=draw)


def plain_loss(row: list[float], held: list[int], loss: str) -> float:
    """The formulas of label_losses' docstring, one label at a time."""
    o = np.array(row)
    p = 1 / (1 + np.exp(-o)) if loss == "sigmoid" else np.exp(o) / np.exp(o).sum()
    total = sum(-np.log(p[label]) for label in held)
    if loss != "multinomial":
        total += sum(-np.log(1 - p[label]) for label in range(len(o)) if label not in held)
    return float(total) if held else 0.0


Head = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def head(dtype: torch.dtype = torch.float64) -> Head:
    """States, weight and bias."""
    draw = torch.Generator().manual_seed(1)

    def value(*shape: int) -> torch.Tensor:
        made = torch.randn(shape, dtype=torch.float64, generator=draw).to(dtype)
        return made.requires_grad_(dtype == torch.float64)

    return value(len(VISITS), HIDDEN), value(WIDTH, HIDDEN), value(WIDTH)


def dense(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, loss: str) -> Any:
    return label_losses(states @ weight.T + bias, LABELS, OFFSETS, loss)


@pytest.mark.parametrize("loss", LOSSES)
def test_each_visits_loss_is_the_formulas(loss: str) -> None:
    found = label_losses(numbers(), LABELS, OFFSETS, loss)
    expected = [plain_loss(*pair, loss) for pair in zip(numbers().tolist(), VISITS, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_slopes_are_those_of_autograd(loss: str) -> None:
    o = numbers().requires_grad_()
    (expected,) = torch.autograd.grad(label_losses(o, LABELS, OFFSETS, loss).sum(), o)
    found = label_slopes(numbers(), LABELS, OFFSETS, loss)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_sure_and_wrong_stays_finite(loss: str) -> None:
    """Label 0 is not held and gets all of the probability."""
    row, held, ends = torch.tensor([[200.0, 0.0]]), torch.tensor([1]), torch.tensor([0, 1])
    assert label_losses(row, held, ends, loss).isfinite().all()
    slopes = label_slopes(row.clone(), held, ends, loss)
    assert slopes.isfinite().all()
    assert slopes[0, 0] > 0 > slopes[0, 1]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cells", [1, 2 * WIDTH, 1000])
def test_chunks_of_any_size_give_the_dense_loss_and_its_gradients(
    monkeypatch: pytest.MonkeyPatch, loss: str, cells: int
) -> None:
    monkeypatch.setattr(chunked, "CELLS", cells)
    weights = torch.linspace(-1, 2, len(VISITS), dtype=torch.float64)
    one, two = head(), head()
    found, expected = chunked_losses(*one, LABELS, OFFSETS, loss=loss), dense(*two, loss)
    np.testing.assert_allclose(found.detach(), expected.detach(), rtol=1e-12)
    torch.autograd.backward([(found * weights).sum(), (expected * weights).sum()])
    for name, left, right in zip(("states", "weight", "bias"), one, two, strict=True):
        assert left.grad is not None, name
        torch.testing.assert_close(left.grad, right.grad)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_central_differences(
    monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    monkeypatch.setattr(chunked, "CELLS", 3 * WIDTH)

    def losses(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return chunked_losses(states, weight, bias, LABELS, OFFSETS, loss=loss)

    assert torch.autograd.gradcheck(losses, head())


def test_single_precision_agrees_and_a_visit_does_not_depend_on_its_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = head(torch.float32)
    found = []
    for cells in (WIDTH, 2 * WIDTH, 100):
        monkeypatch.setattr(chunked, "CELLS", cells)
        found.append(chunked_losses(*own, LABELS, OFFSETS, loss="paper"))
    np.testing.assert_allclose(found[0], dense(*head(), "paper").detach(), rtol=1e-4)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-6)


def test_no_more_numbers_than_a_chunks_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is made on the way, no tensor is larger than the states are."""
    seen: list[int] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            made = func(*args, **(kwargs or {}))
            seen.extend(
                v.numel() for v in torch.utils._pytree.tree_leaves(made) if torch.is_tensor(v)
            )
            return made

    monkeypatch.setattr(chunked, "CELLS", 4 * WIDTH)
    visits = 200
    states = torch.randn(visits, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(WIDTH, 2, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(WIDTH, dtype=torch.float64, requires_grad=True)
    with Watch():  # type: ignore[no-untyped-call]
        held, ends = torch.zeros(visits, dtype=torch.long), torch.arange(visits + 1)
        loss = chunked_losses(states, weight, bias, held, ends, loss="paper")
        torch.autograd.backward(loss.sum())
    assert max(seen) <= 2 * visits  # as many as the states are
    assert max(seen) < WIDTH * visits
