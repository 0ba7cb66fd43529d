"""Gradients at the states, against the reference networks, differences and closed forms."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from arrow_visits import Row, write_visits
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from small_training import CODES, FOLD, PARTS, card_of, train
from small_training import GRU as MODEL_GRU
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from visitseq.encode.sequences import read_sequences
from visitseq.errors import UserError
from visitseq.evaluate.reach import fresh_network, measure_reach
from visitseq.evaluate.state_gradients import state_gradients
from visitseq.models.cells import GRU as GRUCell
from visitseq.models.reference import cells, from_torch
from visitseq.models.reference.cells import Cell
from visitseq.models.reference.gru import GRU
from visitseq.models.reference.lstm import LSTMTrace
from visitseq.models.spectral_radius import spectral_radii
from visitseq.models.unrolled import GATES, top_states
from visitseq.train.trained import load_model

Floats = npt.NDArray[np.float64]

MODULES: dict[str, Callable[..., nn.RNNBase]] = {
    "rnn_tanh": nn.RNN,
    "rnn_relu": partial(nn.RNN, nonlinearity="relu"),
    "lstm": nn.LSTM,
    "gru_after": nn.GRU,
    "gru_before": partial(GRUCell, reset_after=False),
}
INPUTS, HIDDEN = 3, 4
random_cases = settings(deadline=None, max_examples=15)
lengths_of_rows = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(
    lambda lengths: sorted(lengths, reverse=True)
)


def random_network(
    form: str, seed: int, layers: int = 1, *, hidden: int = HIDDEN
) -> tuple[nn.RNNBase, nn.Linear]:
    """A recurrence of torch.nn and the layer after it, float64."""
    torch.manual_seed(seed)
    return MODULES[form](INPUTS, hidden, layers).double(), nn.Linear(hidden, 1).double()


def random_rows(lengths: list[int], seed: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Inputs of rows, the longest first, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(n, INPUTS, generator=generator).double() for n in lengths]
    return inputs, torch.randint(0, 2, (len(lengths),), generator=generator).double()


def measured(
    form: str, recur: nn.Module, head: nn.Module, rows: list[torch.Tensor], labels: torch.Tensor
) -> pd.DataFrame:
    packed = pack_sequence(rows)
    return state_gradients(
        form,
        recur.state_dict(),
        head.state_dict(),
        inputs=packed.data,
        batch_sizes=packed.batch_sizes,
        labels=labels,
    )


def norms_of_row(table: pd.DataFrame, quantity: str, lengths: list[int], row: int) -> Floats:
    """Norms of one row from its first visit to its last, in the packed order of the table."""
    of_quantity = table[table["quantity"] == quantity].reset_index(drop=True)
    places = [(t, r) for t in range(lengths[0]) for r, n in enumerate(lengths) if t < n]
    mine = [place for place, (_, r) in enumerate(places) if r == row]
    assert of_quantity.loc[mine, "distance"].tolist() == list(range(lengths[row]))[::-1]
    return of_quantity.loc[mine, "norm"].to_numpy()


# Against torch.nn's states, and the reference's back-propagation.


@pytest.mark.parametrize("form", MODULES)
@given(lengths=lengths_of_rows, seed=st.integers(0, 1000), layers=st.integers(1, 3))
@random_cases
def test_the_states_are_those_of_torch(
    form: str, lengths: list[int], seed: int, layers: int
) -> None:
    recur, _ = random_network(form, seed, layers)
    packed = pack_sequence(random_rows(lengths, seed)[0])
    states = top_states(form, recur.state_dict(), packed.data, packed.batch_sizes)
    outputs, _ = recur(packed)
    assert isinstance(outputs, PackedSequence)
    torch.testing.assert_close(torch.cat([h for h, *_ in states]), outputs.data, rtol=0, atol=1e-12)


def reference_cell(form: str, weights: dict[str, Floats]) -> Cell:
    if form == "rnn_tanh":
        return from_torch.rnn(weights)
    if form == "lstm":
        return from_torch.lstm(weights)
    after = from_torch.gru(weights)
    if form == "gru_after":
        return after
    gates = {field.name: getattr(after, field.name) for field in fields(GRU)}
    return GRU(**gates | {"b_h": after.b_h + after.c_h})


def reference_norms(cell: Cell, V: Floats, b2: Floats, x: Floats, y: float) -> dict[str, Floats]:
    """|grad h_t|, and of an LSTM |grad c_t|, for t = 1 … T, by the reference's backward.

    The gradient at h_t is that of the initial state of a network that starts from h_t and reads
    what comes after visit t.
    """
    trace = cells.forward(cell, x, cells.initial_state(cell))
    grad_o = 1 / (1 + np.exp(-(V @ trace.h[-1] + b2))) - y
    norms: dict[str, list[float]] = {"h": [], "c": []}
    for t in range(1, len(x) + 1):
        state = (trace.h[t], trace.c[t]) if isinstance(trace, LSTMTrace) else (trace.h[t],)
        rest = cells.forward(cell, x[t:], state)
        asked = np.zeros_like(rest.h)
        asked[-1] = grad_o * V
        found = cells.backward(rest, asked, cells.initial_state(cell)).start
        norms["h"].append(float(np.linalg.norm(found[0])))
        if isinstance(trace, LSTMTrace):
            # c_t also acts through h_t = o_t * tanh(c_t) of its own step.
            through_h = found[0] * trace.o[t] * (1 - np.tanh(trace.c[t]) ** 2)
            norms["c"].append(float(np.linalg.norm(found[1] + through_h)))
    return {quantity: np.array(values) for quantity, values in norms.items() if values}


@pytest.mark.parametrize("form", ["rnn_tanh", "lstm", "gru_after", "gru_before"])
@given(lengths=lengths_of_rows, seed=st.integers(0, 1000))
@random_cases
def test_the_gradients_are_those_of_the_reference(form: str, lengths: list[int], seed: int) -> None:
    recur, head = random_network(form, seed)
    rows, labels = random_rows(lengths, seed)
    table = measured(form, recur, head, rows, labels)
    assert set(table["quantity"]) == ({"h", "c"} if form == "lstm" else {"h"})
    reference = reference_cell(form, {n: w.numpy() for n, w in recur.state_dict().items()})
    V, b2 = head.weight.detach().numpy()[0], head.bias.detach().numpy()
    for row, (x, y) in enumerate(zip(rows, labels.tolist(), strict=True)):
        for quantity, expected in reference_norms(reference, V, b2, x.numpy(), y).items():
            found = norms_of_row(table, quantity, lengths, row)
            np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("form", ["rnn_tanh", "rnn_relu", "lstm", "gru_after"])
def test_the_gradients_are_central_differences_of_the_loss(form: str) -> None:
    """torch.nn itself, started from a state that is moved a little."""
    recur, head = random_network(form, 3)
    (x,), labels = random_rows([5], 3)
    table = measured(form, recur, head, [x], labels)

    def loss(h: torch.Tensor, c: torch.Tensor, rest: torch.Tensor) -> float:
        start = (h[None], c[None]) if form == "lstm" else h[None]
        last = recur(rest, start)[0][-1] if len(rest) else h
        return float(nn.functional.binary_cross_entropy_with_logits(head(last), labels))

    with torch.no_grad():
        for t in range(1, 6):
            _, state = recur(x[:t])
            h, c = (part[0] for part in (state if form == "lstm" else (state, state)))
            steps = 1e-6 * torch.eye(HIDDEN).double()
            found = [(loss(h + s, c, x[t:]) - loss(h - s, c, x[t:])) / 2e-6 for s in steps]
            expected = norms_of_row(table, "h", [5], 0)[t - 1]
            assert np.linalg.norm(found) == pytest.approx(expected, rel=1e-6)


# Closed forms.


def linear_rnn(W: Floats, w: Floats) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A plain network whose states stay so small that tanh is the identity."""
    hidden = len(W)
    recur = {
        "weight_ih_l0": torch.full((hidden, INPUTS), 1e-9),
        "weight_hh_l0": torch.from_numpy(W),
        "bias_ih_l0": torch.zeros(hidden),
        "bias_hh_l0": torch.zeros(hidden),
    }
    return recur, {"weight": torch.from_numpy(w[None]), "bias": torch.zeros(1)}


