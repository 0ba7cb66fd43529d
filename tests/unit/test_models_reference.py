"""The reference networks against torch.autograd, torch.nn and central differences.

The equations are written a second time below, in torch, whose autograd knows nothing of the
gradients that the reference spells out. That these equations are the usual ones is shown by
torch.nn's own cells.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from visitseq.models.reference import bidirectional as birnn
from visitseq.models.reference import (
    cells,
    encoder_decoder,
    from_torch,
    gru,
    losses,
    lstm,
    network,
    rnn,
)
from visitseq.models.reference.bidirectional import Bidirectional
from visitseq.models.reference.cells import Cell
from visitseq.models.reference.encoder_decoder import EncoderDecoder
from visitseq.models.reference.gru import GRU, GRUResetAfter, GRUTrace
from visitseq.models.reference.losses import Loss
from visitseq.models.reference.lstm import LSTM, LSTMTrace
from visitseq.models.reference.network import EVERY_STEP, LAST_STEP, Network
from visitseq.models.reference.output import Output
from visitseq.models.reference.rnn import RNN, RNNTrace

Floats = npt.NDArray[np.float64]
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Sizes:
    """A random case: sizes of a network, length of what it reads and of what it writes."""

    seed: int = 0
    visits: int = 3
    inputs: int = 3
    hidden: int = 2
    labels: int = 4
    written: int = 2


sizes = st.builds(
    Sizes,
    seed=st.integers(0, 10_000),
    visits=st.integers(0, 6),
    inputs=st.integers(1, 4),
    hidden=st.integers(1, 4),
    labels=st.integers(1, 4),
    written=st.integers(0, 4),
)
random_shapes = settings(deadline=None, max_examples=12)


# The equations once more, in torch.


def rnn_step(w: Tensors, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    return (torch.tanh(w["U"] @ x + w["W"] @ h + w["b1"]),)


def lstm_step(w: Tensors, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    forget, let_in, new, show = (w[f"U_{g}"] @ x + w[f"W_{g}"] @ h + w[f"b_{g}"] for g in "fico")
    c = torch.sigmoid(forget) * c + torch.sigmoid(let_in) * torch.tanh(new)
    return torch.sigmoid(show) * torch.tanh(c), c


def gru_step(w: Tensors, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    z, r = (torch.sigmoid(w[f"U_{g}"] @ x + w[f"W_{g}"] @ h + w[f"b_{g}"]) for g in "zr")
    seen = r * (w["W_h"] @ h + w["c_h"]) if "c_h" in w else w["W_h"] @ (r * h)
    return (z * h + (1 - z) * torch.tanh(w["U_h"] @ x + seen + w["b_h"]),)


STEPS: dict[type, Callable[..., tuple[Tensor, ...]]] = {
    RNN: rnn_step,
    LSTM: lstm_step,
    GRU: gru_step,
    GRUResetAfter: gru_step,
}
TORCH_LOSSES: dict[Loss, Callable[..., Tensor]] = {
    losses.softmax: F.cross_entropy,
    losses.logistic: F.binary_cross_entropy_with_logits,
}
every_cell = pytest.mark.parametrize("kind", list(STEPS))
every_loss = pytest.mark.parametrize("loss", list(TORCH_LOSSES))


def slow_states(
    kind: type, w: Tensors, x: Tensor, start: tuple[Tensor, ...]
) -> list[tuple[Tensor, ...]]:
    """State before the first visit, after it, …, after the last."""
    states = [start]
    for visit in x:
        states.append(STEPS[kind](w, visit, *states[-1]))
    return states


def stacked(states: list[tuple[Tensor, ...]], hidden: int) -> Tensor:
    """The h of some states, shape (states, hidden)."""
    return torch.stack([h for h, *_ in states]) if states else torch.zeros(0, hidden).double()


def slow_loss(loss: Loss, w: Tensors, h: Tensor, y: Floats) -> Tensor:
    o = h @ w["V"].T + w["b2"]
    return TORCH_LOSSES[loss](o, torch.from_numpy(y), reduction="sum")


# Random weights and sequences.


def random_cell(kind: type, inputs: int, hidden: int, rng: np.random.Generator) -> Any:
    shapes = {"U": (hidden, inputs), "W": (hidden, hidden), "b": (hidden,), "c": (hidden,)}
    return kind(*(rng.normal(size=shapes[field.name[0]]) for field in fields(kind)))


def random_output(labels: int, hidden: int, rng: np.random.Generator) -> Output:
    return Output(rng.normal(size=(labels, hidden)), rng.normal(size=labels))


def random_labels(steps: int, labels: int, rng: np.random.Generator) -> Floats:
    return rng.integers(0, 2, size=(steps, labels)).astype(np.float64)


def zeros(kind: type, hidden: int) -> tuple[Tensor, ...]:
    return (torch.zeros(hidden).double(),) * (2 if kind is LSTM else 1)


def arrays(weights: Any) -> dict[str, Floats]:
    """All arrays of nested weights by their dotted names."""
    found: dict[str, Floats] = {}
    for field in fields(weights):
        value = getattr(weights, field.name)
        own = arrays(value) if is_dataclass(value) else {"": value}
        found |= {f"{field.name}.{name}".rstrip("."): array for name, array in own.items()}
    return found


def leaves(**found: Any) -> Tensors:
    """The arrays as tensors that autograd follows; nested weights by their dotted names."""
    tensors: Tensors = {}
    for name, value in found.items():
        own = arrays(value) if is_dataclass(value) else {"": value}
        tensors |= {f"{name}.{part}".rstrip("."): torch.tensor(a) for part, a in own.items()}
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def under(prefix: str, tensors: Tensors) -> Tensors:
    start = f"{prefix}."
    return {n.removeprefix(start): tensor for n, tensor in tensors.items() if n.startswith(start)}


def assert_gradients(found: dict[str, Floats], tensors: Tensors) -> None:
    """Equal to autograd's to 1e-10; a tensor that the loss never met has gradient 0."""
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        expected = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        assert found[name].shape == expected.shape
        np.testing.assert_allclose(found[name], expected, rtol=1e-10, atol=1e-10, err_msg=name)


