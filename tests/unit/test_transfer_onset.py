"""A model of kind onset at another hospital: its arms, what they leave and what is said of them."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from chains import SEQ2SEQ
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from small_training import ENCODING, FOLD, PARTS, RETAIN, cohort
from small_transfer import FILES, PAIR, PLAIN, pair_of, transfer

from visitseq import tables
from visitseq.encode.sequences import read_sequences
from visitseq.encode.vectors import write_vectors
from visitseq.evaluate.bootstrap import Groups
from visitseq.evaluate.evaluate import evaluate_model
from visitseq.evaluate.metrics import METRICS
from visitseq.evaluate.recalibration import estimate_recalibrated, fit_recalibration
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.train.network import fit_network, train_model
from visitseq.train.pretrained import train_pretrained
from visitseq.train.training_data import read_training_data
from visitseq.transfer import network_arms, onset
from visitseq.transfer.arm_results import ArmStore
from visitseq.transfer.arms import Arm

STRATEGIES = PAIR["strategies"]


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return pair_of(tmp_path_factory.mktemp("onset"), PLAIN)


@pytest.fixture(scope="module")
def metrics(arguments: dict[str, Any]) -> dict[str, Any]:
    return transfer(arguments)


@pytest.fixture(scope="module")
def predictions(arguments: dict[str, Any], metrics: dict[str, Any]) -> pd.DataFrame:
    frame: pd.DataFrame = pq.read_table(arguments["folder"] / "predictions.parquet").to_pandas()
    return frame


@pytest.fixture(scope="module")
def curve(arguments: dict[str, Any], metrics: dict[str, Any]) -> pd.DataFrame:
    return pd.read_csv(arguments["folder"] / "curve.csv")


def auroc(rows: pd.DataFrame) -> float:
    return float(roc_auc_score(rows["boolean_value"], rows["score"]))


# What is written.


def test_the_predictions_are_those_of_the_test_part_arm_by_arm(
    arguments: dict[str, Any], predictions: pd.DataFrame
) -> None:
    schema = pq.read_schema(arguments["folder"] / "predictions.parquet")
    assert schema.names == [*tables.PREDICTIONS.names, "strategy", "fraction", "draw"]
    assert [str(schema.field(name).type) for name in schema.names[-3:]] == [
        "string",
        "int32",
        "int32",
    ]
    arms = predictions[["strategy", "fraction", "draw"]].drop_duplicates()
    trained = [(s, fraction, draw) for s in STRATEGIES for fraction in (50, 100) for draw in (0, 1)]
    assert list(arms.itertuples(index=False, name=None)) == [("zero_shot", 0, 0), *trained]
    test = read_sequences(arguments["visits"])
    subjects = test.subject_id[test.part == FOLD].tolist()
    for _, rows in predictions.groupby(["strategy", "fraction", "draw"]):
        assert rows["subject_id"].tolist() == subjects


def test_an_arms_metrics_are_the_means_over_its_draws(
    metrics: dict[str, Any], predictions: pd.DataFrame
) -> None:
    for strategy in STRATEGIES:
        for fraction in (50, 100):
            said = metrics[strategy][str(fraction)]
            own = predictions[
                (predictions["strategy"] == strategy) & (predictions["fraction"] == fraction)
            ]
            values = [auroc(rows) for _, rows in own.groupby("draw")]
            assert said["draws"] == pytest.approx(values)
            assert said["auroc"]["value"] == pytest.approx(np.mean(values))
            assert said["auroc"]["low"] < said["auroc"]["value"] < said["auroc"]["high"]
            brier = np.mean((own["score"] - own["boolean_value"]) ** 2)  # draws of equal size
            assert said["brier"]["value"] == pytest.approx(brier)
            assert list(said)[: len(METRICS)] == list(METRICS)
            assert (said["n"], said["cases"]) == (len(own) / 2, own["boolean_value"].sum() / 2)


def test_the_interval_is_that_of_the_mean_of_the_same_bootstrap_draws(
    arguments: dict[str, Any], metrics: dict[str, Any]
) -> None:
    table = pq.read_table(arguments["folder"] / "predictions.parquet")
    frame = table.to_pandas()
    drawn = []
    for draw in (0, 1):
        chosen = (
            (frame["strategy"] == "scratch") & (frame["fraction"] == 50) & (frame["draw"] == draw)
        )
        rows = ScoredRows.from_predictions(table.filter(chosen.to_numpy()))
        labels, scores = rows.case, rows.score
        weights = np.concatenate(list(rows.weights(arguments["draws"], 0, FOLD)))
        drawn.append([roc_auc_score(labels, scores, sample_weight=w) for w in weights])
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    said = metrics["scratch"]["50"]["auroc"]
    assert (said["low"], said["high"]) == pytest.approx((low, high))


def test_differences_are_those_of_the_means(metrics: dict[str, Any]) -> None:
    value = {
        (strategy, fraction): metrics[strategy][fraction]["auroc"]["value"]
        for strategy in STRATEGIES
        for fraction in ("50", "100")
    } | {("zero_shot", f): metrics["zero_shot"]["auroc"]["value"] for f in ("50", "100")}
    assert list(metrics["differences"]) == ["5", "50", "100"]
    for fraction in ("50", "100"):
        said = metrics["differences"][fraction]
        assert list(said) == [
            "fine_tuned_less_scratch",
            "fine_tuned_less_zero_shot",
            "scratch_less_zero_shot",
            "last_layer_less_zero_shot",
        ]
        for name, apart in said.items():
            first, second = name.split("_less_")
            expected = value[first, fraction] - value[second, fraction]
            assert apart["auroc"]["value"] == pytest.approx(expected)
            assert apart["auroc"]["low"] <= expected <= apart["auroc"]["high"]


def test_the_curve_has_every_epoch_and_the_reported_one(
    metrics: dict[str, Any], curve: pd.DataFrame
) -> None:
    assert set(curve["strategy"]) == {"fine_tuned", "scratch"}
    assert set(curve["metric"]) == {"auroc"}
    for (strategy, fraction), rows in curve.groupby(["strategy", "fraction"]):
        said = metrics[str(strategy)][str(fraction)]
        for draw, own in rows.groupby("draw"):
            assert own["epoch"].tolist() == list(range(len(own)))
            assert own.loc[own["chosen"], "test"].tolist() == pytest.approx([said["draws"][draw]])
        best = rows.groupby("draw")["test"].max()
        epochs = [own["epoch"].iloc[own["test"].argmax()] for _, own in rows.groupby("draw")]
        assert said["peak"]["value"] == pytest.approx(best.mean())
        assert said["peak"]["value"] >= said["auroc"]["value"]
        assert said["peak"]["epoch"] == np.mean(epochs)
        assert said["peak"]["low"] < said["peak"]["value"] < said["peak"]["high"]
    scratch = curve[(curve["strategy"] == "scratch") & curve["chosen"]]
    assert (scratch["epoch"] > 0).all()


def test_an_arm_of_too_few_cases_is_not_estimable(
    metrics: dict[str, Any], predictions: pd.DataFrame, curve: pd.DataFrame
) -> None:
    reason = "not estimable: fewer than 20 cases in the drawn training rows"
    for strategy in STRATEGIES:
        said = metrics[strategy]["5"]
        for metric in (*METRICS, "recalibrated_intercept", "recalibrated_slope"):
            assert said[metric] == {"value": None, "low": None, "high": None, "reason": reason}
        assert said["draws"] == []
        assert 0 < said["training"]["cases"] < 20
    assert metrics["differences"]["5"]["fine_tuned_less_scratch"]["auroc"]["reason"] == reason
    assert 5 not in set(predictions["fraction"]) | set(curve["fraction"])


def test_without_a_control_nothing_is_estimable(tmp_path: Path, arguments: dict[str, Any]) -> None:
    assert onset._too_few({"rows": 30, "cases": 30}) == "no control in the drawn training rows"
    assert onset._too_few({"rows": 30, "cases": 20}) is None


# What is learned, and from what.


def test_from_scratch_on_all_rows_an_arm_has_the_rows_and_codes_of_a_training_at_home(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []

    def spy(model: Any, checkpoint: Any, *, data: Any, **more: Any) -> Any:
        seen.append(data)
        return real(model, checkpoint, data=data, **more)

    real = fit_network
    monkeypatch.setattr(network_arms, "fit_network", spy)
    pair = {**PAIR, "strategies": ["scratch"], "fractions": [50, 100], "draws": 1}
    transfer(arguments, pair=pair, folder=tmp_path / "out")
    visits, vocabulary = arguments["visits"], arguments["vocabulary"]
    home = read_training_data(visits, vocabulary, ENCODING, FOLD, PARTS)
    part, whole = seen
    for name in ("training", "validation", "known"):
        assert getattr(whole, name).tolist() == getattr(home, name).tolist()
        assert set(getattr(part, name).tolist()) <= set(getattr(home, name).tolist())
    assert whole.codes == home.codes
    assert len(part.training) < len(whole.training)
    assert not set(whole.training) & set(home.sequences.rows_of_parts([FOLD]))


def test_a_network_that_only_gets_worse_stays_as_it_came(
    tmp_path: Path, arguments: dict[str, Any]
) -> None:
    """A step of 10 spoils it at once; what is reported is then the source's, at every fraction."""
    given = pair_of(tmp_path, {**PLAIN, "epochs": 1}, rows=cohort())
    card = given["trained"] / "model.json"
    content = json.loads(card.read_text())
    content["model"] |= {"learning_rate": 10.0, "epochs": 3}
    card.write_text(json.dumps(content))
    pair = {**PAIR, "strategies": ["last_layer", "fine_tuned"], "fractions": [100], "draws": 1}
    said = transfer(given, pair=pair)
    frame = pq.read_table(given["folder"] / "predictions.parquet").to_pandas()
    scores = {name: rows["score"].tolist() for name, rows in frame.groupby("strategy")}
    assert scores["fine_tuned"] == scores["last_layer"] == scores["zero_shot"]
    # The threshold is chosen anew, the order is the source's.
    assert said["fine_tuned"]["100"]["auroc"] == said["zero_shot"]["auroc"]
    apart = said["differences"]["100"]["fine_tuned_less_zero_shot"]["auroc"]
    assert apart == {"value": 0.0, "low": 0.0, "high": 0.0}
    curve = pd.read_csv(given["folder"] / "curve.csv")
    assert curve.loc[curve["chosen"], "epoch"].tolist() == [0]
    assert len(curve) == 4


