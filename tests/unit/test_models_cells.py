"""The cells that train, against torch.nn's and against the reference, however they are run."""

import copy
import dataclasses
import pickle
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from visitseq.models import GRU, LSTM, RNN, compiled, kernels, recurrence
from visitseq.models.reference import cells as reference
from visitseq.models.reference import gru as reference_gru

TORCH: dict[type, type] = {RNN: nn.RNN, GRU: nn.GRU, LSTM: nn.LSTM}
LIBRARIES = {path.name.split(".")[0]: path for path in kernels.runnable()}


@pytest.fixture(params=["stepwise", *LIBRARIES])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the recurrence in torch, or by one of the compiled libraries."""
    loaded = kernels.load(LIBRARIES[request.param]) if request.param in LIBRARIES else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "library", lambda: loaded)
        yield request.param


@dataclasses.dataclass(frozen=True)
class Case:
    """A random network and batch."""

    seed: int = 0
    inputs: int = 3
    hidden: int = 5
    layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    lengths: tuple[int, ...] = (4, 2)
    given_start: bool = True


cases = st.builds(
    Case,
    seed=st.integers(0, 10_000),
    inputs=st.integers(1, 40),
    hidden=st.sampled_from([1, 7, 16, 20, 33]),
    layers=st.integers(1, 2),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=30).map(tuple),
    given_start=st.booleans(),
)
few_examples = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
kinds = pytest.mark.parametrize(
    ("ours", "options"),
    [(RNN, {}), (RNN, {"nonlinearity": "relu"}), (GRU, {}), (LSTM, {})],
    ids=["rnn", "relu", "gru", "lstm"],
)


def pair(ours: type, case: Case, **options: Any) -> tuple[Any, Any]:
    """Our module and torch's, with the same weights."""
    sizes = {"num_layers": case.layers, "bidirectional": case.bidirectional, "bias": case.bias}
    torch.manual_seed(case.seed)
    own = ours(case.inputs, case.hidden, **sizes, **options)
    of_torch = {name: value for name, value in options.items() if name == "nonlinearity"}
    theirs = TORCH[ours](case.inputs, case.hidden, **sizes, **of_torch)
    theirs.load_state_dict(own.state_dict())
    return own, theirs


def batch(case: Case) -> tuple[list[Tensor], list[Tensor]]:
    """Sequences and first states, h and c, in the rows' own order."""
    sequences = [torch.randn(length, case.inputs) for length in case.lengths]
    places = case.layers * (2 if case.bidirectional else 1)
    return sequences, [torch.randn(places, len(sequences), case.hidden) for _ in range(2)]


def run(module: Any, case: Case, dtype: torch.dtype) -> dict[str, Tensor]:
    """Outputs, and gradients of a random sum of them with respect to all that goes in."""
    torch.manual_seed(case.seed)
    sequences, starts = batch(case)
    module = module.to(dtype)
    module.zero_grad()
    packed = pack_sequence([s.to(dtype) for s in sequences], enforce_sorted=False)
    x = packed.data.clone().requires_grad_()
    packed = PackedSequence(x, *packed[1:])
    first = [start.to(dtype).requires_grad_() for start in starts]
    begin: Any = tuple(first) if isinstance(module, nn.LSTM) else first[0]
    output, last = module(packed, begin if case.given_start else None)
    ends = last if isinstance(last, tuple) else (last,)
    asked = [torch.randn(value.shape).to(dtype) for value in (output.data, *ends)]
    total = sum((a * v).sum() for a, v in zip(asked, (output.data, *ends), strict=True))
    total.backward()
    found = {"output": output.data, **{f"last {i}": end for i, end in enumerate(ends)}, "x": x.grad}
    found |= {f"first {i}": f.grad for i, f in enumerate(first) if f.grad is not None}
    found |= {name: p.grad for name, p in module.named_parameters()}
    return {name: value.detach() for name, value in found.items()}


def assert_close(found: dict[str, Tensor], truth: dict[str, Tensor], tolerance: float) -> None:
    """Relative to the size of each tensor, or to numbers of size 1 where they cancel."""
    assert found.keys() == truth.keys()
    for name, expected in truth.items():
        assert found[name].shape == expected.shape, name
        error = (found[name].double() - expected.double()).norm()
        assert error <= tolerance * (expected.double().norm() + expected.numel() ** 0.5), name