def one_row(visits: int) -> dict[str, torch.Tensor]:
    """A case whose visits are all alike."""
    sizes = torch.ones(visits, dtype=torch.int64)
    return {"inputs": torch.ones(visits, INPUTS), "batch_sizes": sizes, "labels": torch.ones(1)}


@given(seed=st.integers(0, 1000))
@random_cases
def test_a_linear_network_multiplies_by_W_at_every_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W, w = rng.normal(size=(HIDDEN, HIDDEN)) / 2, rng.normal(size=HIDDEN)
    recur, head = linear_rnn(W, w)
    table = state_gradients("rnn_tanh", recur, head, **one_row(8))
    # o is all but 0, so that yhat - y is -1/2.
    expected = [0.5 * np.linalg.norm(w @ np.linalg.matrix_power(W, k)) for k in range(8)][::-1]
    np.testing.assert_allclose(table["norm"], expected, rtol=1e-6)


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.1])
def test_the_spectral_radius_is_the_slope_of_a_linear_network(radius: float) -> None:
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.normal(size=(HIDDEN, HIDDEN)))
    W = turn @ np.diag([radius, 0.3, -0.2, 0.1]) @ turn.T
    recur, head = linear_rnn(W, rng.normal(size=HIDDEN))
    assert spectral_radii("rnn", recur) == {"state": pytest.approx(radius)}
    relative = state_gradients("rnn_tanh", recur, head, **one_row(30))["relative"].to_numpy()
    assert relative[-1] == 1
    slopes = -np.diff(np.log(relative))[:10]  # 20 steps back and more
    np.testing.assert_allclose(slopes, np.log(radius), atol=1e-6)