def named(**found: Any) -> dict[str, Floats]:
    """Gradients by the names that ``leaves`` gives."""
    return {name: tensor.detach().numpy() for name, tensor in leaves(**found).items()}


# Against autograd.


@every_cell
@given(sizes)
@random_shapes
def test_a_cell_s_gradients_are_autograd_s(kind: type, case: Sizes) -> None:
    """From any initial state, whatever is asked of every state and of the last."""
    rng = np.random.default_rng(case.seed)
    cell = random_cell(kind, case.inputs, case.hidden, rng)
    x = rng.normal(size=(case.visits, case.inputs))
    start = tuple(rng.normal(size=case.hidden) for _ in zeros(kind, case.hidden))
    asked = rng.normal(size=(case.visits + 1, case.hidden))
    asked_last = tuple(rng.normal(size=case.hidden) for _ in start)

    trace = cells.forward(cell, x, start)
    found = cells.backward(trace, asked, asked_last)

    tensors = leaves(cell=cell, x=x, **{f"start{i}": s for i, s in enumerate(start)})
    begin = tuple(tensors[f"start{i}"] for i in range(len(start)))
    states = slow_states(kind, under("cell", tensors), tensors["x"], begin)
    h = stacked(states, case.hidden)
    np.testing.assert_allclose(trace.h, h.detach().numpy(), rtol=1e-12, atol=1e-12)
    total = (h * torch.from_numpy(asked)).sum()
    for part, wanted in zip(states[-1], asked_last, strict=True):
        total = total + (part * torch.from_numpy(wanted)).sum()
    torch.autograd.backward(total)
    starts = {f"start{i}": s for i, s in enumerate(found.start)}
    assert_gradients(named(cell=found.cell, x=found.x, **starts), tensors)


