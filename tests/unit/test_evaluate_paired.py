import math

import numpy as np
import pytest

from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.evaluate.metrics import metric_draws
from visitseq.evaluate.paired import compare, two_sided_p
from visitseq.evaluate.scored_rows import ScoredRows


def test_p_by_hand() -> None:
    # 1 of 19 draws is at or below 0: 2 x (1 + 1) / (19 + 1).
    assert two_sided_p(np.array([-0.1, *np.full(18, 0.2)])) == pytest.approx(0.2)
    assert two_sided_p(np.array([0.1, *np.full(18, -0.2)])) == pytest.approx(0.2)
    assert two_sided_p(np.full(999, 0.3)) == pytest.approx(0.002)
    assert two_sided_p(np.zeros(50)) == 1
    assert two_sided_p(np.array([-0.1, *np.full(18, 0.2), math.nan])) == pytest.approx(0.2)


def test_a_difference_has_the_draws_of_both_models() -> None:
    drawn = np.arange(101) / 100
    other = drawn**2
    comparison = compare(Estimate(0.7, 0, 1), Estimate(0.5, 0, 1), drawn, other, groups=9)
    low, high = np.quantile(drawn - other, [0.025, 0.975])
    assert comparison.difference == pytest.approx((0.2, low, high, None))
    # Two draws (0 and 1) differ by 0, none by less.
    assert comparison.p == pytest.approx(2 * 3 / 102)


def test_without_a_value_or_an_interval_there_is_no_p() -> None:
    nothing = compare(undefined("no case"), Estimate(0.5, 0, 1), np.empty(0), np.ones(100), 9)
    assert (nothing.difference.reason, math.isnan(nothing.p)) == ("no case", True)
    rare = np.append(np.ones(90), np.full(10, math.nan))
    few = compare(Estimate(0.7, 0, 1), Estimate(0.5, 0, 1), rare, np.ones(100), 9)
    assert few.difference.value == pytest.approx(0.2)
    assert math.isnan(few.p)
    assert "90 of 100" in str(few.difference.reason)


def test_under_no_difference_p_is_uniform() -> None:
    """200 studies of two models of the same worth: about as many p below a level as it says."""
    p_values = []
    for study in range(200):
        generator = np.random.default_rng(study)
        case = np.arange(120) < 40
        people = np.arange(120)
        truth = generator.normal(size=120) + case
        drawn = []
        for _ in range(2):
            score = truth + generator.normal(size=120)
            rows = ScoredRows.sort(case, score, Groups(people, people), people < 0)
            drawn.append(metric_draws(rows, 199, study, 0, ("auroc",))["auroc"])
        p_values.append(two_sided_p(drawn[0] - drawn[1]))
    # 200 p-values: their share below a level has a standard deviation of 3.5 (0.5) or less.
    for level in (0.1, 0.5):
        share = np.mean(np.array(p_values) <= level)
        assert abs(share - level) < 4 * math.sqrt(level * (1 - level) / 200)