def test_a_plain_network_never_beats_the_largest_singular_value() -> None:
    recur, head = random_network("rnn_tanh", 5)
    rows, labels = random_rows([12, 9], 5)
    table = measured("rnn_tanh", recur, head, rows, labels)
    largest = torch.linalg.matrix_norm(recur.state_dict()["weight_hh_l0"], 2).item()
    assert (table["relative"] <= largest ** table["distance"] * (1 + 1e-12)).all()


def test_a_forget_gate_held_open_keeps_the_gradient_at_c() -> None:
    """With f = 1, i = 0 and o deaf to the state, grad c_t is the same at every t."""
    recur, head = random_network("lstm", 2)
    state = {name: torch.zeros_like(weight) for name, weight in recur.state_dict().items()}
    state["bias_ih_l0"][:HIDDEN] = -100  # input gate
    state["bias_ih_l0"][HIDDEN : 2 * HIDDEN] = 100  # forget gate
    recur.load_state_dict(state)
    rows, labels = random_rows([20], 2)
    table = measured("lstm", recur, head, rows, labels)
    relative = {name: of.to_numpy() for name, of in table.groupby("quantity")["relative"]}
    np.testing.assert_allclose(relative["c"], 1, rtol=1e-9)
    assert (relative["h"][:-1] < 1e-12).all()


def test_gradients_beyond_the_range_of_float32_are_measured() -> None:
    recur, head = random_network("rnn_tanh", 0)
    rows, labels = random_rows([300], 0)
    first = norms_of_row(measured("rnn_tanh", recur, head, rows, labels), "h", [300], 0)[0]
    assert 0 < first < 1e-50


def test_spectral_radii_by_gate_of_the_top_layer() -> None:
    """Turned by 90 degrees and stretched: the eigenvalues are complex."""
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    recur = nn.LSTM(INPUTS, 2, 2)
    with torch.no_grad():
        recur.get_parameter("weight_hh_l1").copy_(torch.cat([turn, 2 * turn, 3 * turn, 4 * turn]))
    radii = spectral_radii("lstm", recur.state_dict())
    assert radii == pytest.approx({"input": 1, "forget": 2, "cell": 3, "output": 4})
    assert {cell: len(gates) for cell, gates in GATES.items()} == {"rnn": 1, "lstm": 4, "gru": 3}


# The stage: rows, files, errors.

MODEL = {**MODEL_GRU, "hidden": 6, "embedding": 6, "learning_rate": 0.02}


def cohort(n: int = 210) -> list[Row]:
    """Random visits; every seventh row has none, and their number goes up to 9."""
    draw = np.random.default_rng(0)
    rows = []
    for subject in range(n):
        count = 0 if subject % 7 == 0 else int(draw.integers(1, 10))
        visits = [sorted(draw.choice(CODES, 2, replace=False).tolist()) for _ in range(count)]
        label, part = bool(draw.random() < 0.3), int(draw.integers(PARTS))
        rows.append(Row(visits, label, part, subject_id=subject))
    return rows


