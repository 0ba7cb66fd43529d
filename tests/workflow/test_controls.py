"""Hospitals whose truth is known: what models must not find, and what they must."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from calls import ROOT, Workflow

from visitseq.cohort.landmark import build_landmark
from visitseq.encode.encode import encode_visits
from visitseq.encode.sequences import read_sequences
from visitseq.evaluate.as_used import evaluate_as_used
from visitseq.evaluate.as_used_rows import Landmark
from visitseq.evaluate.bootstrap import resampling_groups
from visitseq.evaluate.evaluate import evaluate_model
from visitseq.evaluate.metrics import metric_draws, metric_values
from visitseq.evaluate.oracle import Truth
from visitseq.evaluate.oracle_rows import read_part, scored_rows
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.train.baseline import train_baseline

CONFIG = ROOT / "tests/configs/controls.yaml"
FOLDS = range(2)
Floats = npt.NDArray[np.float64]


#: What is asked of each hospital; the oracle is scored in all of them.
MODELS = {
    "no_signal": ("logistic", "rnn", "gru", "lstm"),
    "order_only": ("logistic", "rnn", "gru", "lstm"),
    "counts_only": ("logistic",),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workflow = Workflow(ROOT, tmp_path_factory.mktemp("controls"))
    scored_files = [
        f"results/5_evaluate/{site}/heart_failure/one_hot/{model}/fold{fold}/metrics.json"
        for site, models in MODELS.items()
        for model in models
        for fold in FOLDS
    ]
    done = workflow.snakemake(*scored_files, "--cores", "2", "--configfile", CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow.directory / "results"


def scored(results: Path, site: str, model: str) -> list[ScoredRows]:
    """Test parts of all folds, scored by a model, by the oracle, or by the number of visits."""
    folder = results / "5_evaluate" / site / "heart_failure"
    parts = [read_part(folder / "oracle.parquet", fold) for fold in FOLDS]
    if model == "oracle":
        return [scored_rows(part, "oracle") for part in parts]
    if model == "visits":
        encoded = results / "3_encode" / site / "heart_failure" / "one_hot"
        sequences = read_sequences(encoded / "visits.arrow")
        return [
            ScoredRows.sort(
                test.label,
                test.lengths.astype(np.float64),
                resampling_groups(part["set_id"], part["subject_id"]),
                np.ones(len(test), dtype=np.bool_),
            )
            for fold, part in zip(FOLDS, parts, strict=True)
            for test in [sequences.take(sequences.rows_of_parts([fold]))]
        ]
    paths = [folder / "one_hot" / model / f"fold{fold}" / "predictions.parquet" for fold in FOLDS]
    return [ScoredRows.from_predictions(pq.read_table(path)) for path in paths]


def auroc(rows: list[ScoredRows]) -> tuple[float, Floats]:
    """Mean AUROC over the folds, and its draws."""
    values = [metric_values(r, np.ones((1, len(r))), ("auroc",))["auroc"][0] for r in rows]
    draws = [metric_draws(r, 1000, 0, fold, ("auroc",))["auroc"] for fold, r in enumerate(rows)]
    return float(np.mean(values)), np.mean(draws, axis=0)


def interval(draws: Floats, level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def test_matched_sets_are_full_where_nothing_selects(results: Path) -> None:
    matches = pq.read_table(results / "2_cohort/no_signal/heart_failure/matches.parquet")
    sampled = matches.group_by("set_id").aggregate([("n_sampled", "min")])["n_sampled_min"]
    assert np.mean(sampled.to_numpy() == 10) >= 0.99


@pytest.mark.parametrize("model", ["logistic", "rnn", "gru", "lstm", "visits"])
def test_nothing_is_found_where_nothing_is(results: Path, model: str) -> None:
    _, draws = auroc(scored(results, "no_signal", model))
    low, high = interval(draws, 1 - 0.01 / 5)
    assert low <= 0.5 <= high
    assert high - low < 0.16


@pytest.mark.parametrize("model", ["rnn", "gru", "lstm"])
def test_order_is_found_by_recurrent_networks(results: Path, model: str) -> None:
    assert auroc(scored(results, "order_only", model))[0] > 0.9


def test_order_is_found_by_nothing_else(results: Path) -> None:
    assert auroc(scored(results, "order_only", "oracle"))[0] == 1
    for model in ("logistic", "visits"):
        low, high = interval(auroc(scored(results, "order_only", model))[1], 1 - 0.01 / 2)
        assert low <= 0.5 <= high


def test_counts_are_found_by_the_regression_as_well_as_can_be(results: Path) -> None:
    oracle, regression = (
        auroc(scored(results, "counts_only", model)) for model in ("oracle", "logistic")
    )
    assert oracle[0] > 0.7
    low, high = interval(oracle[1] - regression[1], 0.95)
    assert low <= 0.01
    assert high < 0.04


#: Observed for more than the window, so that every 1 January has a whole one behind it, and lies in
#: the years in which somebody may be diagnosed.
LOOKBACK_MONTHS = 19


@cache
def as_used(results: Path, site: str) -> tuple[list[ScoredRows], list[ScoredRows]]:
    """Test parts of a landmark cohort: scored by the regression trained on it, and by the truth."""
    config = yaml.safe_load((results / "run_config.yaml").read_text("utf-8"))
    study: dict[str, Any] = {"seed": 0, "parts": config["run"]["parts"]}
    task, folder = config["tasks"]["heart_failure_as_used"], results / "landmark" / site
    phenotype = ROOT / "workflow/phenotypes/heart_failure.yaml"
    ingested = results / "1_ingest" / site
    study |= {name: ingested / f"{name}.parquet" for name in ("events", "codes")}
    build_landmark(
        site=site, name="each_january", phenotype=phenotype, folder=folder, **study,
        persons=ingested / "persons.parquet",
        observation_periods=ingested / "observation_periods.parquet",
        cohort={**config["cohorts"]["each_january"], "lookback_months": LOOKBACK_MONTHS},
    )  # fmt: skip
    encode_visits(
        task=task, encoding=config["encodings"]["one_hot"], cohort=folder / "cohort.parquet",
        phenotype=phenotype, ancestors=ingested / "ancestors.parquet", folder=folder, **study,
    )  # fmt: skip
    return [_regression(config, task, folder, fold) for fold in FOLDS], [
        _truth(folder, ingested, fold) for fold in FOLDS
    ]


def _regression(
    config: dict[str, Any], task: dict[str, Any], folder: Path, fold: int
) -> ScoredRows:
    trained, visits = folder / f"fold{fold}", folder / "visits.arrow"
    study = {"task": task, "fold": fold, "seed": 0, "parts": config["run"]["parts"]}
    train_baseline(
        visits=visits, vocabulary=folder / "vocabulary.parquet", folder=trained, vectors=None,
        encoding=config["encodings"]["one_hot"], model=config["models"]["logistic"], **study,
    )  # fmt: skip
    evaluate_model(visits=visits, trained=trained, folder=trained, draws=100, **study)
    return ScoredRows.from_predictions(pq.read_table(trained / "predictions.parquet"))


def _truth(folder: Path, ingested: Path, fold: int) -> ScoredRows:
    """The hazard on the index date: that of the year to come as far as its beginning tells."""
    part = read_part(folder / "cohort.parquet", fold)
    day = part["index_time"].to_numpy().astype("datetime64[D]").astype(np.int64)
    truth = Truth.read(ingested / "truth.parquet")
    hazard = pa.array(truth.hazards(part["subject_id"].to_numpy(), day))
    return scored_rows(part.append_column("hazard", hazard), "hazard")


def test_nothing_is_found_as_used_where_nothing_is(results: Path) -> None:
    regression, truth = as_used(results, "no_signal")
    assert auroc(truth)[0] == 0.5
    low, high = interval(auroc(regression)[1], 0.99)
    assert low <= 0.5 <= high
    assert high - low < 0.16


def test_counts_are_found_as_used_nearly_as_well_as_the_truth_finds_them(results: Path) -> None:
    """The truth stays ahead: the regression has some 400 onsets to learn 20 effects from."""
    regression, truth = map(auroc, as_used(results, "counts_only"))
    assert min(truth[0], regression[0]) > 0.7
    low, high = interval(truth[1] - regression[1], 0.95)
    assert low > -0.01
    assert high < 0.06


def case_control_as_used(results: Path, site: str, fold: int) -> dict[str, Any]:
    """What the regression trained on cases and controls is worth on the landmark cohort."""
    as_used(results, site)
    folder, own = results / "landmark" / site, f"{site}/heart_failure/one_hot"
    visits, vocabulary, outcomes = (
        folder / name for name in ("visits.arrow", "vocabulary.parquet", "outcomes.parquet")
    )
    evaluate_as_used(
        trained=results / f"4_train/{own}/logistic/fold{fold}",
        vocabulary=results / f"3_encode/{own}/vocabulary.parquet",
        evaluated=results / f"5_evaluate/{own}/logistic/fold{fold}",
        landmarks={"used": Landmark(visits, vocabulary, outcomes, folder / f"fold{fold}")},
        fold=fold, parts=5, seed=0, draws=200, folder=folder,
    )  # fmt: skip
    content: dict[str, Any] = json.loads((folder / "as_used.json").read_text("utf-8"))["used"]
    return content


def test_nothing_drops_where_nothing_is(results: Path) -> None:
    for fold in FOLDS:
        content = case_control_as_used(results, "no_signal", fold)
        for estimate, truth in ((content["raw"]["auroc"], 0.5), (content["drop"]["auroc"], 0)):
            reach = 1.5 * (estimate["high"] - estimate["low"]) / 2  # 99.7% and not 95%
            assert abs(estimate["value"] - truth) < reach
        # The matching made one case in eleven; nobody's year is as bad.
        assert content["raw"]["calibration_intercept"]["high"] < 0


def test_counts_are_found_as_used_by_who_learned_them_from_cases_and_controls(
    results: Path,
) -> None:
    """As well as by who learned them there, and recalibrated the risks are right on average."""
    for fold in FOLDS:
        content = case_control_as_used(results, "counts_only", fold)
        assert content["raw"]["auroc"]["value"] > 0.7
        assert content["less_trained_on_landmark"]["auroc"]["high"] > -0.02
        assert abs(content["drop"]["auroc"]["value"]) < 0.1
        raw, mended = (content[s]["calibration_intercept"] for s in ("raw", "recalibrated"))
        assert abs(mended["value"]) < abs(raw["value"])
        assert mended["low"] < 0 < mended["high"]
