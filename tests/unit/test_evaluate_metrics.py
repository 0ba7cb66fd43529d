import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from visitseq.evaluate import Estimate, auroc
from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.metrics import METRICS, estimate_metrics, metric_draws, metric_values
from visitseq.evaluate.mid_ranks import mid_ranks
from visitseq.evaluate.scored_rows import ScoredRows

Array = npt.NDArray[Any]

SETS, ROWS = 60, 300


def make_rows(
    case: Array, score: Array, sets: Array | None = None, *, matched: bool = True
) -> ScoredRows:
    own = np.arange(len(case)) if sets is None else sets
    ids, index = np.unique(own, return_inverse=True)
    flags = np.full(len(case), matched and sets is not None)
    return ScoredRows.sort(np.asarray(case, dtype=bool), score, Groups(ids, index), flags)


@pytest.fixture
def sample() -> tuple[Array, Array, Array]:
    """Cases, probabilities with ties, and sets of one case and four controls."""
    generator = np.random.default_rng(1)
    case = np.arange(ROWS) % 5 == 0
    score = expit(np.round(generator.normal(size=ROWS) + 1.2 * case - 1.5, 1))
    return case, score, np.arange(ROWS) // 5


# A table that anyone can work out: (labels, scores) by falling score: 1 0 1 (1 0) 0.
CASE = np.array([1, 0, 1, 1, 0, 0], dtype=bool)
SCORE = np.array([0.9, 0.8, 0.7, 0.4, 0.4, 0.1])


def test_metrics_worked_out_by_hand() -> None:
    rows = make_rows(CASE, SCORE)
    values = metric_values(rows, np.ones((1, 6)), METRICS)
    # Pairs in order: 0.9 beats 3, 0.7 beats 2, 0.4 beats 1 and ties 1: 6.5 of 9.
    assert values["auroc"][0] == pytest.approx(6.5 / 9)
    # Precision at each case found: 1 of 1, 2 of 3, 3 of 5 (the tie is one step).
    assert values["auprc"][0] == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert values["brier"][0] == pytest.approx((0.01 + 0.64 + 0.09 + 0.36 + 0.16 + 0.01) / 6)
    # No control may be flagged (1 of 3 is more than 10%): only the first case is found.
    assert values["sensitivity_at_90_specificity"][0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_equal_scikit_learn(sample: tuple[Array, Array, Array], weighted: bool) -> None:
    case, score, _ = sample
    weight = np.random.default_rng(2).integers(0, 4, ROWS) if weighted else np.ones(ROWS)
    order = np.argsort(-score, kind="stable")
    rows = make_rows(case, score)
    values = metric_values(rows, weight[order][None].astype(float), METRICS)
    arguments = {"y_true": case, "sample_weight": weight}
    expected = {
        "auroc": sk.roc_auc_score(y_score=score, **arguments),
        "auprc": sk.average_precision_score(y_score=score, **arguments),
        "brier": sk.brier_score_loss(y_proba=score, **arguments),
        "log_loss": sk.log_loss(y_proba=score, **arguments),
    }
    for specificity in (90, 95):
        false, true, _ = sk.roc_curve(y_score=score, drop_intermediate=False, **arguments)
        name = f"sensitivity_at_{specificity}_specificity"
        expected[name] = true[false <= 1 - specificity / 100 + 1e-12].max()
    assert {name: values[name][0] for name in expected} == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([3, 10, 1000]))