@every_cell
@every_loss
@pytest.mark.parametrize("steps", [EVERY_STEP, LAST_STEP], ids=["every_step", "last_step"])
@given(sizes)
@random_shapes
def test_a_network_s_gradients_are_autograd_s(
    steps: slice, loss: Loss, kind: type, case: Sizes
) -> None:
    rng = np.random.default_rng(case.seed)
    weights = Network(
        random_cell(kind, case.inputs, case.hidden, rng),
        random_output(case.labels, case.hidden, rng),
    )
    x = rng.normal(size=(case.visits, case.inputs))
    y = random_labels(len(range(case.visits + 1)[steps]), case.labels, rng)

    trace = network.forward(weights, x, y, loss=loss, steps=steps)
    found = network.backward(trace)

    tensors = leaves(network=weights, x=x)
    begin = zeros(kind, case.hidden)
    states = slow_states(kind, under("network.cell", tensors), tensors["x"], begin)
    h = stacked(states[steps], case.hidden)
    total = slow_loss(loss, under("network.output", tensors), h, y)
    torch.autograd.backward(total)
    assert trace.outputs.loss == pytest.approx(total.item(), rel=1e-12, abs=1e-12)
    assert_gradients(named(network=found.network, x=found.x), tensors)


@every_cell
@every_loss
@given(sizes)
@random_shapes
def test_a_bidirectional_network_s_gradients_are_autograd_s(
    loss: Loss, kind: type, case: Sizes
) -> None:
    rng = np.random.default_rng(case.seed)
    weights = Bidirectional(
        random_cell(kind, case.inputs, case.hidden, rng),
        random_cell(kind, case.inputs, case.hidden, rng),
        random_output(case.labels, 2 * case.hidden, rng),
    )
    x = rng.normal(size=(case.visits, case.inputs))
    y = random_labels(1, case.labels, rng)

    trace = birnn.forward(weights, x, y, loss=loss)
    found = birnn.backward(trace)

    tensors = leaves(network=weights, x=x)
    ahead = slow_states(
        kind, under("network.ahead", tensors), tensors["x"], zeros(kind, case.hidden)
    )
    back = slow_states(
        kind, under("network.back", tensors), tensors["x"].flip(0), zeros(kind, case.hidden)
    )
    both = torch.cat([ahead[-1][0], back[-1][0]])[None]
    total = slow_loss(loss, under("network.output", tensors), both, y)
    torch.autograd.backward(total)
    assert trace.outputs.loss == pytest.approx(total.item(), rel=1e-12, abs=1e-12)
    assert_gradients(named(network=found.network, x=found.x), tensors)


@every_cell
@every_loss
@given(sizes)
@random_shapes
def test_an_encoder_decoder_s_gradients_are_autograd_s(loss: Loss, kind: type, case: Sizes) -> None:
    rng = np.random.default_rng(case.seed)
    weights = EncoderDecoder(
        random_cell(kind, case.inputs, case.hidden, rng),
        random_cell(kind, case.labels, case.hidden, rng),
        random_output(case.labels, case.hidden, rng),
    )
    x = rng.normal(size=(case.visits, case.inputs))
    y = random_labels(case.written, case.labels, rng)

    trace = encoder_decoder.forward(weights, x, y, loss=loss)
    found = encoder_decoder.backward(trace)

    tensors = leaves(network=weights, x=x)
    read = slow_states(
        kind, under("network.encoder", tensors), tensors["x"], zeros(kind, case.hidden)
    )
    fed = torch.tensor([[0.0] * case.labels, *y.tolist()]).double()[: case.written]
    wrote = slow_states(kind, under("network.decoder", tensors), fed, read[-1])
    h = stacked(wrote[1:], case.hidden)
    total = slow_loss(loss, under("network.output", tensors), h, y)
    torch.autograd.backward(total)
    assert trace.outputs.loss == pytest.approx(total.item(), rel=1e-12, abs=1e-12)
    assert_gradients(named(network=found.network, x=found.x), tensors)