@kinds
@given(case=cases)
@few_examples
def test_states_and_gradients_are_torch_s(
    engine: str, ours: type, options: dict[str, Any], case: Case
) -> None:
    """In float32 to 1e-5, against torch.nn in float64: stacked, both ways, ragged, one visit."""
    own, theirs = pair(ours, case, **options)
    assert_close(run(own, case, torch.float32), run(theirs, case, torch.float64), 1e-5)


@kinds
@pytest.mark.parametrize("lengths", [(1,), (7,), (1, 1, 1), (5, 4, 4, 3, 3, 3, 2, 1) * 5])
def test_float32_gradients_are_those_of_torch_in_float32(
    engine: str, ours: type, options: dict[str, Any], lengths: tuple[int, ...]
) -> None:
    case = Case(inputs=32, hidden=48, layers=2, bidirectional=True, lengths=lengths)
    own, theirs = pair(ours, case, **options)
    found, truth = run(own, case, torch.float32), run(theirs, case, torch.float32)
    for name, expected in truth.items():
        assert (found[name] - expected).norm() <= 1e-5 * expected.norm(), name


@kinds
@given(case=cases)
@few_examples
def test_in_float64_the_same_equations_give_torch_s_numbers(
    ours: type, options: dict[str, Any], case: Case
) -> None:
    own, theirs = pair(ours, case, **options)
    assert_close(run(own, case, torch.float64), run(theirs, case, torch.float64), 1e-12)


@given(case=cases)
@few_examples
def test_the_reset_before_the_product_is_the_reference_s(engine: str, case: Case) -> None:
    """torch.nn has no such network; the reference has, and is held to autograd elsewhere."""
    case = dataclasses.replace(case, layers=1, bidirectional=False, bias=True)
    torch.manual_seed(case.seed)
    module = GRU(case.inputs, case.hidden, reset_after=False)
    found = run(module, case, torch.float32)
    weights = {name: v.detach().double().numpy() for name, v in module.named_parameters()}
    truth = reference_gradients(weights, case)
    assert_close({name: found[name] for name in truth}, truth, 1e-5)


def reference_gradients(weights: dict[str, Any], case: Case) -> dict[str, Tensor]:
    """States and gradients of the asked sum, one sequence at a time in NumPy."""
    torch.manual_seed(case.seed)
    sequences, starts = batch(case)
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert packed.sorted_indices is not None
    order = packed.sorted_indices.tolist()
    places = [np.flatnonzero(np.arange(len(packed.batch_sizes)) < len(s)) for s in sequences]
    before = np.cumsum(packed.batch_sizes.numpy()) - packed.batch_sizes.numpy()
    blocks = {name: np.split(value, 3) for name, value in weights.items()}
    u, w = blocks["weight_ih_l0"], blocks["weight_hh_l0"]
    b = [one + two for one, two in zip(blocks["bias_ih_l0"], blocks["bias_hh_l0"], strict=True)]
    cell = reference_gru.GRU(
        U_z=u[1], W_z=w[1], b_z=b[1], U_r=u[0], W_r=w[0], b_r=b[0], U_h=u[2], W_h=w[2], b_h=b[2]
    )
    asked_output = torch.randn(packed.data.shape[0], case.hidden).double().numpy()
    asked_last = torch.randn(1, len(sequences), case.hidden).double().numpy()[0]
    output, grad_x = np.zeros(asked_output.shape), np.zeros(packed.data.shape)
    last = np.zeros(asked_last.shape)
    grad_w: dict[str, Any] = {"weight_ih_l0": 0, "weight_hh_l0": 0, "bias_ih_l0": 0}
    for rank, row in enumerate(order):
        at = before[places[row]] + rank
        start = starts[0][0, row].double().numpy() if case.given_start else np.zeros(case.hidden)
        trace = reference.forward(cell, sequences[row].double().numpy(), (start,))
        output[at], last[row] = trace.h[1:], trace.h[-1]
        asked = np.vstack([np.zeros(case.hidden), asked_output[at]])
        found = reference.backward(trace, asked, (asked_last[row],))
        grad_x[at] = found.x
        g: Any = found.cell
        grad_w["weight_ih_l0"] += np.vstack([g.U_r, g.U_z, g.U_h])
        grad_w["weight_hh_l0"] += np.vstack([g.W_r, g.W_z, g.W_h])
        grad_w["bias_ih_l0"] += np.hstack([g.b_r, g.b_z, g.b_h])
    truth = {"output": output, "last 0": last[None], "x": grad_x, **grad_w}
    return {name: torch.as_tensor(np.asarray(value)) for name, value in truth.items()}