def test_at_home_the_zero_shot_arm_is_the_evaluation_at_home(tmp_path: Path) -> None:
    given = pair_of(tmp_path, PLAIN, rows=cohort())
    settings = {key: given[key] for key in ("task", "fold", "parts", "seed", "draws")}
    home = tmp_path / "source"
    evaluate_model(
        visits=home / "visits.arrow", trained=given["trained"], folder=home / "out", **settings
    )
    said = transfer(given, pair={**PAIR, "strategies": []})
    expected = json.loads((home / "out/metrics.json").read_text())
    assert {key: said["zero_shot"][key] for key in expected} == expected
    assert sorted(set(said["zero_shot"]) - set(expected)) == [
        "recalibrated_intercept",
        "recalibrated_slope",
    ]
    frame = pq.read_table(given["folder"] / "predictions.parquet")
    assert frame.select(tables.PREDICTIONS.names).equals(
        pq.read_table(home / "out/predictions.parquet")
    )
    assert pd.read_csv(given["folder"] / "curve.csv").empty
    assert said["differences"] == {}


@pytest.mark.parametrize("kind", ["retain", "seq2seq"])
def test_other_networks_and_what_was_searched_are_carried(tmp_path: Path, kind: str) -> None:
    model = {"retain": RETAIN, "seq2seq": SEQ2SEQ}[kind] | {"dropout": 0.0, "epochs": 2}
    searched = {**model, "search": {"learning_rate": [1e-6, 0.02]}}
    train = {"retain": train_model, "seq2seq": train_pretrained}[kind]
    given = pair_of(tmp_path, searched, train=train)
    said = transfer(given, pair={**PAIR, "fractions": [100], "draws": 1})
    assert all(0 < said[name]["100"]["auroc"]["value"] < 1 for name in STRATEGIES)
    # From scratch the search is made anew; what is reported is the setting that it kept.
    curve = pd.read_csv(given["folder"] / "curve.csv")
    own = curve[(curve["strategy"] == "scratch") & curve["chosen"]]
    assert own["test"].tolist() == pytest.approx(said["scratch"]["100"]["draws"])


