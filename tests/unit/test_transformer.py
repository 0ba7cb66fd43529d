"""The transformer: its company and its padding change nothing, and what it attends to."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from arrow_visits import in_memory
from small_training import CODES, TRANSFORMER
from torch.nn import functional

from visitseq.models.batches import Batch, collate
from visitseq.models.transformer import Transformer, build_transformer, sinusoids

KNOWN = np.arange(CODES, dtype=np.int32)
ROWS: list[list[list[int]]] = [[[0], [1, 2], [3]], [], [[4, 5]], [[7], [], [0, 6], [2], [1]]]


def network(**changes: Any) -> Transformer:
    torch.manual_seed(3)
    return build_transformer({**TRANSFORMER, **changes}, CODES).eval()


def batch_of(rows: list[list[list[int]]]) -> Batch:
    return collate(in_memory(rows), np.arange(len(rows)), KNOWN)


def test_a_logit_depends_neither_on_the_padding_nor_on_the_company() -> None:
    model = network()
    sequences = in_memory([*ROWS, [[1]] * 40])
    with torch.no_grad():
        together = model(collate(sequences, np.arange(4), KNOWN))
        long = model(collate(sequences, np.arange(5), KNOWN))[:-1]
        alone = torch.cat([model(collate(sequences, np.array([row]), KNOWN)) for row in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(together, long, rtol=1e-5, atol=1e-6)
    assert len(set(together.tolist())) == len(ROWS)


def test_training_and_scoring_compute_the_same_without_dropout() -> None:
    model = network(dropout=0.0)
    with torch.inference_mode():
        scored = model(batch_of(ROWS))
    torch.testing.assert_close(model.train()(batch_of(ROWS)), scored, rtol=1e-5, atol=1e-6)


def test_a_gradient_reaches_every_weight_and_no_code_that_is_not_there() -> None:
    model = network().train()
    torch.autograd.backward(model(batch_of(ROWS)).sum())
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.to_dense().isfinite().all(), name
        assert weight.grad.to_dense().any(), name
    assert model.embed.weight.grad is not None
    assert model.embed.weight.grad.to_dense().any(dim=1).all()


def test_a_row_without_visits_is_the_start_token_alone() -> None:
    """Attention over one token gives its own value, so the layers can be followed by hand."""
    model = network(heads=1, layers=1)
    with torch.no_grad():
        (found,) = model(batch_of([[]]))
        layer: Any = model.layers[0]
        x = model.start
        _, _, value = layer.self_attn.in_proj_weight.split(len(x))
        bias = layer.self_attn.in_proj_bias[-len(x) :]
        x = x + layer.self_attn.out_proj(value @ layer.norm1(x) + bias)
        x = x + layer.linear2(functional.relu(layer.linear1(layer.norm2(x))))
        expected = model.head(model.norm(x)).item()
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_order_and_time_matter_unless_time_is_left_out() -> None:
    rows = [[[0], [1]], [[1], [0]]]
    with torch.no_grad():
        one, two = network()(batch_of(rows))
        assert one != two
        later = batch_of(rows)
        later.durations.add_(1.0)
        assert (network()(later) != network()(batch_of(rows))).all()
        timeless = network(duration=False)
        assert torch.equal(timeless(later), timeless(batch_of(rows)))


def test_places_are_sines_and_cosines() -> None:
    found = sinusoids(torch.tensor([0, 3]), 5)
    assert found.shape == (2, 5)
    assert found[0].tolist() == [0, 1, 0, 1, 0]
    wave = 10000 ** (2 / 5)
    by_hand = [math.sin(3), math.cos(3), math.sin(3 / wave), math.cos(3 / wave)]
    np.testing.assert_allclose(found[1, :4], by_hand, rtol=1e-5)


def test_every_layer_begins_with_weights_of_its_own() -> None:
    one, two = (dict(layer.named_parameters())["linear1.weight"] for layer in network().layers)
    assert not torch.equal(one, two)