def test_auroc_is_the_share_of_ordered_pairs(seed: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    case = np.append([True, False], generator.random(20) < 0.4)
    score = generator.integers(0, levels, 22).astype(float)
    above, below = score[case][:, None], score[~case][None]
    expected = np.mean((above > below) + 0.5 * (above == below))
    assert auroc(case, score, draws=10).value == pytest.approx(expected)


def test_specificity_of_exactly_ninety_per_cent_is_enough() -> None:
    # One of ten controls above the second case: specificity 9/10 finds both cases.
    case = np.array([1, 0, 1, *[0] * 9], dtype=bool)
    score = np.linspace(0.9, 0.1, 12)
    for copies in (1, 3, 7):
        rows = make_rows(np.repeat(case, copies), np.repeat(score, copies))
        values = metric_values(rows, np.ones((1, 12 * copies)))
        assert values["sensitivity_at_90_specificity"][0] == 1
        assert values["sensitivity_at_95_specificity"][0] == 0.5


@pytest.mark.parametrize("seed", range(4))
def test_calibration_equals_scikit_learn_and_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    case = generator.random(ROWS) < 0.2
    score = expit(generator.normal(size=ROWS) * 2 + case - 1)
    weight = generator.integers(0, 3, ROWS).astype(float)
    order = np.argsort(-score, kind="stable")
    values = metric_values(make_rows(case, score), weight[order][None], METRICS)

    offset = logit(score)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    slope = model.fit(offset[:, None], case, sample_weight=weight).coef_[0, 0]
    assert values["calibration_slope"][0] == pytest.approx(slope, rel=1e-5)

    def loss(a: Array) -> float:
        return float(np.sum(weight * (np.logaddexp(0, offset + a) - case * (offset + a))))

    intercept = minimize(loss, [0.0], tol=1e-12).x[0]
    assert values["calibration_intercept"][0] == pytest.approx(intercept, abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from([0.0, 1e-300, 1e-9, 0.3]))
def test_calibration_solves_its_equations_or_is_undefined(seed: int, extreme: float) -> None:
    """Mean residual 0 (and, for the slope, residuals uncorrelated with the score)."""
    generator = np.random.default_rng(seed)
    case = generator.random(30) < 0.4
    score = generator.choice([extreme, 1 - extreme, 0.2, 0.5, 0.9], 30)
    rows = make_rows(case, score)
    values = metric_values(rows, np.ones((1, 30)), METRICS)
    predictor = logit(np.clip(rows.score, 2**-52, 1 - 2**-52))
    intercept = values["calibration_intercept"][0]
    if case.any() and not case.all():
        assert np.mean(rows.case - expit(predictor + intercept)) == pytest.approx(0, abs=1e-9)
    else:
        assert math.isnan(intercept)
    slope = values["calibration_slope"][0]
    highest = [predictor[rows.case == kind].max(initial=-99) for kind in (True, False)]
    lowest = [predictor[rows.case == kind].min(initial=99) for kind in (True, False)]
    apart = lowest[0] >= highest[1] or lowest[1] >= highest[0]
    assert math.isnan(slope) == apart
    if not apart:
        fitted = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000)
        fitted.fit(predictor[:, None] / 10, rows.case)
        assert slope == pytest.approx(fitted.coef_[0, 0] / 10, rel=1e-3, abs=1e-4)


def test_concordance_pools_the_pairs_of_all_sets() -> None:
    sets = np.array([0, 0, 0, 1, 1, 2, 2, 3])
    case = np.array([1, 0, 0, 1, 0, 1, 0, 1], dtype=bool)
    score = np.array([0.5, 0.4, 0.6, 0.3, 0.3, 0.9, 0.1, 0.2])
    # Set 0: one of two pairs; set 1: a tie; set 2: in order; set 3 has no control.
    value = metric_values(make_rows(case, score, sets), np.ones((1, 8)))
    assert value["concordance_within_sets"][0] == pytest.approx((1 + 0.5 + 1) / 4)


def test_concordance_of_some_of_the_rows_is_that_of_their_sets() -> None:
    """A set of which no row is taken has no pair; the draws are those of the whole."""
    case = np.array([True, False, True, False, True, False])
    score = np.array([0.9, 0.1, 0.2, 0.3, 0.4, 0.4])
    groups = Groups(np.arange(3), np.array([0, 0, 1, 1, 2, 2]))
    rows = ScoredRows.sort(case, score, groups, np.ones(6, dtype=bool))
    some = rows.take(np.array([True, True, False, False, True, True]))
    weights = np.array([[1.0] * 4, [2.0 * (group == 0) for group in some.groups.rows]])
    value = metric_values(some, weights, ("concordance_within_sets",))["concordance_within_sets"]
    assert value.tolist() == [0.75, 1.0]


def test_concordance_does_not_see_what_differs_between_sets() -> None:
    generator = np.random.default_rng(3)
    sets = np.repeat(np.arange(50), 4)
    case = np.tile([True, False, False, False], 50)
    score = generator.normal(size=200) + case
    shift = generator.normal(size=50)[sets] * 5
    plain, shifted = (
        metric_values(make_rows(case, values, sets), np.ones((1, 200)), METRICS[:1] + METRICS[-1:])
        for values in (score, score + shift)
    )
    assert shifted["concordance_within_sets"][0] == plain["concordance_within_sets"][0]
    assert shifted["auroc"][0] < plain["auroc"][0]


def test_a_draw_equals_the_metrics_of_the_rows_copied(sample: tuple[Array, Array, Array]) -> None:
    """Weights are a way to say how often a set is in the sample, and nothing else."""
    case, score, sets = sample
    rows = make_rows(case, score, sets)
    drawn = metric_draws(rows, 5, 0, 0)
    weights = np.concatenate(list(rows.weights(5, 0, 0))).astype(int)
    for draw in range(5):
        copy_number = np.concatenate([np.arange(times) for times in weights[draw]])
        copies = ScoredRows.sort(
            np.repeat(rows.case, weights[draw]),
            np.repeat(rows.score, weights[draw]),
            # Each copy of a set is a set of its own.
            Groups(
                *np.unique(
                    np.repeat(rows.groups.rows, weights[draw]) + 1000 * copy_number,
                    return_inverse=True,
                )
            ),
            np.ones(weights[draw].sum(), dtype=bool),
        )
        expected = metric_values(copies, np.ones((1, len(copies))))
        for metric in METRICS:
            assert drawn[metric][draw] == pytest.approx(expected[metric][0], rel=1e-9), metric


