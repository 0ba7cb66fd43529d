from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from arrow_visits import cohorts, in_memory
from hypothesis import given, settings

from visitseq.encode.sequences import Sequences
from visitseq.models.batches import collate
from visitseq.models.recurrent import RecurrentClassifier, build_classifier
from visitseq.models.reference import cells, from_torch

SECTION = {
    "kind": "recurrent",
    "cell": "gru",
    "nonlinearity": "tanh",
    "reset": "after",
    "bidirectional": False,
    "embedding": 5,
    "embed": "sum",
    "hidden": 4,
    "layers": 1,
    "dropout": 0.5,
    "duration": True,
    "initialisation": "uniform",
    "precision": "float32",
}
KNOWN = np.array([0, 2, 3, 5], dtype=np.int32)

Weights = dict[str, npt.NDArray[np.float64]]


def network(**changes: Any) -> RecurrentClassifier:
    torch.manual_seed(3)
    return build_classifier({**SECTION, **changes}, len(KNOWN)).eval()


def logits_of(model: RecurrentClassifier, sequences: Sequences, rows: list[int]) -> Any:
    with torch.no_grad():
        return model(collate(sequences, np.array(rows, dtype=np.intp), KNOWN)).numpy()


def sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


def gru_step(
    weights: Weights, layer: int, x: npt.NDArray[np.float64], h: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """One step of the GRU in its textbook form, reset after the product, in float64."""
    names = (f"recur.{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    u, w, b_u, b_w = (weights[name] for name in names)
    from_input, from_state = np.split(u @ x + b_u, 3), np.split(w @ h + b_w, 3)
    reset = sigmoid(from_input[0] + from_state[0])
    update = sigmoid(from_input[1] + from_state[1])
    new = np.tanh(from_input[2] + reset * from_state[2])
    return (1 - update) * new + update * h


def slow_logit(
    model: RecurrentClassifier, visits: list[list[int]], days: npt.NDArray[np.float32]
) -> float:
    """The logit of one row, from dense one-hot vectors, visit after visit."""
    weights = {name: value.numpy().astype(float) for name, value in model.state_dict().items()}
    layers = model.recur.num_layers
    states = [np.zeros(model.width)] * layers
    for codes, to_index in zip(visits, days, strict=True):
        one_hot = np.array([float(code in codes) for code in KNOWN])
        x = one_hot @ weights["embed.weight"]
        if model.duration:
            x = np.append(x, np.log(to_index + 1.0))
        for layer in range(layers):
            states[layer] = x = gru_step(weights, layer, x, states[layer])
    return float((weights["head.weight"] @ states[-1] + weights["head.bias"])[0])


@given(cohorts)
@settings(deadline=None, max_examples=50)
@pytest.mark.parametrize(("layers", "duration"), [(1, True), (2, False)])
def test_network_equals_the_equations_on_dense_one_hot_vectors(
    layers: int, duration: bool, cohort: list[list[list[int]]]
) -> None:
    sequences = in_memory(cohort)
    model = network(layers=layers, duration=duration)
    days = np.split(sequences.days_to_index, sequences.visit_offsets[1:-1])
    slow = [slow_logit(model, row, own) for row, own in zip(cohort, days, strict=True)]
    fast = logits_of(model, sequences, list(range(len(cohort))))
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-5)


def reference_logit(
    model: RecurrentClassifier, cell: str, visits: list[list[int]], days: npt.NDArray[np.float32]
) -> float:
    """The logit of one row by the reference networks, in one direction or both."""
    weights = {name: value.numpy().astype(float) for name, value in model.state_dict().items()}
    one_hot = np.array([[float(code in codes) for code in KNOWN] for codes in visits])
    x = one_hot.reshape(-1, len(KNOWN)) @ weights["embed.weight"]
    if model.squash is not None:
        x = np.tanh(x + weights["squash"])
    x = np.column_stack([x, np.log(days.astype(float) + 1)])
    recur = {name.removeprefix("recur."): v for name, v in weights.items() if "recur" in name}
    ends = []
    for direction, end in zip((1, -1), ("l0", "l0_reverse"), strict=True):
        if f"weight_ih_{end}" in recur:
            made = getattr(from_torch, cell)(recur, end)
            ends.append(cells.forward(made, x[::direction], cells.initial_state(made)).h[-1])
    return float((weights["head.weight"] @ np.concatenate(ends) + weights["head.bias"])[0])


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("embed", ["sum", "tanh"])
@given(cohorts)
@settings(deadline=None, max_examples=20)
def test_every_cell_and_direction_is_the_reference_s(
    embed: str, bidirectional: bool, cell: str, cohort: list[list[list[int]]]
) -> None:
    """The state used is the last real one of each direction; without visits the initial one."""
    sequences = in_memory(cohort)
    model = network(cell=cell, bidirectional=bidirectional, embed=embed)
    if model.squash is not None:
        torch.nn.init.normal_(model.squash)
    days = np.split(sequences.days_to_index, sequences.visit_offsets[1:-1])
    slow = [reference_logit(model, cell, *row) for row in zip(cohort, days, strict=True)]
    fast = logits_of(model, sequences, list(range(len(cohort))))
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-5)


