import csv
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.api as sm
from arrow_visits import write_visits
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from small_training import FOLD, LOGISTIC, PARTS, TASK, cohort, train
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from visitseq import tables
from visitseq.encode.sequences import read_sequences
from visitseq.evaluate.as_used import evaluate_as_used
from visitseq.evaluate.as_used_rows import (
    Landmark,
    case_control_rows,
    read_in_vocabulary,
)
from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.censoring import censoring_weights, cumulative_incidence, follow_up
from visitseq.evaluate.evaluate import evaluate_model
from visitseq.evaluate.flagged import flag, net_benefit, net_benefit_of_all, rates
from visitseq.evaluate.metrics import estimate_metrics
from visitseq.evaluate.recalibration import fit_recalibration
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.evaluate.smooth_calibration import SmoothCurve, calibration_index

Floats = npt.NDArray[np.float64]
OUTCOMES = ("onset", "death", "censored", "free")
HORIZON = 30


def rows_of(case: npt.ArrayLike, probability: Floats, weight: Floats | None = None) -> ScoredRows:
    n = len(probability)
    groups = Groups(np.arange(n), np.arange(n))
    case = np.asarray(case, dtype=np.bool_)
    return ScoredRows.sort(case, probability, groups, np.zeros(n, np.bool_), weight=weight)


def test_weights_by_hand() -> None:
    days = np.array([2, 2, 3, 4, 5, 10], dtype=np.int32)
    outcome = np.array(["onset", "censored", "death", "censored", "onset", "free"])
    # Of the five who are left when the onset of day 2 has happened, one is censored on that day;
    # of the three on day 4 another: G is 1, then 4/5, then 8/15.
    expected = [1, 0, 5 / 4, 0, 15 / 8, 15 / 8]
    assert censoring_weights(days, outcome) == pytest.approx(expected)


def test_nobody_censored_weighs_one() -> None:
    days, outcome = np.array([1, 3], dtype=np.int32), np.array(["death", "free"])
    assert censoring_weights(days, outcome).tolist() == [1, 1]
    assert censoring_weights(days[:0], outcome[:0]).tolist() == []


ends = st.tuples(st.integers(0, HORIZON - 1), st.sampled_from(OUTCOMES[:3]))


@given(st.lists(ends, max_size=40), st.integers(1, 5))
def test_weighted_share_is_the_incidence_of_aalen_and_johansen(
    ended: list[tuple[int, str]], free: int
) -> None:
    days = np.array([day for day, _ in ended] + [HORIZON] * free, dtype=np.int32)
    outcome = np.array([name for _, name in ended] + ["free"] * free)
    weights = censoring_weights(days, outcome)
    assert weights.sum() == pytest.approx(len(days))
    seen, place = follow_up(days, outcome)
    incidence = cumulative_incidence(seen, np.bincount(place))
    assert weights[outcome == "onset"].sum() / len(days) == pytest.approx(incidence)


def simulated(n: int, seed: int) -> tuple[Floats, Floats, npt.NDArray[np.int32], list[str]]:
    """A score; days and outcome with censoring; and without it whether an onset came in time."""
    draw = np.random.default_rng(seed)
    score = draw.normal(size=n)
    onset = draw.exponential(np.exp(-score) / 0.004)
    death, censoring = draw.exponential(400, n), draw.exponential(150, n)
    horizon = np.full(n, 100.0)
    times = np.ceil(np.stack([onset, death, censoring, horizon]))
    first = times.argmin(axis=0)
    truth = times[[0, 1, 3]].argmin(axis=0) == 0
    return score, truth, times.min(axis=0).astype(np.int32), [OUTCOMES[place] for place in first]


def test_what_was_censored_comes_back() -> None:
    score, truth, days, words = simulated(20_000, 1)
    outcome = np.array(words)
    case, weights = outcome == "onset", censoring_weights(days, outcome)
    known = weights > 0
    rows = rows_of(case[known], expit(score[known]), weights[known])
    estimated = estimate_metrics(rows, 2, 0, 0, ("auroc",))["auroc"].value
    assert estimated == pytest.approx(roc_auc_score(truth, score), abs=0.008)
    assert np.average(case, weights=weights) == pytest.approx(truth.mean(), abs=0.008)
    # Censored rows taken for controls, and left out without weights.
    assert case.mean() < truth.mean() - 0.05
    assert roc_auc_score(case, score) < roc_auc_score(truth, score) - 0.015
    assert abs(case[known].mean() - truth.mean()) > 0.02


