"""What batches of similar length hold, and what they would waste if they were padded."""

from collections.abc import Sequence

import numpy as np
import pytest
from arrow_visits import in_memory
from hypothesis import given
from hypothesis import strategies as st

from visitseq.encode.sequences import Integers
from visitseq.models.batches import collate
from visitseq.train.shuffled_batches import batches_by_length, shuffled_batches

numbers = st.lists(st.integers(0, 30), max_size=60).map(np.array)


def padding_waste(lengths: Integers, batches: Sequence[Integers]) -> float:
    """Share of the row-steps that would be padding if each batch were padded to its longest row.

    The networks here are given packed batches and compute none of them; the share says how uneven
    the steps of a batch are. It is 0 where all batches are empty.
    """
    visits = sum(int(lengths[batch].sum()) for batch in batches)
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return 1 - visits / padded if padded else 0.0


def test_waste_is_the_share_of_a_padded_batch_that_is_no_visit() -> None:
    lengths = np.array([3, 1, 0, 2])
    # 3 + 1 visits in 2 x 3 steps, 0 + 2 in 2 x 2.
    assert padding_waste(lengths, [np.array([0, 1]), np.array([2, 3])]) == pytest.approx(4 / 10)
    assert padding_waste(lengths, [np.array([0])]) == 0.0
    assert padding_waste(lengths, [np.array([2])]) == 0.0
    assert padding_waste(lengths, []) == 0.0


@given(numbers, st.integers(1, 9), st.integers(1, 4), st.integers(0, 5))
def test_batches_are_all_rows_once(lengths: np.ndarray, size: int, pool: int, seed: int) -> None:
    lengths = lengths.astype(np.int64)
    batches = shuffled_batches(lengths, size, np.random.default_rng(seed), pool)
    sorted_batches = list(batches_by_length(lengths, size))
    for found in (batches, sorted_batches):
        assert sorted(np.concatenate([[], *found])) == list(range(len(lengths)))
        assert sorted(map(len, found), reverse=True)[:-1] == [size] * (len(found) - 1)
    in_order = np.concatenate([[], *sorted_batches]).astype(int)
    assert (np.diff(lengths[in_order]) >= 0).all()


def cohort_lengths(rows: int = 40_000) -> np.ndarray:
    """Lengths as in a cohort: geometric, 40 visits in the mean."""
    return np.random.default_rng(0).geometric(1 / 40, size=rows)


@pytest.mark.parametrize(
    ("pool", "low", "high"), [(1, 0.80, 0.83), (10, 0.35, 0.39), (100, 0.05, 0.08)]
)
def test_padding_would_waste_less_the_larger_the_pools(pool: int, low: float, high: float) -> None:
    lengths = cohort_lengths()
    batches = shuffled_batches(lengths, 128, np.random.default_rng(1), pool)
    assert low < padding_waste(lengths, batches) < high


@pytest.mark.parametrize("pool", [1, 10, 100])
def test_packed_batches_waste_nothing(pool: int) -> None:
    draw = np.random.default_rng(2)
    lengths = draw.geometric(1 / 5, size=300) - 1
    sequences = in_memory([[[int(draw.integers(5))] for _ in range(n)] for n in lengths])
    known = np.arange(5, dtype=np.int32)
    steps = 0
    for rows in shuffled_batches(lengths, 16, draw, pool):
        batch = collate(sequences, rows, known)
        assert int(batch.batch_sizes.sum()) == lengths[rows].sum() == len(batch.durations)
        steps += int(batch.batch_sizes.sum())
    assert steps == lengths.sum()


def test_large_pools_make_batches_of_one_label() -> None:
    """Where cases have more visits, a sorted order separates them: why pools are small."""
    draw = np.random.default_rng(3)
    label = draw.random(12_800) < 0.1
    lengths = draw.geometric(np.where(label, 1 / 80, 1 / 40))

    def spread(pool: int) -> float:
        epochs = [shuffled_batches(lengths, 128, draw, pool) for _ in range(9)]
        return float(np.std([label[batch].mean() for batches in epochs for batch in batches]))

    chance = np.sqrt(0.1 * 0.9 / 128)
    assert spread(1) == pytest.approx(chance, rel=0.15)
    assert spread(1) < spread(10) < spread(100)
    assert spread(100) > 2.5 * chance
