"""Probabilities of scores that are none, against scikit-learn and by hand."""

from typing import Any

import numpy as np
import pytest
from arrow_visits import in_memory
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.metrics import estimate_metrics, metric_values
from visitseq.evaluate.platt import fit_platt
from visitseq.evaluate.predictions import predictions_table
from visitseq.evaluate.scored_rows import ScoredRows

DRAW = np.random.default_rng(0)
LABELS = DRAW.random(400) < 0.2
SCORES = DRAW.normal(size=400) * 3 + 2 * LABELS - 40


def platt_loss(parameters: list[float], labels: Any, scores: Any) -> float:
    cases = labels.sum()
    targets = np.where(labels, (cases + 1) / (cases + 2), 1 / (len(labels) - cases + 2))
    margin = parameters[0] + parameters[1] * scores
    return float(np.sum(np.logaddexp(0, margin) - targets * margin))


def test_it_is_scikit_learns_sigmoid() -> None:
    model = LogisticRegression(C=1e6).fit(SCORES[:, None], LABELS)
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid")
    calibrated.fit(SCORES[:, None], LABELS)
    expected = calibrated.predict_proba(SCORES[:, None])[:, 1]
    platt = fit_platt(LABELS, model.decision_function(SCORES[:, None]), 0.1)
    found = platt.probabilities(model.decision_function(SCORES[:, None]))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_no_other_sigmoid_is_likelier() -> None:
    platt = fit_platt(LABELS, SCORES, 0.1)
    best = minimize(platt_loss, [0.0, 0.0], args=(LABELS, SCORES), method="Nelder-Mead")
    assert platt_loss([platt.intercept, platt.slope], LABELS, SCORES) <= best.fun + 1e-9
    assert platt.to_json()["fitted"] == "to the scores of the validation part"


def test_classes_that_a_threshold_parts_by_hand() -> None:
    # Two groups of tied scores: the likeliest sigmoid gives each its own target.
    labels = np.array([True, True, False, False, False])
    platt = fit_platt(labels, np.where(labels, 3.0, 1.0), 0.5)
    case, control = logit(3 / 4), logit(1 / 5)
    assert platt.slope == pytest.approx((case - control) / 2)
    assert platt.intercept == pytest.approx(control - platt.slope)


@pytest.mark.parametrize(
    ("labels", "lacks"), [([True] * 3, "control"), ([False] * 3, "case"), ([], "row")]
)
def test_without_both_classes_it_is_the_base_rate(labels: list[bool], lacks: str) -> None:
    platt = fit_platt(np.array(labels, dtype=bool), np.linspace(0, 1, len(labels)), 0.125)
    np.testing.assert_allclose(platt.probabilities(np.array([-9.0, 9.0])), 0.125)
    assert platt.to_json()["reason"].startswith(f"no {lacks} in the validation part")


def test_scores_that_are_all_the_same_have_the_mean_target() -> None:
    platt = fit_platt(np.array([True, False, False]), np.full(3, 7.0), 0.5)
    expected = (2 / 3 + 2 * 1 / 4) / 3
    np.testing.assert_allclose(platt.probabilities(np.array([0.0, 7.0])), expected)
    assert platt.slope == 0


def rows_of(scores: list[float], probabilities: list[float]) -> ScoredRows:
    sequences = in_memory([[[1]]] * len(scores))
    table = predictions_table(
        sequences,
        np.array(scores),
        probabilities=np.array(probabilities),
        threshold=0.5,
        observation_months=18,
        prediction_months=0,
    )
    return ScoredRows.from_predictions(table)


def test_a_table_says_whether_its_scores_are_probabilities() -> None:
    scores = [0.1, 0.7, 1 / 3]
    same = rows_of(scores, scores)
    assert same.probability.tolist() == same.score.tolist() == sorted(scores, reverse=True)
    other = rows_of([-3.0, 2.0, 0.0], [0.1, 0.7, 1 / 3])
    assert other.score.tolist() == [2, 0, -3]
    np.testing.assert_array_equal(other.probability, np.array([0.7, 1 / 3, 0.1], dtype=np.float32))


@pytest.mark.parametrize("slope", [0.5, -0.5])
def test_ranks_are_the_scores_and_calibration_is_the_probabilities(slope: float) -> None:
    """Whatever the sigmoid's direction: probabilities may fall where scores rise."""
    probability = expit(20 * slope + slope * SCORES)
    groups = Groups(np.arange(400), np.arange(400))
    matched = np.zeros(400, dtype=bool)
    mixed = ScoredRows.sort(LABELS, SCORES, groups, matched, probability)
    plain = ScoredRows.sort(LABELS, probability, groups, matched)
    by_score = ScoredRows.sort(LABELS, SCORES, groups, matched)
    weights = np.ones((1, 400))
    calibration = ("brier", "log_loss", "calibration_intercept", "calibration_slope")
    found = metric_values(mixed, weights, ("auroc", *calibration))
    expected = metric_values(plain, weights, calibration)
    for metric in calibration:
        assert found[metric] == pytest.approx(expected[metric], rel=1e-9), metric
    assert found["auroc"] == metric_values(by_score, weights, ("auroc",))["auroc"]


def test_the_sigmoid_of_its_own_rows_is_calibrated() -> None:
    probability = fit_platt(LABELS, SCORES, 0.1).probabilities(SCORES)
    groups = Groups(np.arange(400), np.arange(400))
    rows = ScoredRows.sort(LABELS, SCORES, groups, np.zeros(400, dtype=bool), probability)
    estimates = estimate_metrics(rows, draws=100, seed=0, fold=0)
    assert estimates["calibration_slope"].value == pytest.approx(1, abs=0.05)
    assert estimates["calibration_intercept"].value == pytest.approx(0, abs=0.05)


def test_shares_of_none_and_all_have_a_finite_log_loss() -> None:
    labels = np.array([True, False, True, False])
    shares = np.array([1.0, 0.0, 0.0, 1.0])
    probability = fit_platt(labels, shares, 0.5).probabilities(shares)
    groups = Groups(np.arange(4), np.arange(4))
    rows = ScoredRows.sort(labels, shares, groups, np.zeros(4, dtype=bool), probability)
    loss = metric_values(rows, np.ones((1, 4)), ("log_loss",))["log_loss"][0]
    assert loss == pytest.approx(np.log(2))