def test_the_state_at_a_visit_is_that_of_the_visits_so_far() -> None:
    sequences = in_memory([[[0], [1, 2], [3]], [[2, 5]]])
    model = network(duration=False)
    both = np.array([0, 1])
    with torch.no_grad():
        states = model.visit_states(collate(sequences, both, KNOWN))
        ends = model.last_states(collate(sequences, both, KNOWN))
        sooner = model.last_states(collate(in_memory([[[0], [1, 2]], [[0]]]), both, KNOWN))
    # Step by step: the first visits of both rows, then the second and the third of row 0.
    torch.testing.assert_close(states[[3, 1]], ends)
    torch.testing.assert_close(states[[2, 0]], sooner)
    assert model.visit_states(collate(sequences, both[:0], KNOWN)).shape == (0, 4)


def test_a_bidirectional_network_does_not_predict_at_every_visit() -> None:
    batch = collate(in_memory([[[0]]]), np.array([0]), KNOWN)
    with pytest.raises(ValueError, match="has read the visits that come after"):
        network(bidirectional=True).visit_states(batch)


def test_orthonormal_weights() -> None:
    model = network(initialisation="orthonormal", hidden=6, cell="lstm", bidirectional=True)
    weights = model.state_dict()
    blocks = [weights["embed.weight"].numpy()]
    for name, value in weights.items():
        if name.startswith("recur.weight"):
            blocks += list(value.numpy().reshape(4, 6, -1))
        if name.startswith("recur.bias"):
            assert not value.any()
    assert len(blocks) == 1 + 4 * 4
    for block in blocks:
        wide = block if block.shape[0] <= block.shape[1] else block.T
        np.testing.assert_allclose(wide @ wide.T, np.eye(len(wide)), atol=1e-5)


def test_the_options_of_a_cell_reach_it() -> None:
    assert network(cell="rnn", nonlinearity="relu").recur.nonlinearity == "relu"
    assert network(reset="before").recur.reset_after is False
    assert network(precision="bf16", cell="lstm").recur.precision == "bf16"


@given(cohorts)
@settings(deadline=None)
def test_embedding_bag_equals_the_dense_one_hot_product(cohort: list[list[list[int]]]) -> None:
    sequences = in_memory(cohort)
    model = network(duration=False)
    batch = collate(sequences, np.arange(len(cohort)), KNOWN)
    embedded = model.embed_visits(batch).detach().numpy()
    # The step-by-step order from its definition: all first visits of the longest rows first, …
    by_length = sorted(cohort, key=len, reverse=True)
    longest = len(by_length[0])
    visits = [row[step] for step in range(longest) for row in by_length if len(row) > step]
    one_hot = np.array([[code in visit for code in KNOWN] for visit in visits], dtype=np.float32)
    dense = one_hot.reshape(-1, len(KNOWN)) @ model.embed.weight.detach().numpy()
    np.testing.assert_allclose(embedded, dense, rtol=1e-5, atol=1e-6)


def test_batch_by_hand() -> None:
    sequences = in_memory([[[0], [1, 2]], [], [[3, 5], [6], [0, 2, 3]]])
    batch = collate(sequences, np.array([1, 0, 2]), KNOWN)
    assert batch.batch_sizes.tolist() == [2, 2, 1]
    assert batch.ranks.tolist() == [2, 1, 0]
    # Row 2 is the longest: its visits are 2, 3, 4 of the file; row 0 has the visits 0 and 1.
    np.testing.assert_allclose(batch.durations, np.log([3.0, 1.0, 4.0, 2.0, 5.0]), rtol=1e-6)
    assert batch.codes.tolist() == [2, 3, 0, 1, 0, 1, 2]
    assert batch.code_offsets.tolist() == [0, 2, 3, 3, 4, 7]


def test_no_visits_give_the_initial_state() -> None:
    sequences = in_memory([[], [[0]], [[6]]])
    model = network(duration=False)
    bias = model.head.bias.item()
    assert logits_of(model, sequences, [0]).tolist() == [bias]
    assert logits_of(model, sequences, [1, 0])[1] == bias
    assert logits_of(model, sequences, []).shape == (0,)
    # A visit of unknown codes alone is a visit all the same.
    assert logits_of(model, sequences, [2])[0] != bias


def test_dropout_acts_in_training_alone() -> None:
    sequences = in_memory([[[0, 2]], [[3]]])
    model = network(dropout=0.5)
    assert (logits_of(model, sequences, [0, 1]) == logits_of(model, sequences, [0, 1])).all()
    model.train()
    draws = {tuple(logits_of(model, sequences, [0, 1])) for _ in range(20)}
    assert len(draws) > 1


def test_every_weight_learns() -> None:
    sequences = in_memory([[[0, 2], [3, 5]], [[5]], []])
    model = network(layers=2).train()
    model(collate(sequences, np.array([0, 1, 2]), KNOWN)).sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