def test_undefined_metrics_say_why() -> None:
    def reasons(case: list[int], score: list[float], sets: list[int] | None = None) -> set[Any]:
        rows = make_rows(
            np.array(case, dtype=bool), np.array(score), None if sets is None else np.array(sets)
        )
        estimates = estimate_metrics(rows, 20, 0, 0)
        assert list(estimates) == list(METRICS)
        return {(m, e.reason) for m, e in estimates.items() if math.isnan(e.value)}

    assert reasons([], []) == {(metric, "no row") for metric in METRICS}
    one_class = set(METRICS) - {"brier", "log_loss"}
    assert reasons([0, 0], [0.1, 0.2]) == {(metric, "no case") for metric in one_class}
    assert reasons([1, 1], [0.1, 0.2]) == {(metric, "no control") for metric in one_class}
    slope = "no finite slope: the score parts cases from controls, or is constant,"
    without_sets = ("concordance_within_sets", "no matched set with a case and a control")
    assert reasons([1, 0, 0], [0.9, 0.2, 0.1]) == {("calibration_slope", slope), without_sets}
    assert reasons([1, 0, 1], [0.5, 0.5, 0.5]) == {("calibration_slope", slope), without_sets}
    assert reasons([1, 0, 1, 0], [0.5, 0.6, 0.4, 0.2], [1, 2, 3, 3]) == set()


def test_interval_needs_two_groups_and_draws_in_which_the_metric_is_defined() -> None:
    case, score = np.array([1, 0, 1, 0]), np.array([0.9, 0.1, 0.4, 0.5])
    one_set = auroc(case, score, groups=[7, 7, 7, 7])
    assert (one_set.value, math.isnan(one_set.low)) == (0.75, True)
    assert one_set.reason == "no interval: fewer than two sets or persons"
    # One case among 4 rows: a draw misses it with probability (3/4)^4, about a third.
    few = auroc([1, 0, 0, 0], [0.9, 0.1, 0.4, 0.5], draws=400)
    assert few.value == 1
    assert math.isnan(few.high)
    assert "defined in 2" in str(few.reason)


def test_auroc_of_groups_of_any_name(sample: tuple[Array, Array, Array]) -> None:
    case, score, sets = sample
    estimate = auroc(case, score, groups=[f"set {number:02d}" for number in sets])
    assert estimate == auroc(case, score, groups=sets)
    assert estimate.low < estimate.value < estimate.high
    assert estimate != auroc(case, score, groups=sets, seed=1)


@pytest.mark.parametrize(
    ("labels", "scores", "groups", "message"),
    [
        ([0, 1], [0.1], None, "labels have shape"),
        ([0, 2], [0.1, 0.2], None, "not all 0 or 1"),
        ([0, 1], [0.1, math.nan], None, "1 of 2 scores are not finite"),
        ([0, 1], [0.1, 0.2], [1], "groups have shape"),
    ],
)
def test_auroc_refuses_what_it_cannot_read(
    labels: Any, scores: Any, groups: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        auroc(labels, scores, groups)


def test_json_has_null_for_nan_and_comes_back() -> None:
    estimate = Estimate(math.nan, math.nan, math.nan, "no case")
    content = estimate.to_json(" in the test part")
    assert content == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no case in the test part",
    }
    assert math.isnan(Estimate.from_json(content).value)
    assert Estimate(0.5, 0.25, 0.75).to_json() == {"value": 0.5, "low": 0.25, "high": 0.75}


def test_rows_without_a_set_are_groups_of_their_own() -> None:
    table = pa.table(
        {
            "set_id": pa.array([3, None, 3, None], pa.int64()),
            "score": [0.4, 0.3, 0.2, 0.1],
            "subject_id": pa.array([1, 3, 2, 3], pa.int64()),
            "boolean_value": [True, False, False, True],
            "predicted_boolean_probability": pa.array([0.4, 0.3, 0.2, 0.1], pa.float32()),
        }
    )
    rows = ScoredRows.from_predictions(table)
    # A person whose id equals a set's number is not of that set; a person's rows stay together.
    assert rows.groups.ids.tolist() == [[0, 3], [1, 3]]
    assert rows.groups.rows.tolist() == [0, 1, 0, 1]
    assert rows.matched.tolist() == [True, False, True, False]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=12))
def test_mid_ranks_by_counting(rows: list[tuple[int, int]]) -> None:
    groups = np.array([group for group, _ in rows], dtype=np.int64)
    scores = np.array([score for _, score in rows], dtype=np.float64)
    expected = [
        sum(s < score for g, s in rows if g == group)
        + (1 + sum(s == score for g, s in rows if g == group)) / 2
        for group, score in rows
    ]
    assert mid_ranks(scores, groups).tolist() == expected