# By central differences.

#: One label at each of three steps.
CAME_TRUE = np.eye(4)[[1, 3, 0]]


def central_differences(loss: Callable[[], float], values: dict[str, Floats]) -> dict[str, Floats]:
    """(L(w + e) - L(w - e)) / 2e for each number of the arrays, which are changed in place."""
    return {name: np.array([*slopes(loss, a)]).reshape(a.shape) for name, a in values.items()}


def slopes(loss: Callable[[], float], array: Floats, width: float = 1e-5) -> Iterator[float]:
    for place, value in enumerate(array.flat):
        array.flat[place] = value + width
        above = loss()
        array.flat[place] = value - width
        below = loss()
        array.flat[place] = value
        yield (above - below) / (2 * width)


def assert_slopes(loss: Callable[[], float], weights: Any, x: Floats, gradients: Any) -> None:
    expected = central_differences(loss, arrays(weights) | {"x": x})
    found = arrays(gradients.network) | {"x": gradients.x}
    assert found.keys() == expected.keys()
    for name, slope in expected.items():
        np.testing.assert_allclose(found[name], slope, rtol=1e-6, atol=1e-8, err_msg=name)
        assert np.any(np.abs(slope) > 1e-4), f"{name}: the case tests nothing"


@every_cell
@every_loss
@pytest.mark.parametrize("steps", [EVERY_STEP, LAST_STEP], ids=["every_step", "last_step"])
def test_a_network_s_gradients_are_slopes(steps: slice, loss: Loss, kind: type) -> None:
    rng = np.random.default_rng(1)
    weights = Network(random_cell(kind, 3, 2, rng), random_output(4, 2, rng))
    x = rng.normal(size=(3, 3))
    y = CAME_TRUE[-1:] if steps == LAST_STEP else CAME_TRUE
    trace = network.forward(weights, x, y, loss=loss, steps=steps)

    def total() -> float:
        return network.forward(weights, x, y, loss=loss, steps=steps).outputs.loss

    assert_slopes(total, weights, x, network.backward(trace))


@every_cell
@every_loss
def test_a_bidirectional_network_s_gradients_are_slopes(loss: Loss, kind: type) -> None:
    rng = np.random.default_rng(1)
    ahead, back = random_cell(kind, 3, 2, rng), random_cell(kind, 3, 2, rng)
    weights = Bidirectional(ahead, back, random_output(4, 4, rng))
    x, y = rng.normal(size=(3, 3)), CAME_TRUE[-1:]
    trace = birnn.forward(weights, x, y, loss=loss)

    def total() -> float:
        return birnn.forward(weights, x, y, loss=loss).outputs.loss

    assert_slopes(total, weights, x, birnn.backward(trace))


@every_cell
@every_loss
def test_an_encoder_decoder_s_gradients_are_slopes(loss: Loss, kind: type) -> None:
    rng = np.random.default_rng(1)
    encoder, decoder = random_cell(kind, 3, 2, rng), random_cell(kind, 4, 2, rng)
    weights = EncoderDecoder(encoder, decoder, random_output(4, 2, rng))
    x, y = rng.normal(size=(3, 3)), CAME_TRUE
    trace = encoder_decoder.forward(weights, x, y, loss=loss)

    def total() -> float:
        return encoder_decoder.forward(weights, x, y, loss=loss).outputs.loss

    assert_slopes(total, weights, x, encoder_decoder.backward(trace))


# Against torch.nn.

FROM_TORCH: dict[Callable[..., nn.Module], Callable[..., Cell]] = {
    nn.RNN: from_torch.rnn,
    nn.LSTM: from_torch.lstm,
    nn.GRU: from_torch.gru,
}
every_torch_cell = pytest.mark.parametrize("torch_cell", list(FROM_TORCH))


def numbers(module: nn.Module) -> dict[str, Floats]:
    return {name: value.detach().numpy() for name, value in module.state_dict().items()}


