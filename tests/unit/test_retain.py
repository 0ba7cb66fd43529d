"""RETAIN against the paper's equations in NumPy, and against torch's GRU, a row at a time."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from arrow_visits import cohorts, in_memory
from hypothesis import given, settings
from small_training import RETAIN
from torch import nn

from visitseq.encode.sequences import Sequences
from visitseq.models.batches import Batch, collate
from visitseq.models.reference import cells, from_torch
from visitseq.models.retain import Retain, build_retain

Floats = npt.NDArray[np.float64]

KNOWN = np.array([0, 2, 3, 5], dtype=np.int32)
VISITS = [[[0], [2, 5], [], [3]], [], [[1], [0, 2, 3]], [[5]]]


def network(**changes: Any) -> Retain:
    torch.manual_seed(3)
    model = build_retain({**RETAIN, "embedding": 5, "hidden": 4, **changes}, len(KNOWN))
    nn.init.normal_(model.embed.weight)  # large enough for every term to tell
    nn.init.normal_(model.alpha.weight)
    return model.eval()


def batch_of(sequences: Sequences) -> Batch:
    return collate(sequences, np.arange(len(sequences)), KNOWN)


def paper_logit(model: Retain, visits: list[list[int]], days: npt.NDArray[np.float32]) -> float:
    """Steps 1 to 5 of section 2.2, for one row, float64."""
    weights = {name: value.numpy().astype(float) for name, value in model.state_dict().items()}
    b = weights["head.bias"][0]
    if not visits:
        return float(b)
    one_hot = np.array([[float(code in codes) for code in KNOWN] for codes in visits])
    v = one_hot @ weights["embed.weight"]
    s = np.column_stack([v, np.log1p(days)]) if model.duration else v

    def states(name: str) -> Floats:
        start = f"{name}."
        cell = from_torch.gru({k[len(start) :]: w for k, w in weights.items() if start in k})
        trace = cells.forward(cell, s[::-1], cells.initial_state(cell))
        return np.asarray(trace.h)[1:][::-1]  # h_0 is no visit's

    e = states("read_alpha") @ weights["alpha.weight"][0] + weights["alpha.bias"]
    alpha = np.exp(e) / np.exp(e).sum()
    beta = np.tanh(states("read_beta") @ weights["beta.weight"].T + weights["beta.bias"])
    c = (alpha[:, None] * beta * v).sum(axis=0)
    return float(weights["head.weight"][0] @ c + b)


@pytest.mark.parametrize("duration", [True, False])
@settings(deadline=None, max_examples=25)
@given(rows=cohorts)
def test_a_logit_is_that_of_the_papers_equations(
    duration: bool, rows: list[list[list[int]]]
) -> None:
    model, sequences = network(duration=duration), in_memory(rows)
    with torch.no_grad():
        found = model(batch_of(sequences)).numpy()
    bounds = sequences.visit_offsets
    expected = [
        paper_logit(model, visits, sequences.days_to_index[bounds[row] : bounds[row + 1]])
        for row, visits in enumerate(rows)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def by_torch(model: Retain, row: Batch) -> torch.Tensor:
    """The logit of a batch of one row, with torch's GRU, softmax and sums."""
    v = model.embed(row.codes, row.code_offsets)
    s = torch.cat([v, row.durations.unsqueeze(1)], 1).flip(0)
    g, h = (nn.GRU.forward(net, s)[0].flip(0) for net in (model.read_alpha, model.read_beta))
    alpha, beta = model.alpha(g).softmax(0), model.beta(h).tanh()
    logit: torch.Tensor = model.head((alpha * beta * v).sum(0))
    return logit


def test_the_gradients_are_those_of_the_plain_form_in_torch() -> None:
    sequences = in_memory([[visit for visit in VISITS[0] if visit], VISITS[3], VISITS[2][1:]])
    gradients = []
    for whole in (True, False):
        model = network()
        rows = [collate(sequences, np.array([row]), KNOWN) for row in range(3)]
        logits = (
            model(batch_of(sequences))
            if whole
            else torch.cat([by_torch(model, row) for row in rows])
        )
        torch.autograd.backward((logits * torch.tensor([1.0, -2.0, 3.0])).sum())
        gradients.append(
            {
                n: weight.grad.to_dense()
                for n, weight in model.named_parameters()
                if weight.grad is not None
            }
        )
    assert len(gradients[0]) == len(list(model.parameters()))
    for name, one in gradients[0].items():
        two = gradients[1][name]
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("duration", [True, False])
def test_the_contributions_of_a_rows_codes_sum_to_its_logit(duration: bool) -> None:
    model, sequences = network(duration=duration), in_memory(VISITS)
    batch = batch_of(sequences)
    with torch.no_grad():
        found, logits = model.contributions(batch), model(batch)
    assert len(found) == len(batch.codes) == 8  # code 1 is not known
    # By hand: the rows by length are 0, 2, 3, 1, so step by step the visits are
    # [0] [] [5] | [2 5] [0 2 3] | [] | [3], where [1] is the empty one.
    row_of_code = np.array([0, 3, 0, 0, 2, 2, 2, 0])
    sums = np.bincount(row_of_code, found.numpy(), minlength=4) + model.head.bias.item()
    np.testing.assert_allclose(sums, logits, rtol=1e-5, atol=1e-6)
    assert logits[1] == model.head.bias


def test_the_contribution_of_a_code_is_eq_5_for_it_alone() -> None:
    """Taking a code out of v, with alpha and beta held, moves the logit by its contribution."""
    model = network()
    batch = batch_of(in_memory([[[0, 2], [3]]]))
    with torch.no_grad():
        alpha, beta = model.attention(batch)
        found = model.contributions(batch)
        v = model.embed.weight[batch.codes]
    assert torch.isclose(alpha.sum(), torch.tensor(1.0))
    for place, visit in enumerate([0, 0, 1]):
        by_hand = alpha[visit] * (model.head.weight[0] * beta[visit] * v[place]).sum()
        assert found[place].item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_nothing_at_all_has_no_contribution() -> None:
    model, batch = network(), batch_of(in_memory([[], []]))
    with torch.no_grad():
        assert model.contributions(batch).shape == (0,)
        assert torch.equal(model(batch), model.head.bias.expand(2))


def test_a_large_score_does_not_overflow() -> None:
    model = network()
    nn.init.constant_(model.alpha.bias, 1e4)
    with torch.no_grad():
        alpha, _ = model.attention(batch_of(in_memory(VISITS)))
    assert alpha.isfinite().all()
