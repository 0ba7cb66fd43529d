"""The encoder-decoder against the lecture's equations, one row and one step at a time."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from arrow_visits import in_memory, visit
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from scipy.special import expit, log_softmax, softmax

from visitseq.models.encoder_decoder import (
    EncoderDecoder,
    build_encoder_decoder,
    classifier_section,
)
from visitseq.models.forecast_batches import (
    ForecastBatch,
    Trajectories,
    VisitLabels,
    collate_forecast,
)
from visitseq.models.label_losses import label_losses, label_shares
from visitseq.models.recurrent import CELLS, build_classifier
from visitseq.models.reference import cells, from_torch

Floats = npt.NDArray[np.float64]

LOSSES = ("multinomial", "sigmoid")

AHEAD = 2
KNOWN = np.array([0, 2, 3, 5], dtype=np.int32)
KNOWN_LABELS = np.array([1, 2, 4, 5, 6], dtype=np.int32)
SECTION = {
    "kind": "seq2seq",
    "cell": "gru",
    "embedding": 4,
    "hidden": 3,
    "bidirectional": False,
    "duration": True,
    "dropout": 0.5,
    "attention": "none",
    "loss": "multinomial",
}
EVERY_KIND = pytest.mark.parametrize(
    ("cell", "both", "attention"),
    [
        ("rnn", False, "none"),
        ("gru", False, "dot"),
        ("gru", True, "none"),
        ("lstm", False, "none"),
        ("lstm", True, "dot"),
    ],
)

Cohort = list[list[list[int]]]
trajectories = st.lists(st.lists(visit, min_size=AHEAD, max_size=6), min_size=1, max_size=5)


def network(**changes: Any) -> EncoderDecoder:
    torch.manual_seed(5)
    built = build_encoder_decoder({**SECTION, **changes}, len(KNOWN), len(KNOWN_LABELS))
    for weight in built.parameters():
        torch.nn.init.uniform_(weight, -1, 1)
    return built.eval()


def batch_of(cohort: Cohort, ahead: int = AHEAD) -> ForecastBatch:
    """What is asked of a visit is which of its codes it holds."""
    sequences = in_memory(cohort)
    labels = VisitLabels(sequences.code_offsets, sequences.codes, KNOWN_LABELS)
    data = Trajectories(sequences, labels, KNOWN, ahead)
    return collate_forecast(data, np.arange(len(cohort)), sequences.visit_offsets[1:])


def days_of(cohort: Cohort) -> list[Floats]:
    """Days beside each visit as ``in_memory`` counts them."""
    days = np.arange(sum(map(len, cohort)), dtype=float)
    return np.split(days, np.cumsum([len(row) for row in cohort])[:-1])


def one_hot(codes: list[int], known: npt.NDArray[np.int32]) -> Floats:
    return np.isin(known, codes).astype(float)


PARTS = {"rnn": 1, "gru": 1, "lstm": 2}  # of a state


class Slow:
    """The equations of the module's docstring in NumPy, for one row."""

    def __init__(self, model: EncoderDecoder, cell: str, both: bool) -> None:
        state = model.state_dict()
        self.weights = {name: value.numpy().astype(float) for name, value in state.items()}
        self.cell, self.both, self.loss = cell, both, model.loss_name

    def cell_of(self, prefix: str, layer: str = "l0") -> cells.Cell:
        weights = {
            name.removeprefix(f"{prefix}."): value
            for name, value in self.weights.items()
            if name.startswith(prefix)
        }
        build: Any = getattr(from_torch, self.cell)
        return build(weights, layer)  # type: ignore[no-any-return]

    def read(self, visits: list[list[int]], days: Floats) -> tuple[Floats, tuple[Floats, ...]]:
        """Every k_t, and the decoder's initial state."""
        u = self.weights["encoder.embed.weight"]
        x = np.array(
            [
                [*(one_hot(codes, KNOWN) @ u), np.log(day + 1)]
                for codes, day in zip(visits, days, strict=True)
            ]
        ).reshape(len(visits), u.shape[1] + 1)
        forwards = self.cell_of("encoder.recur")
        trace = cells.forward(forwards, x, cells.initial_state(forwards))
        if not self.both:
            return trace.h[1:], cells.last_state(trace)
        backwards = self.cell_of("encoder.recur", "l0_reverse")
        back = cells.forward(backwards, x[::-1], cells.initial_state(backwards))
        keys = np.concatenate([trace.h[1:], back.h[1:][::-1]], axis=1)
        last = zip(cells.last_state(trace), cells.last_state(back), strict=True)
        maps = [self.weights[f"bridges.{part}.weight"] for part in range(PARTS[self.cell])]
        start = tuple(m @ np.concatenate(ends) for m, ends in zip(maps, last, strict=True))
        return keys @ maps[0].T, start

    def write(self, d: Floats, keys: Floats) -> Floats:
        if "combine.weight" in self.weights:
            context = softmax(keys @ d) @ keys if len(keys) else np.zeros_like(d)
            d = np.tanh(self.weights["combine.weight"] @ np.concatenate([context, d]))
        written: Floats = self.weights["head.weight"] @ d + self.weights["head.bias"]
        return written

    def numbers(self, row: list[list[int]], days: Floats, ahead: int, *, taught: bool) -> Floats:
        """Every o_s, with the true labels given or with its own predictions."""
        seen = len(row) - ahead
        keys, state = self.read(row[:seen], days[:seen])
        e, decoder = self.weights["embed_labels.weight"], self.cell_of("decoder")
        found: list[Floats] = []
        for step in range(ahead):
            before = row[seen + step - 1] if seen + step > 0 else []
            held = one_hot(before, KNOWN_LABELS)
            if step and not taught:
                held = softmax(found[-1]) if self.loss == "multinomial" else expit(found[-1])
            given = held @ e / max(held.sum(), 1e-30)
            trace = cells.forward(decoder, given[None], state)
            state = cells.last_state(trace)
            found.append(self.write(trace.h[1], keys))
        return np.array(found)