@every_torch_cell
@given(sizes.filter(lambda case: case.visits > 0))
@random_shapes
def test_states_are_those_of_torch_nn(torch_cell: Callable[..., nn.Module], case: Sizes) -> None:
    torch.manual_seed(case.seed)
    module = torch_cell(case.inputs, case.hidden).double()
    cell = FROM_TORCH[torch_cell](numbers(module))
    x = torch.randn(case.visits, case.inputs).double()
    start = tuple(torch.randn(1, case.hidden).double() for _ in cells.initial_state(cell))
    with torch.no_grad():
        h, last = module(x, start if torch_cell is nn.LSTM else start[0])
    trace = cells.forward(cell, x.numpy(), tuple(state[0].numpy() for state in start))
    np.testing.assert_allclose(trace.h[1:], h.numpy(), rtol=1e-12, atol=1e-12)
    last = last if torch_cell is nn.LSTM else (last,)
    for own, theirs in zip(cells.last_state(trace), last, strict=True):
        np.testing.assert_allclose(own, theirs[0].numpy(), rtol=1e-12, atol=1e-12)


@every_torch_cell
def test_bidirectional_states_are_those_of_torch_nn(torch_cell: Callable[..., nn.Module]) -> None:
    """On sequences of unequal length: the last state is that of a row's own last visit."""
    torch.manual_seed(5)
    module = torch_cell(3, 2, bidirectional=True).double()
    rows = [torch.randn(visits, 3).double() for visits in (4, 1, 6)]
    with torch.no_grad():
        packed, last = module(nn.utils.rnn.pack_sequence(rows, enforce_sorted=False))
    padded, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    last_h = last[0] if torch_cell is nn.LSTM else last  # (directions, rows, hidden)

    load, weights = FROM_TORCH[torch_cell], numbers(module)
    both = Bidirectional(
        load(weights), load(weights, "l0_reverse"), Output(np.ones((1, 4)), np.ones(1))
    )
    for place, x in enumerate(rows):
        trace = birnn.forward(both, x.numpy(), np.ones((1, 1)), loss=losses.logistic)
        expected = padded[place, : len(x)].numpy()
        np.testing.assert_allclose(trace.h, expected, rtol=1e-12, atol=1e-12)
        expected = last_h[:, place].reshape(1, -1).numpy()
        np.testing.assert_allclose(trace.outputs.h, expected, rtol=1e-12, atol=1e-12)


# Special cases.


@every_cell
def test_without_visits_the_score_is_that_of_the_initial_state(kind: type) -> None:
    rng = np.random.default_rng(2)
    weights = Network(random_cell(kind, 3, 2, rng), random_output(1, 2, rng))
    x, y = np.zeros((0, 3)), np.ones((1, 1))
    trace = network.forward(weights, x, y, loss=losses.logistic, steps=LAST_STEP)
    yhat = 1 / (1 + np.exp(-weights.output.b2))
    assert trace.states.h.tolist() == [[0, 0]]
    np.testing.assert_allclose(trace.outputs.scored.yhat, [yhat], rtol=1e-15)
    assert trace.outputs.loss == pytest.approx(-np.log(yhat[0]), rel=1e-14)
    gradients = arrays(network.backward(trace).network)
    np.testing.assert_allclose(gradients.pop("output.b2"), yhat - 1, rtol=1e-14)
    assert not any(gradient.any() for gradient in gradients.values())

    trace = network.forward(weights, x, y[:0], loss=losses.logistic, steps=EVERY_STEP)
    assert trace.outputs.loss == 0
    found = network.backward(trace)
    assert found.x.shape == (0, 3)
    assert not any(gradient.any() for gradient in arrays(found.network).values())


