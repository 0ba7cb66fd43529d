import numpy as np
import pytest
from scipy.special import ndtr

from visitseq.evaluate import auroc, bootstrap
from visitseq.evaluate.bootstrap import set_draws

IDS = np.array([4, 8, 15, 16, 23, 42])


def draw(ids: np.ndarray = IDS, draws: int = 50, seed: int = 0, fold: int = 0) -> np.ndarray:
    return np.concatenate(list(set_draws(ids, draws, seed, fold, rows=len(ids))))


def test_every_draw_has_as_many_groups_as_there_are() -> None:
    counts = draw(draws=1000)
    assert counts.shape == (1000, 6)
    assert (counts.sum(axis=1) == 6).all()
    # Multinomial with probability 1/6: mean 1, variance 5/6.
    assert counts.mean(axis=0) == pytest.approx(np.ones(6), abs=0.15)
    assert counts.var(axis=0) == pytest.approx(np.full(6, 5 / 6), rel=0.25)


def test_draws_depend_on_seed_fold_and_ids_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = draw()
    assert (draw() == counts).all()
    assert not (draw(seed=1) == counts).all()
    assert not (draw(fold=1) == counts).all()
    assert not (draw(ids=IDS + 1) == counts).all()
    # How many draws are made at once, and how many are made in all, changes none of them.
    monkeypatch.setattr(bootstrap, "CHUNK_CELLS", 42)
    assert (draw() == counts).all()
    assert (draw(draws=20) == counts[:20]).all()


def test_draws_are_these_numbers() -> None:
    """Pinned: another numpy must not change published intervals unnoticed."""
    assert draw(draws=2).tolist() == [[0, 3, 1, 1, 0, 1], [0, 0, 3, 2, 1, 0]]


def test_order_of_the_rows_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    case, score = generator.random(80) < 0.3, generator.random(80)
    sets = generator.integers(0, 20, 80)
    order = generator.permutation(80)
    expected = auroc(case, score, sets)
    assert auroc(case[order], score[order], sets[order]) == pytest.approx(expected)


def simulate_sets(
    generator: np.random.Generator, sets: int, shared: float
) -> tuple[np.ndarray, ...]:
    """Sets of one case and two controls whose scores share a part of the set's own."""
    case = np.tile([True, False, False], sets)
    own = np.repeat(generator.normal(size=sets), 3) * shared
    return case, own + generator.normal(size=3 * sets) + case, np.repeat(np.arange(sets), 3)


@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_interval_covers_the_truth_about_as_often_as_it_says(shared: float) -> None:
    """95% of intervals, within what 300 simulations tell (99.9%: 0.909 to 0.991)."""
    generator = np.random.default_rng(5)
    # Case and control of different sets, as almost all pairs are: difference of two normals.
    truth = float(ndtr(1 / np.sqrt(2 * (1 + shared**2))))
    covered = 0
    for _ in range(300):
        case, score, sets = simulate_sets(generator, 60, shared)
        estimate = auroc(case, score, sets, draws=150)
        covered += estimate.low <= truth <= estimate.high
    assert 0.90 <= covered / 300 <= 0.99


def test_interval_of_sets_differs_from_that_of_independent_rows() -> None:
    """Ten copies of each row say no more than one: drawing rows would claim they did."""
    generator = np.random.default_rng(6)
    case, score, _ = simulate_sets(generator, 40, 0)
    copies = {name: np.repeat(values, 10) for name, values in (("case", case), ("score", score))}
    one = auroc(case, score)
    by_set = auroc(copies["case"], copies["score"], np.repeat(np.arange(120), 10))
    by_row = auroc(copies["case"], copies["score"])
    assert by_set == pytest.approx(one)
    assert by_row.high - by_row.low < 0.5 * (one.high - one.low)