@pytest.mark.parametrize("ours", [RNN, GRU, LSTM])
def test_bf16_products_are_near(engine: str, ours: type) -> None:
    """Factors have 8 bits, sums 24: errors of about 2^-9, and not of 0."""
    case = Case(inputs=33, hidden=48, lengths=(6, 5, 5, 3, 1) * 4)
    own, theirs = pair(ours, case, precision="bf16")
    found, truth = run(own, case, torch.float32), run(theirs, case, torch.float64)
    assert_close(found, truth, 0.05)
    assert (found["output"].double() - truth["output"]).norm() > 1e-4 * truth["output"].norm()


def test_a_patient_s_state_does_not_depend_on_the_batch(engine: str) -> None:
    """To the last bit where the recurrence is compiled."""
    if engine == "stepwise":
        pytest.skip("torch's products round by their shape")
    torch.manual_seed(1)
    module, x = GRU(8, 32), torch.randn(6, 8)
    with torch.no_grad():
        _, alone = module(pack_sequence([x]))
        _, among = module(pack_sequence([torch.randn(9, 8)] * 20 + [x] + [torch.randn(2, 8)] * 9))
    assert torch.equal(alone[0, 0], among[0, 20])


def test_the_buffers_serve_one_backward_pass(engine: str) -> None:
    output, _ = GRU(2, 3)(pack_sequence([torch.randn(4, 2)]))
    total = output.data.sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once for each forward pass"):
        total.backward()


def test_inputs_that_want_no_gradient_get_none_and_change_nothing(engine: str) -> None:
    torch.manual_seed(0)
    module, packed = LSTM(4, 16), pack_sequence([torch.randn(5, 4), torch.randn(3, 4)])
    found = []
    for x in (packed.data, packed.data.clone().requires_grad_()):
        module.zero_grad()
        module(PackedSequence(x, packed.batch_sizes))[0].data.sum().backward()
        found.append([weight.grad for weight in module.parameters()])
    assert packed.data.grad is None
    for without, with_gradient in zip(*found, strict=True):
        assert without is not None
        assert torch.equal(without, with_gradient)


def test_weights_that_change_before_the_backward_pass_are_noticed(engine: str) -> None:
    module = GRU(2, 16)
    output, _ = module(pack_sequence([torch.randn(4, 2)]))
    nn.init.zeros_(module.get_parameter("weight_ih_l0"))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.data.sum().backward()


@pytest.mark.parametrize("ours", [RNN, GRU, LSTM])
def test_a_forward_pass_without_a_backward_pass_leaves_nothing_behind(
    engine: str, ours: type
) -> None:
    output = weakref.ref(ours(2, 16)(pack_sequence([torch.randn(4, 2)]))[0].data)
    assert output() is None  # a circle would have to wait for the garbage collector


def test_states_and_gradients_may_lie_in_any_order(engine: str) -> None:
    """First states as a transposed view, the gradient of the states as one number, spread."""
    own, theirs = pair(LSTM, Case(hidden=16))
    packed, starts = pack_sequence([torch.randn(4, 3), torch.randn(2, 3)]), torch.randn(2, 1, 16, 2)
    found = []
    for module in (own, theirs):
        h, c = (start.transpose(1, 2).requires_grad_() for start in starts)
        output, (_, last_c) = module(packed, (h, c))
        (output.data.sum() + last_c.sum()).backward()
        found.append({"h": h.grad, "c": c.grad, "output": output.data.detach()})
    assert_close(found[0], found[1], 1e-5)


@pytest.mark.parametrize("ours", [RNN, GRU, LSTM])
def test_what_would_be_read_beyond_its_end_is_refused(engine: str, ours: type) -> None:
    module, x = ours(4, 16), torch.randn(5, 4)

    def first(rows: int, dtype: torch.dtype) -> Any:
        state = torch.zeros(1, rows, 16, dtype=dtype)
        return (state, state) if ours is LSTM else state

    good = torch.tensor([3, 2])
    for sizes in ([3, 3], [3], [2, 3], [5, 0], []):
        with pytest.raises((ValueError, RuntimeError), match="add up to the 5 visits"):
            module(PackedSequence(x, torch.tensor(sizes, dtype=torch.int64)))
    with pytest.raises(RuntimeError, match="Expected 4, got 3"):
        module(PackedSequence(x[:, :3], good))
    with pytest.raises(ValueError, match="does not match weight dtype"):
        module(PackedSequence(x.double(), good))
    with pytest.raises(RuntimeError, match="Expected hidden size"):
        module(PackedSequence(x, good), first(2, torch.float32))
    with pytest.raises(ValueError, match="a first state"):
        module(PackedSequence(x, good), first(3, torch.float64))
    narrow = PackedSequence(x, good.int())
    assert torch.equal(module(narrow)[0].data, module(PackedSequence(x, good))[0].data)


