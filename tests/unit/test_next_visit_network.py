"""Predicting at every visit: the batches by hand, the losses row by row, and no look ahead."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from arrow_visits import in_memory
from small_training import GRU

from visitseq.encode.sequences import VisitLists
from visitseq.models.batches import Batch, collate
from visitseq.models.forecast_batches import Trajectories, VisitLabels
from visitseq.models.label_losses import label_losses
from visitseq.models.next_visit import NextVisitNetwork, build_next_visit
from visitseq.models.next_visit_batches import NextVisitBatch, collate_next_visit

#: Codes of the visits of three rows; the fold knows the codes 0 to 4, and of labels 1 to 5.
ROWS = [[[0], [1, 2], [5]], [[3], [0, 4]], [[1], [2], [0, 9], [4, 5]]]
DAYS = [[0, 3, 0], [0, 400], [0, 1, 7, 2]]
KNOWN, KNOWN_LABELS = np.arange(5, dtype=np.int32), np.arange(1, 6, dtype=np.int32)
MODEL = {**GRU, "dropout": 0.0, "hidden": 4, "embedding": 3, "loss": "multinomial", "tradeoff": 2.0}


def trajectories(rows: list[list[list[int]]] = ROWS) -> Trajectories:
    made = in_memory(rows)
    names = ("subject_id", "part", "visit_offsets", "code_offsets", "codes")
    days = np.concatenate(DAYS).astype(np.float32)
    visits = VisitLists(**{name: getattr(made, name) for name in names}, days=days)
    return Trajectories(
        visits, VisitLabels(visits.code_offsets, visits.codes, KNOWN_LABELS), KNOWN, 1
    )


def network(**changes: Any) -> NextVisitNetwork:
    torch.manual_seed(0)
    made = build_next_visit({**MODEL, **changes}, len(KNOWN), len(KNOWN_LABELS)).double()
    torch.nn.init.constant_(made.time.bias, 1.0)
    return made


def test_what_is_read_and_what_is_asked_by_hand() -> None:
    batch = collate_next_visit(trajectories(), np.array([0, 1, 2]))
    # Rows by visits read: 2 (three), 0 (two), 1 (one); the steps are 2 0 1, 2 0, 2.
    assert batch.read.batch_sizes.tolist() == [3, 2, 1]
    assert batch.rows.tolist() == [2, 0, 1, 2, 0, 2]
    assert batch.read.codes.tolist() == [1, 0, 3, 2, 1, 2, 0]
    asked = [batch.labels[batch.offsets[v] : batch.offsets[v + 1]].tolist() for v in range(6)]
    # Label 1 is the first that is known; 0 and 9 are not.
    assert asked == [[1], [0, 1], [3], [], [4], [3, 4]]
    days = [1, 3, 400, 7, 1, 2]  # at least 1
    np.testing.assert_allclose(batch.log_days, np.log(days), rtol=1e-6)


@pytest.mark.parametrize("loss", ["paper", "multinomial", "sigmoid"])
def test_a_rows_loss_is_the_mean_over_its_own_predictions(loss: str) -> None:
    model, data = network(loss=loss), trajectories()
    found = model.losses(_double(collate_next_visit(data, np.array([0, 1, 2]))))
    for row, visits in enumerate(ROWS):
        total = 0.0
        for end in range(1, len(visits)):
            first = data.visits.visit_offsets[row]
            read = collate(data.visits, np.array([row]), KNOWN, np.array([first + end]))
            state = model(_batch_double(read))[-1:]
            held = [label - 1 for label in visits[end] if 1 <= label <= 5]
            ends = torch.tensor([0, len(held)])
            numbers = model.numbers(state)
            labels = torch.tensor(held, dtype=torch.long)
            total += label_losses(numbers, labels, ends, loss).item()
            missed = model.log_days(state).item() - np.log(max(DAYS[row][end], 1))
            total += 2.0 * missed**2 / 2
        assert found[row].item() == pytest.approx(total / (len(visits) - 1), rel=1e-6)


def _batch_double(batch: Batch) -> Batch:
    return replace(batch, durations=batch.durations.double())


def _double(batch: NextVisitBatch) -> NextVisitBatch:
    return replace(batch, read=_batch_double(batch.read), log_days=batch.log_days.double())


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_later_visits_change_nothing_of_an_earlier_prediction(cell: str) -> None:
    changes: dict[str, Any] = {"cell": cell, "layers": 2, "nonlinearity": "tanh"}
    model = network(**changes).float()
    others = [visits[:2] + [[3] for _ in visits[2:]] for visits in ROWS]
    assert others != ROWS
    states = []
    for rows in (ROWS, others):
        batch = collate_next_visit(trajectories(rows), np.array([0, 1, 2]))
        states.append(model(batch.read))
    first_two = torch.arange(6) < 5  # steps 0 and 1: the sixth is row 2's third visit
    assert torch.equal(states[0][first_two], states[1][first_two])
    assert not torch.equal(states[0][5], states[1][5])


def test_the_time_head_gives_no_negative_logarithm() -> None:
    model = network()
    torch.nn.init.constant_(model.time.bias, -10.0)
    assert model.log_days(torch.zeros(2, 4, dtype=torch.float64)).tolist() == [0.0, 0.0]


def test_doctor_ais_weights_begin_orthonormal() -> None:
    model = network(initialisation="orthonormal", hidden=4)
    weight = model.head.weight.detach()
    torch.testing.assert_close(weight.T @ weight, torch.eye(4).double(), atol=1e-5, rtol=0)
    assert model.time.weight.abs().max() <= 0.1


ON_COUNTS = {"hidden": 4, "last_visits": 2, "loss": "multinomial", "tradeoff": 2.0}


def on_counts(kind: str, **changes: Any) -> NextVisitNetwork:
    """Made with random weights, as a trained one has."""
    torch.manual_seed(1)
    section = {"kind": kind, **ON_COUNTS, **changes}
    made = build_next_visit(section, len(KNOWN), len(KNOWN_LABELS)).double()
    for weight in made.parameters():
        torch.nn.init.normal_(weight)
    return made


def counts_of_last(visits: list[list[int]], last: int) -> np.ndarray[Any, Any]:
    """Counts of the known codes in the last visits, by hand."""
    codes = [code for visit in visits[-last:] for code in visit if code < len(KNOWN)]
    return np.bincount(np.array(codes, dtype=int), minlength=len(KNOWN)).astype(float)


@pytest.mark.parametrize("last", [1, 2, 5])
def test_models_on_counts_are_their_equations(last: int) -> None:
    batch = collate_next_visit(trajectories(), np.array([0, 1, 2]))
    # The visits that are read, in the order of the batch: rows 2 0 1, then 2 0, then 2.
    read = [ROWS[row][:end] for row, end in [(2, 1), (0, 1), (1, 1), (2, 2), (0, 2), (2, 3)]]
    counts = np.array([counts_of_last(visits, last) for visits in read])
    logistic, mlp = on_counts("logistic", last_visits=last), on_counts("mlp", last_visits=last)
    linear = logistic.reader.embed.weight.numpy(force=True)
    states = logistic(batch.read)
    biases = [head.bias.numpy(force=True) for head in (logistic.head, logistic.time)]
    numbers = counts @ linear + np.concatenate(biases)
    np.testing.assert_allclose(logistic.numbers(states).numpy(force=True), numbers[:, :-1])
    days = logistic.log_days(states).numpy(force=True)
    np.testing.assert_allclose(days, np.maximum(numbers[:, -1], 0))
    weights = {name: weight.numpy(force=True) for name, weight in mlp.named_parameters()}
    hidden = np.tanh(counts @ weights["reader.embed.weight"] + weights["reader.squash"])
    numbers = hidden @ weights["head.weight"].T + weights["head.bias"]
    np.testing.assert_allclose(mlp.numbers(mlp(batch.read)).numpy(force=True), numbers)


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
@pytest.mark.parametrize("loss", ["paper", "multinomial", "sigmoid"])
def test_the_loss_of_a_model_on_counts_is_that_of_its_numbers(kind: str, loss: str) -> None:
    model = on_counts(kind, loss=loss)
    batch = _double(collate_next_visit(trajectories(), np.array([0, 1, 2])))
    states = model(batch.read)
    of_labels = label_losses(model.numbers(states), batch.labels, batch.offsets, loss)
    of_time = (model.log_days(states) - batch.log_days) ** 2  # tradeoff 2, halved
    expected = [(of_labels + of_time)[batch.rows == row].mean().item() for row in range(3)]
    np.testing.assert_allclose(model.losses(batch).tolist(), expected)


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_a_model_on_counts_does_not_look_ahead_and_forgets_what_is_long_ago(kind: str) -> None:
    model = on_counts(kind)
    later = [visits[:2] + [[3] for _ in visits[2:]] for visits in ROWS]
    first = [[[4], *visits[1:]] for visits in ROWS]
    read, of_later, of_first = (
        model(collate_next_visit(trajectories(rows), np.array([0, 1, 2])).read)
        for rows in (ROWS, later, first)
    )
    assert torch.equal(read[:5], of_later[:5])
    assert not torch.equal(read[5], of_later[5])
    # Of the third visit the first is two ago, and two are counted.
    torch.testing.assert_close(read[5], of_first[5])
    assert not torch.isclose(read[:5], of_first[:5]).all(dim=1).any()


@pytest.mark.parametrize(
    ("kind", "penalised"),
    [
        ("recurrent", ["head.weight", "time.weight"]),
        ("mlp", ["head.weight", "reader.embed.weight", "time.weight"]),
        ("logistic", ["reader.embed.weight"]),
    ],
)
def test_what_is_penalised(kind: str, penalised: list[str]) -> None:
    model = network() if kind == "recurrent" else on_counts(kind)
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert sorted(names[id(weight)] for weight in model.penalised()) == penalised