def test_from_scratch_a_network_starts_from_vectors(
    tmp_path: Path, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, seen = [], network_arms.EpochScores.__call__

    def watch(self: Any, network: Any) -> None:
        given.append((self.known, network.embed.weight.detach().numpy().copy()))
        seen(self, network)

    monkeypatch.setattr(network_arms.EpochScores, "__call__", watch)
    vectors = np.random.default_rng(0).normal(size=(10, 8)).astype(np.float32)
    write_vectors(vectors, tmp_path / "vectors.safetensors", "persons")
    encoding = {**ENCODING, "vectors": "skipgram", "dimension": 8}
    pair = {**PAIR, "strategies": ["scratch"], "fractions": [100], "draws": 1}
    transfer(
        arguments,
        encoding=encoding,
        vectors=tmp_path / "vectors.safetensors",
        pair=pair,
        folder=tmp_path / "out",
    )
    known, table = given[0]
    assert np.array_equal(table, vectors[known])
    assert not np.array_equal(given[-1][1], vectors[known])


# Calibration.


def test_recalibration_is_the_two_numbers_that_validation_fits(
    arguments: dict[str, Any], metrics: dict[str, Any]
) -> None:
    def fit(name: str) -> tuple[float, float]:
        frame = pq.read_table(arguments["zero_shot"] / f"{name}.parquet").to_pandas()
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
        model.fit(logit(frame[["score"]].to_numpy()), frame["boolean_value"])
        return float(model.intercept_[0]), float(model.coef_[0, 0])

    (a, b), (_, slope) = fit("validation"), fit("predictions")
    said = metrics["zero_shot"]
    assert said["calibration_slope"]["value"] == pytest.approx(slope, rel=1e-4)
    assert said["recalibrated_slope"]["value"] == pytest.approx(slope / b, rel=1e-4)
    frame = pq.read_table(arguments["zero_shot"] / "predictions.parquet").to_pandas()
    mended = a + b * logit(frame["score"])

    def surplus(intercept: float) -> float:
        return float((frame["boolean_value"] - expit(intercept + mended)).sum())

    intercept = brentq(surplus, -10, 10)
    assert said["recalibrated_intercept"]["value"] == pytest.approx(intercept, abs=1e-3)
    for name in ("recalibrated_slope", "recalibrated_intercept"):
        assert said[name]["low"] < said[name]["value"] < said[name]["high"]


@pytest.mark.parametrize(
    ("case", "score", "reason"),
    [
        ([True, True], [0.2, 0.3], "no control in the validation part"),
        ([False], [0.2], "no case in the validation part"),
        ([], [], "no row in the validation part"),
        ([False, True], [0.2, 0.3], "the score parts the validation part's classes"),
        ([False, True, True], [0.2, 0.2, 0.2], "the score parts the validation part's classes"),
    ],
)
def test_what_validation_cannot_say_is_not_recalibrated(
    case: list[bool], score: list[float], reason: str
) -> None:
    own = ScoredRows.sort(
        np.array(case, dtype=bool),
        np.array(score),
        Groups(np.arange(len(case)), np.arange(len(case))),
        np.zeros(len(case), dtype=bool),
    )
    fitted = fit_recalibration(own)
    assert str(fitted.reason).startswith(reason)
    found, drawn = estimate_recalibrated(own, fitted, draws=3, seed=0, fold=0)
    assert {one.reason for one in found.values()} == {fitted.reason}
    assert not drawn


# Killed, and run again.


def test_a_killed_call_goes_on_and_writes_the_same_bytes(
    arguments: dict[str, Any],
    metrics: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    trained: list[Arm] = []
    real = network_arms.NetworkArms.__call__

    def deadly(self: Any, arm: Arm, drawn: Any) -> Any:
        if len(trained) == 5:
            raise KeyboardInterrupt
        trained.append(arm)
        return real(self, arm, drawn)

    monkeypatch.setattr(network_arms.NetworkArms, "__call__", deadly)
    with pytest.raises(KeyboardInterrupt):
        transfer(arguments, folder=tmp_path / "killed")
    assert len(list((tmp_path / "killed/checkpoint").glob("*.json"))) == 5
    done, trained[:] = list(trained), []
    with pytest.raises(KeyboardInterrupt):
        transfer(arguments, folder=tmp_path / "killed")
    assert not set(trained) & set(done)
    trained.clear()
    with caplog.at_level(logging.INFO):
        transfer(arguments, folder=tmp_path / "killed")
    assert len(trained) == 2
    assert sum(line.endswith("is there") for line in caplog.messages) == 10
    for name in FILES:
        own, whole = (tmp_path / "killed" / name, arguments["folder"] / name)
        assert own.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == sorted(FILES)


def test_what_another_call_left_is_not_used(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = {**PAIR, "strategies": ["scratch"], "fractions": [100], "draws": 1}
    monkeypatch.setattr(ArmStore, "remove", lambda store: None)
    first = transfer(arguments, pair=pair, folder=tmp_path)
    other = transfer(arguments, pair=pair, folder=tmp_path, seed=1)
    again = transfer(arguments, pair=pair, folder=tmp_path)
    assert first == again != other


def test_the_log_says_a_line_an_arm(
    arguments: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pair = {**PAIR, "strategies": ["fine_tuned"], "fractions": [5, 100], "draws": 1}
    with caplog.at_level(logging.INFO, logger="visitseq"):
        transfer(arguments, pair=pair, folder=tmp_path)
    few, all_rows = caplog.messages
    assert few == (
        "fine_tuned at 5 %: not estimable: fewer than 20 cases in the drawn training rows"
    )
    assert all_rows.startswith("fine_tuned at 100 %, draw 0: learned from ")
    assert all_rows.endswith(" of 3 kept")
