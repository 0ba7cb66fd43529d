"""Integrated gradients against closed forms, and completeness for every cell."""

from typing import Any

import numpy as np
import pytest
import torch
from arrow_visits import cohorts, in_memory
from hypothesis import given, settings
from small_training import GRU
from torch import nn

from visitseq.evaluate.integrated_gradients import code_rows, code_steps, integrated_gradients
from visitseq.models.batches import Batch, collate
from visitseq.models.recurrent import RecurrentClassifier, build_classifier

CODES = 7
KNOWN = np.arange(CODES, dtype=np.int32)
COHORT = [[[0, 2], [1]], [], [[3], [0, 3], [5]], [[], [6]]]


class OfSum(nn.Module):
    """A function of w . (sum of a row's embedded visits) + (sum of its days beside the visits)."""

    def __init__(self, dimension: int, function: Any) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embed = nn.EmbeddingBag(CODES, dimension, mode="sum", include_last_offset=True)
        weights = torch.randn(CODES, dimension, generator=generator)
        self.embed.weight = nn.Parameter(weights)
        self.w = torch.randn(dimension, generator=generator)
        self.function = function

    def forward(self, batch: Batch) -> torch.Tensor:
        visits = self.embed(batch.codes, batch.code_offsets) @ self.w + batch.durations
        ranks = torch.cat([torch.arange(size) for size in batch.batch_sizes.tolist()])
        totals = torch.zeros(len(batch.ranks)).index_add(0, ranks, visits)
        result: torch.Tensor = self.function(totals)[batch.ranks]
        return result


def batch_of(cohort: list[list[list[int]]], known: Any = KNOWN) -> Batch:
    return collate(in_memory(cohort), np.arange(len(cohort)), known)


def network(**changes: Any) -> RecurrentClassifier:
    """A recurrent network whose weights are large enough to saturate it."""
    torch.manual_seed(1)
    made = build_classifier({**GRU, "nonlinearity": "tanh", **changes}, CODES)
    nn.init.normal_(made.embed.weight)
    return made


def test_of_a_linear_network_a_code_has_its_own_coefficient() -> None:
    linear, batch = OfSum(3, lambda total: total), batch_of(COHORT)
    found = integrated_gradients(linear, batch)  # type: ignore[arg-type]
    expected = (linear.embed.weight @ linear.w).detach().numpy()[batch.codes.numpy()]
    np.testing.assert_allclose(found.codes, expected, rtol=1e-5)
    np.testing.assert_allclose(found.gaps, 0, atol=1e-5)


def test_of_a_hyperbolic_tangent_the_integral_is_known() -> None:
    """Of F = tanh(s + d) each code has its share of s in tanh(s + d) - tanh(d)."""
    batch = batch_of(COHORT)
    one = OfSum(1, torch.tanh)
    found = integrated_gradients(one, batch)  # type: ignore[arg-type]
    value = (one.embed.weight @ one.w).detach().double().numpy()[batch.codes.numpy()]
    rows = code_rows(batch).numpy()
    s = np.bincount(rows, value, minlength=len(COHORT))
    days = np.log1p(np.arange(7))  # visits are numbered through by their days
    d = np.array([days[0] + days[1], 0, days[2:5].sum(), days[5:7].sum()])
    expected = value * ((np.tanh(s + d) - np.tanh(d)) / np.where(s == 0, 1, s))[rows]
    np.testing.assert_allclose(found.codes, expected, atol=1e-5)


@settings(max_examples=5, deadline=None)
@given(cohort=cohorts)
@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "rnn"},
        {"cell": "gru", "embed": "tanh"},
        {"cell": "gru", "reset": "before", "duration": False},
        {"cell": "lstm", "layers": 2},
        {"cell": "gru", "bidirectional": True},
    ],
    ids=str,
)
def test_completeness(changes: dict[str, Any], cohort: list[list[list[int]]]) -> None:
    """What the codes are given adds up to the change from the same visits without codes."""
    made, batch = network(**changes), batch_of(cohort)
    found = integrated_gradients(made, batch)
    with torch.no_grad():
        change = made(batch) - made(batch_of(cohort, KNOWN[:0]))
    given_to = np.bincount(code_rows(batch).numpy(), found.codes, minlength=len(cohort))
    np.testing.assert_allclose(given_to, change.numpy(), atol=2e-4)
    np.testing.assert_allclose(found.gaps, change.numpy() - given_to, atol=1e-5)


def test_a_row_is_explained_alike_alone_and_among_others() -> None:
    made, batch = network(), batch_of(COHORT)
    found = integrated_gradients(made, batch)
    rows = code_rows(batch).numpy()
    sequences = in_memory(COHORT)
    for row in range(len(COHORT)):
        alone = collate(sequences, np.array([row]), KNOWN)
        np.testing.assert_allclose(
            integrated_gradients(made, alone).codes, found.codes[rows == row], atol=1e-6
        )


def test_rows_and_steps_of_the_codes() -> None:
    batch = batch_of(COHORT)
    found = set(zip(code_rows(batch).tolist(), code_steps(batch).tolist(), batch.codes.tolist()))  # noqa: B905
    assert found == {
        (row, step, code)
        for row, visits in enumerate(COHORT)
        for step, visit in enumerate(visits)
        for code in visit
    }


def test_a_batch_without_any_code() -> None:
    found = integrated_gradients(network(), batch_of([[], []]))
    assert found.codes.tolist() == []
    assert found.gaps.tolist() == [0, 0]