@EVERY_KIND
@pytest.mark.parametrize("taught", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
@given(cohort=trajectories)
@settings(deadline=None, max_examples=15)
def test_network_equals_the_equations(
    cell: str, both: bool, attention: str, taught: bool, *, loss: str, cohort: Cohort
) -> None:
    model = network(cell=cell, bidirectional=both, attention=attention, loss=loss)
    slow = Slow(model, cell, both)
    expected = [
        slow.numbers(row, days, AHEAD, taught=taught)
        for row, days in zip(cohort, days_of(cohort), strict=True)
    ]
    batch = batch_of(cohort)
    with torch.no_grad():
        found = model(batch) if taught else model.forecast(batch)
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-4, atol=1e-5)


def test_batch_by_hand() -> None:
    # Row 0 has nothing to read, row 1 one visit, row 2 two.
    cohort = [[[1], [0, 2]], [[2, 4], [], [6]], [[3], [5], [1, 5], [0]]]
    batch = batch_of(cohort)
    assert (batch.rows, batch.ahead) == (3, 2)
    assert batch.read.batch_sizes.tolist() == [2, 1]
    assert batch.read.ranks.tolist() == [2, 1, 0]
    # Label 1 is place 0, 2 is 1, 4 is 2, 5 is 3, 6 is 4; 0 and 3 are unknown.
    labels, offsets = batch.given
    assert labels.tolist() == [1, 2, 3, 0, 0, 3]
    assert offsets.tolist() == [0, 0, 2, 3, 4, 4, 6]
    labels, offsets = batch.asked
    assert labels.tolist() == [0, 0, 3, 1, 4]
    assert offsets.tolist() == [0, 1, 1, 3, 4, 5, 5]


def test_of_what_comes_nothing_is_looked_at_in_use() -> None:
    model = network(attention="dot", bidirectional=True)
    one = batch_of([[[0], [2, 4], [1], [5]], [[3], [6]]])
    two = batch_of([[[0], [2, 4], [6], [0, 3]], [[1], []]])
    with torch.no_grad():
        assert torch.equal(model.forecast(one), model.forecast(two))
        assert not torch.equal(model(one), model(two))


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_nothing_to_read_is_the_initial_state(cell: str, both: bool) -> None:
    model = network(cell=cell, bidirectional=both, attention="dot")
    for cohort in ([[[1], [2]]], [[[1], [2]], [[0], [1], [2]]]):
        memory, state = model.encode(batch_of(cohort).read)
        assert all(not part[0].any() for part in state)
        assert memory is not None
        assert not memory.present[0].any()


