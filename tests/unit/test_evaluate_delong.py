import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visitseq.evaluate.delong import delong_interval, delong_json


def slow_delong(case: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """AUROC and its variance by all pairs (DeLong et al. 1988, equations 3 to 6)."""
    above, below = score[case][:, None], score[~case][None]
    wins = (above > below) + 0.5 * (above == below)
    of_cases, of_controls = wins.mean(axis=1), wins.mean(axis=0)
    variance = of_cases.var(ddof=1) / len(of_cases) + of_controls.var(ddof=1) / len(of_controls)
    return wins.mean(), variance


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([3, 8, 10_000]))
def test_mid_ranks_give_what_all_pairs_give(seed: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    case = np.append([True, True, False, False], generator.random(30) < 0.3)
    score = generator.integers(0, levels, 34) + case * 0.3 * levels
    value, variance = slow_delong(case, score)
    estimate = delong_interval(case, score)
    assert estimate.value == pytest.approx(value)
    margin = 1.959963984540054 * math.sqrt(variance)
    assert estimate.low == pytest.approx(max(0, value - margin), abs=1e-12)
    assert estimate.high == pytest.approx(min(1, value + margin), abs=1e-12)


def test_published_example() -> None:
    """CT images of Hanley and McNeil (Radiology 1982;143:29, table I), five ratings.

    Stata's manual ([R] roctab, example 1), whose default is DeLong's standard error, prints
    area 0.8932, interval 0.83295 to 0.95339.
    """
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    case = np.repeat([False, True], [sum(normal), sum(abnormal)])
    rating = np.concatenate([np.repeat(np.arange(5.0), images) for images in (normal, abnormal)])
    estimate = delong_interval(case, rating)
    assert round(estimate.value, 4) == 0.8932
    assert round(estimate.low, 5) == 0.83295
    assert round(estimate.high, 5) == 0.95339


def test_without_two_of_each_there_is_no_interval() -> None:
    one_case = delong_interval(np.array([True, False, False]), np.array([0.5, 0.6, 0.1]))
    assert (one_case.value, math.isnan(one_case.low)) == (0.5, True)
    none = delong_interval(np.array([False, False]), np.array([0.5, 0.6]))
    assert (math.isnan(none.value), none.reason) == (True, "no case")


def test_json_names_the_assumption() -> None:
    content = delong_json(delong_interval(np.array([True]), np.array([0.5])), " in the test part")
    assert content["assumes"] == "rows are independent (matched sets ignored)"
    assert content["reason"] == "no control in the test part"