def reach_of(rows: list[Row], trained: Path, folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    visits = write_visits(rows, folder / "visits.arrow")
    measure_reach(visits=visits, trained=trained, folder=folder)
    return pd.read_csv(folder / "reach.csv"), json.loads((folder / "reach.json").read_text())


def test_the_rows_of_the_validation_part_are_measured(tmp_path: Path) -> None:
    rows = cohort()
    table, content = reach_of(rows, train(rows, tmp_path, MODEL), tmp_path / "reach")
    lengths = np.array([len(row.visits) for row in rows if row.part == FOLD + 1])
    assert (content["sequences"], content["empty"]) == ((lengths > 0).sum(), (lengths == 0).sum())
    assert list(content["spectral_radius"]) == ["fresh", "trained"]
    for state in ("fresh", "trained"):
        assert list(content["spectral_radius"][state]) == ["reset", "update", "new"]
        of_state = table[table["state"] == state]
        assert of_state["distance"].tolist() == list(range(lengths.max()))
        assert of_state["sequences"].tolist() == [(lengths > d).sum() for d in range(lengths.max())]
        assert (of_state["low"] <= of_state["median"]).all()
        assert (of_state["median"] <= of_state["high"]).all()
    assert (table.loc[table["distance"] == 0, "relative_median"] == 1).all()


def test_a_row_s_gradient_by_hand(tmp_path: Path) -> None:
    """One row in the validation part: the quartiles are its norms, of torch's own autograd."""
    rows = [row for row in cohort() if row.part != FOLD + 1]
    alone = Row([[0, 1], [2], [0, 3]], True, FOLD + 1)
    folder = train([*rows, alone], tmp_path, MODEL)
    table, _ = reach_of([*rows, alone], folder, tmp_path / "reach")
    card, weights = (
        json.loads((folder / "model.json").read_text()),
        load_file(folder / "model.safetensors"),
    )
    recur = nn.GRU(7, 6)
    recur.load_state_dict({n[6:]: w for n, w in weights.items() if n.startswith("recur.")})
    h, states = torch.zeros(1, 6, requires_grad=True), []
    for codes, days in zip(alone.visits, alone.to_index, strict=True):
        known = [card["known"].index(code) for code in codes]
        embedded = weights["embed.weight"][known].sum(dim=0)
        _, h = recur(torch.cat([embedded, torch.tensor([days + 1]).log()])[None], h)
        states.append(h)
    logit = h[-1] @ weights["head.weight"][0] + weights["head.bias"][0]
    loss = nn.functional.softplus(-logit)
    expected = [float(g.norm()) for g in torch.autograd.grad(loss, states)][::-1]
    trained = table[table["state"] == "trained"]
    for column in ("median", "low", "high"):
        np.testing.assert_allclose(trained[column], expected, rtol=1e-4)
    assert trained["relative_median"].to_numpy() == pytest.approx(np.divide(expected, expected[0]))


def test_the_test_part_is_not_read(tmp_path: Path) -> None:
    rows = cohort()
    others = [replace(r, visits=[[1, 7]] * 12) if r.part == FOLD else r for r in rows]
    trained = train(rows, tmp_path, MODEL)
    reach_of(rows, trained, tmp_path / "one")
    reach_of(others, trained, tmp_path / "two")
    for name in ("reach.csv", "reach.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_batch_changes_nothing_but_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = cohort()
    trained = train(rows, tmp_path, MODEL)
    whole, _ = reach_of(rows, trained, tmp_path / "one")
    monkeypatch.setattr("visitseq.evaluate.reach.BATCH", 3)
    cut, _ = reach_of(rows, trained, tmp_path / "two")
    pd.testing.assert_frame_equal(whole, cut, rtol=1e-12)


def test_a_fresh_network_is_the_trained_one_before_its_first_step(tmp_path: Path) -> None:
    """Adam with a learning rate of 0 leaves the network as it began."""
    folder = train(cohort(), tmp_path, MODEL | {"learning_rate": 0.0, "epochs": 1})
    fresh = fresh_network(card_of(folder)).state_dict()
    began = load_file(folder / "model.safetensors")
    assert began.keys() == fresh.keys()
    for name in began.keys() - {"head.bias"}:  # training starts at the base rate
        weight = began[name]
        torch.testing.assert_close(fresh[name], weight, rtol=1e-6, atol=0)


def test_a_validation_part_without_visits_has_no_distances(tmp_path: Path) -> None:
    rows = [replace(r, visits=[]) if r.part == FOLD + 1 else r for r in cohort()]
    table, content = reach_of(rows, train(rows, tmp_path, MODEL), tmp_path / "reach")
    assert len(table) == content["sequences"] == 0
    assert content["empty"] > 0
    assert content["spectral_radius"]["trained"]["new"] > 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"bidirectional": True}, "both directions"), ({"visits": "shuffled"}, "visits shuffled")],
)
def test_a_network_that_does_not_read_forwards_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    rows = cohort()
    folder = train(rows, tmp_path, MODEL | {"epochs": 1} | changes)
    with pytest.raises(UserError, match=reason):
        reach_of(rows, folder, tmp_path / "reach")


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "rnn", "nonlinearity": "relu", "layers": 2},
        {"cell": "lstm", "embed": "tanh"},
        {"cell": "gru", "reset": "before", "initialisation": "orthonormal"},
    ],
)
def test_every_cell_is_measured_as_it_was_configured(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """The residual, and the last state's gradient with it, is that of the scores of the network."""
    rows = cohort()
    folder = train(rows, tmp_path, MODEL | {"nonlinearity": "tanh"} | changes)
    table, _ = reach_of(rows, folder, tmp_path / "reach")
    sequences = read_sequences(tmp_path / "visits.arrow")
    validation = sequences.rows_of_parts([FOLD + 1])
    seen = sequences.take(validation[sequences.lengths[validation] > 0])
    residuals = np.abs(load_model(folder).score(seen) - seen.label)
    head = load_file(folder / "model.safetensors")["head.weight"].norm().item()
    last = table[(table["state"] == "trained") & (table["quantity"] == "h")].iloc[0]
    assert last["median"] == pytest.approx(np.median(residuals) * head, rel=1e-4)
