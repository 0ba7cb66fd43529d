import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visitseq.evaluate.delong import delong_interval, delong_json, delong_test


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


#: Albumin, total protein, K-G score (the lower the better) and outcome of the ovarian cancer
#: patients of DeLong et al. 1988, as SAS/STAT's manual prints them (PROC LOGISTIC, "Comparing
#: Receiver Operating Characteristic Curves"): those without a missing test.
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
1.6 5.6 5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
3.6 6.6 5 1
"""


def test_published_paired_example() -> None:
    """Areas, their differences and chi-squared tests of the manual's output."""
    albumin, protein, kg, outcome = np.array(OVARIAN.split(), dtype=np.float64).reshape(-1, 4).T
    case, score = outcome == 1, -kg
    assert (len(case), int(case.sum())) == (43, 31)
    assert round(delong_interval(case, score).value, 4) == 0.7258
    for test, difference, standard_error, p in (
        (albumin, 0.0108, 0.0953, 0.9102),
        (protein, -0.0780, 0.1046, 0.4561),
    ):
        found = delong_test(case, test[None], score[None])
        assert round(found.difference.value, 4) == difference
        margin = found.difference.high - found.difference.value
        assert round(margin / 1.959963984540054, 4) == standard_error
        assert round(found.p, 4) == p


def slow_covariance(case: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROCs and their covariance by all pairs (DeLong et al. 1988, equations 3 to 6)."""
    above, below = scores[:, case][:, :, None], scores[:, ~case][:, None]
    wins = (above > below) + 0.5 * (above == below)
    of_cases, of_controls = np.cov(wins.mean(axis=2)), np.cov(wins.mean(axis=1))
    return wins.mean(axis=(1, 2)), of_cases / case.sum() + of_controls / (~case).sum()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([4, 10_000]))
def test_paired_test_is_the_contrast_of_all_pairs(seed: int, levels: int) -> None:
    """Two seeds of a model beside three of another: the contrast (1/2, 1/2, -1/3, -1/3, -1/3)."""
    generator = np.random.default_rng(seed)
    case = np.append([True, True, False, False], generator.random(30) < 0.4)
    scores = generator.integers(0, levels, (5, 34)) + case * 0.3 * levels
    areas, covariance = slow_covariance(case, scores)
    contrast = np.array([1 / 2, 1 / 2, -1 / 3, -1 / 3, -1 / 3])
    found = delong_test(case, scores[:2], scores[2:])
    assert found.difference.value == pytest.approx(contrast @ areas)
    error = math.sqrt(contrast @ covariance @ contrast)
    assert found.difference.low == pytest.approx(contrast @ areas - 1.959963984540054 * error)
    assert found.p == pytest.approx(math.erfc(abs(contrast @ areas) / error / math.sqrt(2)))


def test_paired_test_says_why_it_has_no_p() -> None:
    case = np.array([True, True, False, False])
    same = np.array([[0.1, 0.2, 0.1, 0.3]])
    for labels, reason in (
        (case, "no interval: no variance"),
        (np.array([True, False, False, False]), "no interval: fewer than two cases or controls"),
        (np.ones(4, dtype=bool), "no control"),
    ):
        found = delong_test(labels, same, same)
        assert (found.difference.reason, math.isnan(found.p)) == (reason, True)