@pytest.mark.parametrize("ending", ["everybody leaves early", "some are free"])
def test_both_curves_are_those_of_statsmodels_to_the_last_bit(ending: str) -> None:
    draw = np.random.default_rng(7)
    days = draw.integers(0, 40 if ending == "some are free" else 30, 300).astype(np.int32)
    outcome = np.where(days >= 30, "free", draw.choice(["onset", "death", "censored"], 300))
    days = np.minimum(days, 30)
    censored = outcome == "censored"
    curve = SurvfuncRight(days + 0.5 * censored, censored.astype(int))
    uncensored = np.array([1.0, *curve.surv_prob])[np.searchsorted(curve.surv_times, days)]
    expected = [0 if left else 1 / share for left, share in zip(censored, uncensored, strict=True)]
    assert censoring_weights(days, outcome).tolist() == expected
    seen, place = follow_up(days, outcome)
    counts = np.bincount(place, draw.integers(0, 5, 300)).astype(int)
    status = (seen.outcome == "onset") + 2 * (seen.outcome == "death")
    incidence = CumIncidenceRight(seen.days, status, freq_weights=counts).cinc[0][-1]
    assert cumulative_incidence(seen, counts) == incidence


def weighted(n: int = 400, seed: int = 0) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    draw = np.random.default_rng(seed)
    probability = np.round(draw.random(n), 2)
    return draw.random(n) < probability, probability, draw.uniform(0.5, 3, n)


def test_metrics_take_weights_as_scikit_learn_does() -> None:
    case, probability, weight = weighted()
    found = estimate_metrics(rows_of(case, probability, weight), 20, 0, 0)
    expected = {
        "auroc": roc_auc_score,
        "auprc": average_precision_score,
        "brier": brier_score_loss,
    }
    for name, metric in expected.items():
        value = metric(case, probability, sample_weight=weight)
        assert found[name].value == pytest.approx(value), name
        assert found[name].low < value < found[name].high


def test_recalibration_takes_weights_and_leaves_nothing_to_mend() -> None:
    case, probability, weight = weighted()
    probability = np.clip(probability, 0.01, 0.99)
    rows = rows_of(case, probability, weight)
    fit = fit_recalibration(rows)
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    other.fit(logit(probability)[:, None], case, sample_weight=weight)
    assert fit.intercept == pytest.approx(other.intercept_[0], abs=1e-5)
    assert fit.slope == pytest.approx(other.coef_[0, 0], abs=1e-5)
    mended = replace(rows, probability=fit.probabilities(rows.probability))
    found = estimate_metrics(mended, 2, 0, 0, ("calibration_intercept", "calibration_slope"))
    assert found["calibration_intercept"].value == pytest.approx(0, abs=1e-9)
    assert found["calibration_slope"].value == pytest.approx(1, abs=1e-9)


def index_of(case: npt.ArrayLike, probability: Floats) -> float:
    rows = rows_of(case, probability)
    smooth, weights = SmoothCurve(rows), np.ones((1, len(probability)))
    return float(
        calibration_index(smooth.at_rows(smooth.fit(weights)), rows.probability, weights)[0]
    )


def test_calibration_index_is_the_distance_that_was_put_in() -> None:
    draw = np.random.default_rng(3)
    right = expit(draw.normal(-1, 1, 20_000))
    case = draw.random(20_000) < right
    assert index_of(case, right) < 0.01
    shifted = expit(logit(right) + 1)
    assert index_of(case, shifted) == pytest.approx(np.mean(shifted - right), abs=0.01)
    bent = right**2
    assert index_of(case, bent) == pytest.approx(np.mean(right - bent), abs=0.01)


def test_smooth_curve_is_that_of_statsmodels() -> None:
    case, probability, weight = weighted()
    rows = rows_of(case, np.clip(probability, 0.01, 0.99), weight)
    smooth = SmoothCurve(rows)
    counts = np.stack([rows.weight, rows.weight * np.arange(len(rows))])
    fitted = smooth.fit(counts)
    for own, weights in zip(fitted, counts, strict=True):
        model = sm.GLM(
            rows.case.astype(float), smooth.design.T, sm.families.Binomial(), freq_weights=weights
        )
        assert own == pytest.approx(model.fit(tol=1e-12).params, abs=1e-5)
    # Beyond the outer knots the log odds are a line.
    outer = logit(smooth.at(fitted, expit(np.array([10.0, 11.0, 12.0]))))
    assert np.diff(outer, 2) == pytest.approx(0, abs=1e-6)