@given(trajectories, st.sampled_from(LOSSES))
@settings(deadline=None)
def test_losses_equal_their_formulas_on_dense_labels(cohort: Cohort, loss: str) -> None:
    batch = batch_of(cohort)
    numbers = np.random.default_rng(0).normal(size=(AHEAD * len(cohort), len(KNOWN_LABELS)))
    asked = [row[len(row) - AHEAD + step] for step in range(AHEAD) for row in cohort]
    expected = []
    for o, codes in zip(numbers, asked, strict=True):
        y = one_hot(codes, KNOWN_LABELS)
        if y.any() and loss == "multinomial":
            expected.append(-(y * log_softmax(o)).sum())
        elif y.any():
            expected.append(-(y * np.log(expit(o)) + (1 - y) * np.log(1 - expit(o))).sum())
        else:
            expected.append(0.0)
    found = label_losses(torch.from_numpy(numbers), *batch.asked, loss)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_shares_sum_to_one() -> None:
    numbers = torch.tensor([[0.0, 2.0, -1.0], [-3.0, -3.0, -3.0]])
    odds = np.exp([0.0, 2.0, -1.0])
    np.testing.assert_allclose(label_shares(numbers, "multinomial")[0], odds / odds.sum())
    held = expit([0.0, 2.0, -1.0])
    np.testing.assert_allclose(label_shares(numbers, "sigmoid")[0], held / held.sum(), rtol=1e-6)
    np.testing.assert_allclose(label_shares(numbers, "sigmoid")[1], [1 / 3] * 3, rtol=1e-6)


@EVERY_KIND
def test_weights_come_back_from_safetensors(cell: str, both: bool, attention: str) -> None:
    kind = {"cell": cell, "bidirectional": both, "attention": attention}
    model, batch = network(**kind), batch_of([[[0], [2], [1], [5]], [[3], [6]]])
    again = build_encoder_decoder({**SECTION, **kind}, len(KNOWN), len(KNOWN_LABELS)).eval()
    again.load_state_dict(load(save(model.state_dict())))
    with torch.no_grad():
        assert torch.equal(again(batch), model(batch))


@EVERY_KIND
def test_the_encoder_has_the_names_of_the_classifier(cell: str, both: bool, attention: str) -> None:
    section = {**SECTION, "cell": cell, "bidirectional": both, "attention": attention}
    classifier = build_classifier(classifier_section(section), len(KNOWN)).state_dict()
    shapes = {name: weight.shape for name, weight in classifier.items() if "head" not in name}
    encoder = build_encoder_decoder(section, len(KNOWN), 3).encoder.state_dict()
    assert {name: weight.shape for name, weight in encoder.items()} == shapes


def test_a_row_s_loss_is_the_mean_of_its_written_visits() -> None:
    model, batch = network(), batch_of([[[0], [2], [1], [5]], [[3], [0], [6]], [[2], [0]]])
    with torch.no_grad():
        by_visit = label_losses(model(batch).flatten(0, 1), *batch.asked, "multinomial")
        found = model.losses(batch)
    # Step by step: visit 1 of each row, then visit 2; 0 and 3 are no labels.
    assert [bool(loss) for loss in by_visit] == [True, False, True, True, True, False]
    expected = [(by_visit[row] + by_visit[3 + row]) / 2 for row in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@EVERY_KIND
def test_every_weight_learns(cell: str, both: bool, attention: str) -> None:
    model = network(cell=cell, bidirectional=both, attention=attention, dropout=0.0).train()
    batch = batch_of([[[0, 2], [2, 3, 5], [1], [4, 5]], [[3], [6]]])
    torch.autograd.backward(model.losses(batch).mean())
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.to_dense().abs().sum() > 0, name


def test_a_fold_without_codes_or_labels_has_a_network_all_the_same() -> None:
    model = build_encoder_decoder(SECTION, 0, 0)
    sequences = in_memory([[[0], [1], [2]]])
    labels = VisitLabels(sequences.code_offsets, sequences.codes, KNOWN_LABELS[:0])
    data = Trajectories(sequences, labels, KNOWN[:0], AHEAD)
    batch = collate_forecast(data, np.array([0]), np.array([3]))
    assert model.forecast(batch).shape == (AHEAD, 1, 1)
    assert model.losses(batch).tolist() == [0.0]