@every_cell
@every_loss
def test_at_one_visit_every_step_is_the_last_step(loss: Loss, kind: type) -> None:
    rng = np.random.default_rng(3)
    weights = Network(random_cell(kind, 3, 2, rng), random_output(4, 2, rng))
    x, y = rng.normal(size=(1, 3)), CAME_TRUE[:1]
    traces = [network.forward(weights, x, y, loss=loss, steps=s) for s in (EVERY_STEP, LAST_STEP)]
    every, last = (arrays(network.backward(trace).network) for trace in traces)
    assert traces[0].outputs.loss == traces[1].outputs.loss
    for name, gradient in every.items():
        np.testing.assert_array_equal(gradient, last[name])
        # h_0 = 0: what multiplies the state before the first visit learns nothing from it.
        assert not (name.startswith("cell.W") and gradient.any())


def test_one_visit_by_hand() -> None:
    """x = 2, U = 0.5, b1 = -1: z = 0, h = 0, f' = 1; V = 3, b2 = 0: yhat = 1/2, grad o = -1/2."""
    one = np.ones((1, 1))
    weights = Network(RNN(0.5 * one, 7 * one, -one[0]), Output(3 * one, 0 * one[0]))
    trace = network.forward(weights, 2 * one, one, loss=losses.logistic, steps=LAST_STEP)
    assert trace.outputs.loss == pytest.approx(np.log(2))
    gradients = network.backward(trace)
    # grad h = 3 * -1/2 = grad z; grad U = grad z x, grad W = grad z h_0, grad x = U grad z.
    expected = {"cell.U": -3, "cell.W": 0, "cell.b1": -1.5, "output.V": 0, "output.b2": -0.5}
    assert {n: a.item() for n, a in arrays(gradients.network).items()} == expected
    assert gradients.x.tolist() == [[-0.75]]


def test_the_two_resets_agree_where_the_product_keeps_each_number_apart() -> None:
    """With W_h diagonal and c_h = 0, r * (W_h h) = W_h (r * h); with any other W_h they differ."""
    rng = np.random.default_rng(4)
    weights = arrays(random_cell(GRU, 3, 4, rng))
    x, h_0 = rng.normal(size=(5, 3)), rng.normal(size=4)

    def states(w_h: Floats) -> tuple[Floats, Floats]:
        own = weights | {"W_h": w_h}
        before, after = GRU(**own), GRUResetAfter(**own, c_h=np.zeros(4))
        return cells.forward(before, x, (h_0,)).h, cells.forward(after, x, (h_0,)).h

    np.testing.assert_allclose(*states(np.diag(weights["W_h"].diagonal())), rtol=1e-13)
    before, after = states(weights["W_h"])
    assert np.abs(before - after).max() > 0.01


@every_loss
def test_a_sure_prediction_has_a_finite_loss(loss: Loss) -> None:
    o, y = np.array([[900.0, -900.0]]), np.array([[0.0, 1.0]])
    scored = loss(o, y)
    assert scored.yhat.tolist() == [[1, 0]]
    assert scored.L.tolist() == [1800]
    assert scored.grad_o.tolist() == [[1, -1]]


@every_cell
def test_backward_leaves_what_it_is_given(kind: type) -> None:
    rng = np.random.default_rng(7)
    cell = random_cell(kind, 3, 2, rng)
    trace = cells.forward(cell, rng.normal(size=(4, 3)), cells.initial_state(cell))
    asked, zero = np.ones((5, 2)), np.zeros(2)
    cells.backward(trace, asked, (zero, zero))
    match trace:
        case RNNTrace():
            rnn.backward(trace, asked)
        case LSTMTrace():
            lstm.backward(trace, asked, zero)
        case GRUTrace():
            gru.backward(trace, asked)
    assert (asked == 1).all()
    assert not zero.any()


def test_targets_of_another_shape_are_refused() -> None:
    rng = np.random.default_rng(6)
    weights = Network(random_cell(RNN, 3, 2, rng), random_output(4, 2, rng))
    with pytest.raises(ValueError, match=r"y has shape \(1, 4\), the outputs have \(3, 4\)"):
        network.forward(
            weights, np.zeros((3, 3)), np.ones((1, 4)), loss=losses.softmax, steps=EVERY_STEP
        )