@kinds
def test_what_is_no_number_stays_none(engine: str, ours: type, options: dict[str, Any]) -> None:
    """So that training sees that it diverged."""
    output, _ = ours(2, 16, **options)(pack_sequence([torch.full((3, 2), torch.nan)]))
    assert output.data.isnan().all()


def test_options_go_with_copies() -> None:
    module = GRU(2, 3, reset_after=False, precision="bf16")
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert (again.reset_after, again.precision) == (False, "bf16")


def test_a_padded_tensor_goes_to_torch() -> None:
    torch.manual_seed(0)
    own, theirs = pair(GRU, Case())
    x = torch.randn(4, 2, 3)
    assert torch.equal(own(x)[0], theirs(x)[0])
    with pytest.raises(TypeError, match="takes a PackedSequence"):
        GRU(3, 5, reset_after=False)(x)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="one of float32, bf16, not half"):
        LSTM(2, 3, precision="half")


def test_a_module_says_what_torch_s_would_not() -> None:
    assert repr(GRU(4, 8)) == repr(nn.GRU(4, 8))
    assert repr(GRU(4, 8, reset_after=False)) == "GRU(4, 8, reset_after=False)"
    assert repr(LSTM(4, 8, 2, precision="bf16")) == "LSTM(4, 8, num_layers=2, precision='bf16')"
    assert "precision='bf16'" in repr(RNN(4, 8, precision="bf16"))


def test_dropout_acts_between_layers_in_training_alone() -> None:
    torch.manual_seed(0)
    module, packed = RNN(4, 6, 2, dropout=0.5), pack_sequence([torch.randn(5, 4)])
    first, second = module(packed)[1], module(packed)[1]
    assert not torch.equal(first[1], second[1])
    assert torch.equal(first[0], second[0])
    module.eval()
    assert torch.equal(module(packed)[1], module(packed)[1])


def test_a_library_of_another_version_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if not LIBRARIES:
        pytest.skip("nothing was compiled")
    monkeypatch.setattr(kernels, "INTERFACE", -1)
    kernels.library.cache_clear()
    try:
        assert kernels.library() is None
        assert "make env" in caplog.text
    finally:
        kernels.library.cache_clear()


def test_without_compiled_libraries_torch_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISITSEQ_KERNELS", "none")
    kernels.library.cache_clear()
    try:
        assert recurrence.engine_for(torch.zeros(1)).__name__.endswith("stepwise")
    finally:
        monkeypatch.undo()
        kernels.library.cache_clear()


@pytest.mark.parametrize("name", LIBRARIES)
@given(
    seed=st.integers(0, 100), rows=st.integers(1, 30), depth=st.integers(1, 600),
    width=st.integers(1, 50), half=st.booleans(),
)  # fmt: skip
@few_examples
def test_products_of_any_shape(
    name: str, *, seed: int, rows: int, depth: int, width: int, half: bool
) -> None:
    torch.manual_seed(seed)
    a, weight, bias = torch.randn(rows, depth), torch.randn(width, depth), torch.randn(width)
    b = torch.randn(rows, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "library", lambda: kernels.load(LIBRARIES[name]))
        found = compiled.product(a, weight, bias, half)
        gradient = compiled.transposed_product(a, b, half)
    rounded: Callable[[Tensor], Tensor] = lambda t: (t.bfloat16() if half else t).double()  # noqa: E731
    expected = rounded(a) @ rounded(weight).t() + bias.double()
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    expected = rounded(a).t() @ rounded(b)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-4)


def test_the_packed_size_holds_whole_vectors() -> None:
    for path in LIBRARIES.values():
        loaded = kernels.load(path)
        lanes = loaded.lanes()
        for width in (1, lanes, lanes + 1):
            size = loaded.packed_size(3, width)
            assert size == 3 * -(-width // lanes) * lanes