def test_curve_of_a_draw_without_controls_and_of_one_value() -> None:
    case, probability, _ = weighted(40)
    rows = rows_of(case, np.clip(probability, 0.01, 0.99))
    smooth = SmoothCurve(rows)
    with_controls, without = smooth.fit(np.stack([np.ones(40), rows.case]))
    assert np.isfinite(with_controls).all()
    assert np.isnan(without).all() or smooth.at_rows(without[None]) == pytest.approx(1, abs=1e-3)
    constant = SmoothCurve(rows_of([True, False, False, False], np.full(4, 0.5)))
    assert constant.at(constant.fit(np.ones((1, 4))), np.array([0.5])) == pytest.approx(0.25)


def test_flagging_by_hand() -> None:
    risk = np.array([0.1, 0.8, 0.3, 0.6])
    case = np.array([False, True, True, False])
    weights = np.array([[4.0, 1, 2, 1]])
    flagged = flag(risk, case, weights, np.array([0.5, 0.6, 0.9]))
    found = rates(flagged)
    assert found["flagged"][0] == pytest.approx([2 / 8, 2 / 8, 0])
    assert found["sensitivity"][0] == pytest.approx([1 / 3, 1 / 3, 0])
    assert found["specificity"][0] == pytest.approx([4 / 5, 4 / 5, 1])
    assert found["ppv"][0] == pytest.approx([1 / 2, 1 / 2, np.nan], nan_ok=True)
    assert found["npv"][0] == pytest.approx([4 / 6, 4 / 6, 5 / 8])
    # One false positive costs what a threshold says: 1, 3/2 and 9 true positives.
    thresholds = np.array([0.5, 0.6, 0.9])
    assert net_benefit(flagged, thresholds)[0] == pytest.approx([0, (1 - 1.5) / 8, 0])
    assert net_benefit_of_all(flagged, thresholds)[0] == pytest.approx(
        [-2 / 8, (3 - 7.5) / 8, (3 - 45) / 8]
    )


def predictions(rows: list[tuple[int | None, int, bool, float]]) -> pa.Table:
    sets, subjects, labels, scores = map(list, zip(*rows, strict=True))
    columns = {
        "set_id": sets,
        "score": scores,
        "subject_id": subjects,
        "prediction_time": [datetime(2020, 1, 1)] * len(rows),
        "boolean_value": labels,
        "predicted_boolean_value": labels,
        "predicted_boolean_probability": scores,
    }
    return pa.table(columns, schema=tables.PREDICTIONS)


def test_a_set_is_drawn_with_its_case() -> None:
    table = predictions(
        [(8, 4, False, 0.3), (8, 7, True, 0.9), (None, 2, False, 0.5), (9, 4, True, 0.4)]
    )
    rows = case_control_rows(table, np.array([2, 5, 7]))
    assert rows.groups.ids.tolist() == [2, 4, 5, 7]
    drawn = dict(zip(rows.place.tolist(), rows.groups.ids[rows.groups.rows].tolist(), strict=True))
    assert drawn == {0: 7, 1: 7, 2: 2, 3: 4}
    assert len(next(iter(rows.weights(3, 0, 0)))) == 3


