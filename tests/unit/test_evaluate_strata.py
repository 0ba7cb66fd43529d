import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.evaluate.strata import cut_points, pair_draws, pairs_within, stratum_of


def rows_of(case: np.ndarray, score: np.ndarray, groups: int) -> ScoredRows:
    rows = np.arange(len(case))
    return ScoredRows.sort(case, score, Groups(np.arange(groups), rows % groups), rows > -1)


def test_a_value_at_a_cut_point_is_below_it() -> None:
    cuts = cut_points(np.arange(9.0))
    assert cuts.tolist() == [2, 4, 6]
    assert stratum_of(np.array([0, 2, 2.5, 4, 6, 7, 100]), cuts).tolist() == [0, 0, 1, 1, 2, 3, 3]
    # Equal quartiles leave a stratum without anybody.
    assert stratum_of(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0])).tolist() == [0, 2, 3]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_auroc_within_strata_is_scikit_learns_weighted_by_pairs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    case = np.append([True, False] * 4, generator.random(60) < 0.3)
    stratum = np.append(np.repeat(np.arange(4), 2), generator.integers(0, 4, 60))
    score = generator.integers(0, 12, 68) + stratum
    rows = rows_of(case, score.astype(np.float64), 68)
    pairs = pairs_within([rows.take(stratum == number) for number in range(4)])
    aurocs = [roc_auc_score(case[stratum == k], score[stratum == k]) for k in range(4)]
    weights = [case[stratum == k].sum() * (~case[stratum == k]).sum() for k in range(4)]
    assert pairs.by_stratum[0] == pytest.approx(aurocs)
    assert pairs.within[0] == pytest.approx(np.average(aurocs, weights=weights))


def test_strata_are_drawn_with_the_whole() -> None:
    """The draws of two strata are those of all rows, cut in two."""
    generator = np.random.default_rng(0)
    case, score = generator.random(90) < 0.4, generator.normal(size=90)
    rows, upper = rows_of(case, score, 30), np.arange(90) % 2 == 0
    drawn = pair_draws([rows.take(upper), rows.take(~upper)], draws=50, seed=3, fold=1)
    weights = np.concatenate(list(rows.weights(50, 3, 1)))
    for stratum, chosen in enumerate((upper, ~upper)):
        own = chosen[rows.place]
        cases, controls = weights[:, own & rows.case], weights[:, own & ~rows.case]
        number = cases.sum(axis=1) * controls.sum(axis=1)
        np.testing.assert_allclose(drawn.number[:, stratum], number)
        above = rows.score[own & rows.case][:, None] > rows.score[own & ~rows.case]
        concordant = np.einsum("dc,dk,ck->d", cases, controls, above)
        np.testing.assert_allclose(drawn.concordant[:, stratum], concordant)


def test_a_score_of_the_stratum_alone_tells_nothing_within() -> None:
    case, stratum = np.arange(40) % 3 == 0, np.arange(40) // 10
    rows = rows_of(case, stratum.astype(np.float64), 40)
    pairs = pairs_within([rows.take(stratum == number) for number in range(5)])
    assert pairs.within[0] == 0.5
    assert np.isnan(pairs.by_stratum[0, 4])  # nobody