class Files:
    """A model of a small cohort, and the same rows as a landmark cohort with other ids."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows = folder, cohort()
        self.model = train(self.rows, folder, LOGISTIC)
        self.order = np.random.default_rng(5).permutation(8)
        self.write_landmark()
        evaluate_model(
            visits=folder / "visits.arrow",
            trained=self.model,
            task=TASK,
            fold=FOLD,
            parts=PARTS,
            seed=0,
            draws=50,
            folder=folder,
        )

    def write_landmark(self) -> None:
        here = self.folder / "landmark"
        own = pq.read_table(self.folder / "vocabulary.parquet")
        # Id i here is the code order[i] there.
        shuffled = own.take(pa.array(self.order)).set_column(0, "id", own["id"])
        tables.write_parquet(shuffled, here / "vocabulary.parquet")
        place = np.argsort(self.order)
        moved = [
            replace(row, visits=[sorted(place[codes].tolist()) for codes in map(list, row.visits)])
            for row in self.rows
        ]
        write_visits(moved, here / "visits.arrow")
        labels = [row.label for row in self.rows]
        outcomes = {
            "subject_id": [row.subject_id for row in self.rows],
            "index_time": [row.index_time for row in self.rows],
            "days": [5 if label else 366 for label in labels],
            "outcome": ["onset" if label else "free" for label in labels],
        }
        table = pa.table(outcomes, schema=tables.OUTCOMES)
        tables.write_parquet(table, here / "outcomes.parquet")

    def evaluate(self, evaluated: Path | None = None) -> dict[str, Any]:
        here = self.folder / "landmark"
        evaluate_as_used(
            trained=self.model,
            vocabulary=self.folder / "vocabulary.parquet",
            evaluated=self.folder,
            landmarks={
                "used": Landmark(
                    here / "visits.arrow",
                    here / "vocabulary.parquet",
                    here / "outcomes.parquet",
                    evaluated,
                )
            },
            fold=FOLD,
            parts=PARTS,
            seed=0,
            draws=50,
            folder=self.folder,
        )
        content: dict[str, Any] = json.loads((self.folder / "as_used.json").read_text("utf-8"))
        return content


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("as_used"))


def test_visits_are_read_with_the_ids_of_the_model(files: Files) -> None:
    here = files.folder / "landmark"
    paths = (here / "visits.arrow", here / "vocabulary.parquet", here / "outcomes.parquet")
    read = read_in_vocabulary(Landmark(*paths, None), files.folder / "vocabulary.parquet")
    expected = read_sequences(files.folder / "visits.arrow")
    assert np.array_equal(read.codes, expected.codes)
    assert np.array_equal(read.code_offsets, expected.code_offsets)


def test_the_same_rows_are_worth_the_same(files: Files) -> None:
    """Without censoring, on the rows of the test part itself, nothing drops."""
    content: Any = files.evaluate()["used"]
    home = json.loads((files.folder / "metrics.json").read_text("utf-8"))
    for name in ("auroc", "auprc", "brier", "calibration_intercept", "calibration_slope"):
        assert content["raw"][name]["value"] == pytest.approx(home[name]["value"]), name
        assert content["case_control"][name] == home[name]
    assert content["drop"]["auroc"] == {"value": 0, "low": 0, "high": 0}
    labels = [bool(row.label) for row in files.rows if row.part == FOLD]
    test = content["test"]
    assert (test["n"], test["onset"], test["free"]) == (
        len(labels),
        sum(labels),
        labels.count(False),
    )
    risk = content["observed_risk"]
    assert risk["weighted"]["value"] == pytest.approx(np.mean(labels))
    assert risk["aalen_johansen"]["value"] == pytest.approx(np.mean(labels))
    fit = content["recalibration"]
    raw, mended = (
        content[state]["calibration_slope"]["value"] for state in ("raw", "recalibrated")
    )
    assert mended == pytest.approx(raw / fit["slope"])


def test_a_model_that_was_trained_there_stands_beside(files: Files) -> None:
    alone = files.evaluate()["used"]
    content: Any = files.evaluate(evaluated=files.folder)["used"]
    beside = content.pop("trained_on_landmark")
    differences = content.pop("less_trained_on_landmark")
    assert content == alone
    # It is the same model here.
    assert beside["raw"] == content["raw"]
    assert beside["own_threshold"] == content["own_threshold"]
    assert differences["auroc"] == differences["ici"] == {"value": 0, "low": 0, "high": 0}


def test_curves_hold_what_the_thresholds_say(files: Files) -> None:
    content: Any = files.evaluate()["used"]
    with (files.folder / "as_used_curves.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    at = {(line["curve"], line["probability"], line["x"]): float(line["value"]) for line in lines}
    own, risk = content["raw"]["thresholds"]["0.2"], content["observed_risk"]["weighted"]["value"]
    positives = own["sensitivity"]["value"] * risk
    negatives = own["flagged"]["value"] - positives
    assert at["decision", "raw", "0.2"] == pytest.approx(positives - negatives / 4)
    assert at["decision", "treat_all", "0.2"] == pytest.approx(risk - (1 - risk) / 4)
    assert sum(line["curve"] == "calibration" for line in lines) == 80


def test_nobody_who_falls_ill_is_no_error(files: Files) -> None:
    path = files.folder / "landmark/outcomes.parquet"
    kept = path.read_bytes()
    table = pq.read_table(path)
    free = pa.array(["free"] * len(table))
    tables.write_parquet(table.set_column(3, "outcome", free), path)
    content: Any = files.evaluate()["used"]
    path.write_bytes(kept)
    assert content["raw"]["auroc"]["reason"] == "no case in the test part"
    assert content["drop"]["auroc"]["value"] is None
    assert content["observed_risk"]["aalen_johansen"]["value"] == 0
