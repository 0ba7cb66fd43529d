"""The arms of the classical models, against training at home, scikit-learn and counting by hand."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
from arrow_visits import Row, write_visits, write_vocabulary
from safetensors.numpy import save_file
from scipy import sparse
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from small_training import (
    CLASSICAL,
    CODES,
    ENCODING,
    FOLD,
    KNN,
    LOGISTIC,
    MLP,
    PARTS,
    SVM,
    TASK,
    card_of,
    cohort,
)
from small_training import train as train_at_home
from small_transfer import JOINT, PAIR, ancestors_table, pair_of, there, transfer

from visitseq.encode.sequences import read_sequences
from visitseq.evaluate.platt import fit_platt
from visitseq.train.baseline import train_baseline
from visitseq.train.features import Features, Floats, Window
from visitseq.train.fitted import Part
from visitseq.train.perceptron import new_network, perceptron_logits, train_on_perceptron
from visitseq.train.trained import load_model
from visitseq.transfer.arms import Arm
from visitseq.transfer.biased_logistic import fit_from_source, fit_towards
from visitseq.transfer.classical_arms import ClassicalArms
from visitseq.transfer.classical_graft import column_origins, graft_logistic, graft_perceptron
from visitseq.transfer.drawn_rows import DrawnRows
from visitseq.transfer.learned import Target

HERE = partial(train_baseline, task=TASK)

DRAW = np.random.default_rng(0)
#: Counts of five codes, and who is a case: the last code is rare.
COUNTS = DRAW.poisson([1.0, 0.5, 2.0, 0.3, 0.1], size=(160, 5)).astype(np.float64)
CASES = DRAW.random(160) < expit(COUNTS @ [0.8, -0.5, 0.2, 0.0, 1.0] - 0.7)
PARTS_OF_COUNTS = Part(COUNTS[:100], CASES[:100]), Part(COUNTS[100:], CASES[100:])


class AtHome(Arm):
    """An arm with the random numbers of the model at home."""

    entropy = ()  # type: ignore[assignment]


def target_of(folder: Path, rows: Sequence[Row], vectors: Path | None = None) -> Target:
    return Target(
        sequences=read_sequences(pair_inputs(rows, folder)["visits"]),
        names=[str(code) for code in range(JOINT)],
        ancestors=ancestors_table([("code", 8, 1, 1)]),
        vectors=vectors,
        task=TASK,
        encoding=ENCODING,
        fold=FOLD,
        parts=PARTS,
        seed=0,
    )


def whole(target: Target) -> DrawnRows:
    return DrawnRows(target.training, target.validation)


def arms_of_model(tmp_path: Path, model: dict[str, Any], rows: Sequence[Row]) -> ClassicalArms:
    """Arms, at ``rows``, of a model that was trained on ``cohort()``."""
    trained = train_at_home(cohort(), tmp_path / "source", model)
    return ClassicalArms(target_of(tmp_path / "target", rows), trained, card_of(trained))


def source_model(inverse_penalty: float = 0.1) -> Pipeline:
    """A logistic regression of another hospital, where the codes mean other things."""
    other = np.random.default_rng(1)
    counts = other.poisson(0.8, size=(200, 5)).astype(np.float64)
    cases = other.random(200) < expit(counts @ [0.2, 0.5, 0.2, 0.9, -0.5] - 1)
    model = LogisticRegression(C=inverse_penalty, tol=1e-10)
    scale = StandardScaler(with_mean=False)
    return Pipeline([("scale", scale), ("classify", model)]).fit(counts, cases)


def log_odds(pipeline: Pipeline, counts: Floats) -> Floats:
    values: Floats = pipeline.decision_function(counts)
    return values


# From scratch.


@pytest.mark.parametrize(
    "model",
    [
        *CLASSICAL.values(),
        {**LOGISTIC, "features": "time", "search": {"inverse_penalty": [1e-4, 0.1, 10.0]}},
        {**MLP, "search": {"hidden": [2, 8]}},
        {**SVM, "features": "frequency"},
    ],
    ids=lambda model: f"{model['kind']}-{model['features']}-{len(model['search'])}",
)
def test_scratch_on_all_rows_is_the_model_at_home(tmp_path: Path, model: dict[str, Any]) -> None:
    arms = arms_of_model(tmp_path, model, there())
    home = train_baseline_at(tmp_path / "home", there(), model)
    learned = arms(AtHome("scratch", 100, 0), whole(arms.target))
    expected = load_model(home).score(arms.test)
    np.testing.assert_array_equal(learned.test[learned.chosen], expected)
    history = pd.read_csv(home / "history.csv")
    assert learned.in_epochs == (model["kind"] == "mlp")
    if learned.in_epochs:
        assert len(learned.test) == len(learned.validation) == 1 + len(history)
        assert learned.chosen == history.loc[history["chosen"], "epoch"].item()


def train_baseline_at(
    folder: Path, rows: Sequence[Row], model: dict[str, Any], **more: Any
) -> Path:
    """Train at the target, whose vocabulary has two codes more."""
    settings: dict[str, Any] = {
        "task": TASK,
        "fold": FOLD,
        "parts": PARTS,
        "seed": 0,
        "folder": folder / "model",
    }
    given = {**pair_inputs(rows, folder), **settings, **more}
    train_baseline(**given, model=model, encoding=ENCODING)
    return folder / "model"


def pair_inputs(rows: Sequence[Row], folder: Path) -> dict[str, Path]:
    return {
        "visits": write_visits(rows, folder / "visits.arrow"),
        "vocabulary": write_vocabulary(rows, JOINT, PARTS, folder / "vocabulary.parquet"),
    }


def test_scratch_sums_the_targets_vectors_and_the_others_the_sources(tmp_path: Path) -> None:
    def vectors_in(folder: Path, seed: int) -> Path:
        folder.mkdir(exist_ok=True)
        vectors = np.random.default_rng(seed).normal(size=(JOINT, 3)).astype(np.float32)
        save_file({"vectors": vectors}, folder / "vectors.safetensors")
        return folder / "vectors.safetensors"

    here, abroad = vectors_in(tmp_path / "here", 1), vectors_in(tmp_path / "abroad", 2)
    source = train_baseline_at(tmp_path / "source", cohort(), MLP, vectors=here)
    target = target_of(tmp_path / "target", there(), abroad)
    arms = ClassicalArms(target, source, card_of(source))
    home = train_baseline_at(tmp_path / "home", there(), MLP, vectors=abroad)
    learned = arms(AtHome("scratch", 100, 0), whole(target))
    expected = load_model(home).score(arms.test)
    np.testing.assert_array_equal(learned.test[learned.chosen], expected)
    # Codes without a vector of the source's are passed over, ancestor or not.
    for strategy in ("last_layer", "fine_tuned"):
        learned = arms(Arm(strategy, 100, 0), whole(target))
        np.testing.assert_array_equal(learned.test[0], load_model(source).score(arms.test))


@pytest.mark.parametrize("model", [SVM, KNN], ids=lambda model: str(model["kind"]))
def test_scores_that_are_no_probabilities_come_with_the_base_rate(
    tmp_path: Path, model: dict[str, Any]
) -> None:
    arms = arms_of_model(tmp_path, model, there())
    drawn = DrawnRows(arms.target.training[:80], arms.target.validation)
    learned = arms(Arm("scratch", 50, 0), drawn)
    labels = arms.target.sequences.label
    assert learned.base_rate == labels[drawn.training].mean()


# A logistic regression near the source's.


def test_the_pull_of_home_is_to_nothing() -> None:
    training, _ = PARTS_OF_COUNTS
    nothing = source_model()
    nothing["classify"].coef_[:] = 0
    for value in (0.003, 0.1, 20.0):
        plain = LogisticRegression(C=value, tol=1e-12, max_iter=10_000)
        plain.fit(nothing["scale"].transform(training.features), training.labels)
        expected = plain.decision_function(nothing["scale"].transform(COUNTS))
        found = log_odds(fit_towards(nothing, training, value), COUNTS)
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("value", [0.001, 0.1, 10.0])
def test_the_weights_balance_the_pull_and_the_rows(value: float) -> None:
    source, (training, _) = source_model(), PARTS_OF_COUNTS
    fitted = fit_towards(source, training, value)
    left = training.labels - expit(log_odds(fitted, training.features))
    moved = fitted["classify"].coef_[0] - source["classify"].coef_[0]
    rows = training.features / source["scale"].scale_
    np.testing.assert_allclose(moved, value * left @ rows, atol=1e-5 * max(1, 100 * value))
    assert abs(left.sum()) < 1e-5
    assert np.abs(moved).max() > 0


def test_a_strong_pull_is_the_source_and_none_is_no_penalty() -> None:
    source, (training, _) = source_model(), PARTS_OF_COUNTS
    strong = fit_towards(source, training, 1e-9)
    np.testing.assert_allclose(strong["classify"].coef_, source["classify"].coef_, atol=1e-6)
    same = fit_towards(source, training, 0)
    assert (same["classify"].coef_ == source["classify"].coef_).all()
    assert expit(log_odds(same, training.features)).sum() == pytest.approx(training.labels.sum())
    np.testing.assert_allclose(log_odds(strong, COUNTS), log_odds(same, COUNTS), atol=1e-5)
    free = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(*training)
    weak = log_odds(fit_towards(source, training, 1e7), COUNTS)
    np.testing.assert_allclose(weak, free.decision_function(COUNTS), atol=1e-3)


def test_the_validation_rows_choose_the_pull() -> None:
    source, (training, validation) = source_model(), PARTS_OF_COUNTS
    grid = {**LOGISTIC, "search": {"inverse_penalty": [10.0, 0.1]}}
    kept = fit_from_source(grid, source, training, validation)
    assert any(
        np.array_equal(log_odds(kept, COUNTS), log_odds(fit_towards(source, training, c), COUNTS))
        for c in (0.1, 10.0)
    )
    # Where the source is right and the training rows are wrong, the source stays as it came.
    agree = Part(validation.features, log_odds(source, validation.features) > 0)
    wrong = Part(training.features, log_odds(source, training.features) < 0)
    assert fit_from_source(LOGISTIC, source, wrong, agree) is source
    # Without validation rows the penalty is home's.
    nobody = Part(validation.features[:0], validation.labels[:0])
    found = fit_from_source(LOGISTIC, source, training, nobody)
    expected = fit_towards(source, training, LOGISTIC["inverse_penalty"])
    np.testing.assert_array_equal(log_odds(found, COUNTS), log_odds(expected, COUNTS))


# Where the weights of other codes begin.


def test_a_code_has_its_ancestors_coefficient_and_scale_or_none() -> None:
    source, (training, _) = source_model(), PARTS_OF_COUNTS
    # Columns: the source's 0, 1 and 4; a child of 1; a code of its own.
    columns = np.array([0, 1, 4, 1, -1])
    grafted = graft_logistic(source, columns, training)
    scale, own = source["scale"].scale_, training.features.std(axis=0)
    weights, intercept = source["classify"].coef_[0], source["classify"].intercept_[0]
    row = np.array([[2.0, 0.0, 1.0, 3.0, 5.0]])
    by_hand = intercept + 2 * weights[0] / scale[0] + weights[4] / scale[4]
    by_hand += 3 * weights[1] / scale[1]
    assert log_odds(grafted, row)[0] == pytest.approx(by_hand)
    np.testing.assert_allclose(grafted["scale"].scale_[4], own[4])
    fitted = fit_towards(grafted, training, 0.1)
    assert np.abs(fitted["classify"].coef_[0, 4]) > 1e-3  # it can be learned
    assert len(source["classify"].coef_[0]) == 5  # the source stays as it is
    assert (source["classify"].coef_[0] == weights).all()


def test_columns_by_time_have_the_origin_of_their_code_in_every_bin() -> None:
    codes, known = np.array([1, -1, 0]), np.array([3, 8, 9], dtype=np.int32)
    features = Features("time", known, Window(549, 0))
    source = source_model()
    found = column_origins(features, codes, source, 2)
    assert found.tolist() == [1, -1, 0, 3, -1, 2, 5, -1, 4, 7, -1, 6, 8, 9]
    counts = Features("counts", known, Window(549, 0))
    assert column_origins(counts, codes, source, 2).tolist() == codes.tolist()
    frequency = Features("frequency", known, Window(549, 0))
    assert column_origins(frequency, codes, source, 2).tolist() == list(range(5))


@pytest.mark.parametrize("features", ["counts", "time", "frequency"])
@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_where_nothing_is_new_the_beginning_is_the_source(
    tmp_path: Path, kind: str, features: str
) -> None:
    model = {**CLASSICAL[kind], "features": features, "epochs": 1}
    arms = arms_of_model(tmp_path, model, cohort(seed=4))
    columns = np.arange(arms.weights["scale"].n_features_in_)
    drawn = whole(arms.target)
    found = arms(Arm("fine_tuned", 100, 0), drawn)
    expected = load_model(tmp_path / "source/model").score(arms.test)
    if kind == "mlp":
        np.testing.assert_array_equal(found.test[0], expected)
        assert not np.array_equal(found.test[1], expected)
    else:
        given = Features(features, arms.source, Window.of_task(TASK)).matrix(arms.test)
        grafted = graft_logistic(arms.weights, columns, Part(given, arms.test.label))
        np.testing.assert_array_equal(expit(grafted.decision_function(given)), expected)


# The perceptron.


def test_before_the_first_step_the_weights_are_glorots() -> None:
    seeds, training = np.random.SeedSequence(3), PARTS_OF_COUNTS[0]
    seed = int(seeds.generate_state(1)[0])
    network = new_network(MLP, (8,), training, seeds)
    bound = np.sqrt(6 / (5 + 8))
    drawn = np.random.RandomState(seed).uniform(-bound, bound, (5, 8))
    np.testing.assert_array_equal(network.coefs_[0], drawn.astype(np.float32))


def perceptron(tmp_path: Path, new: int = 0) -> tuple[Pipeline, tuple[Part, Part]]:
    """A perceptron of ``cohort()`` on the counts of its codes and of ``new`` ones, and rows."""
    arms = arms_of_model(tmp_path, MLP, cohort(seed=5))
    features = Features("counts", arms.source, Window.of_task(TASK))
    draw = np.random.default_rng(6)

    def part(rows: npt.NDArray[np.intp]) -> Part:
        taken = arms.target.sequences.take(rows)
        extra = draw.poisson(1.0, size=(len(rows), new))
        return Part(
            np.hstack([sparse.csr_matrix(features.matrix(taken)).toarray(), extra]), taken.label
        )

    return arms.weights, (part(arms.target.training), part(arms.target.validation))


def test_the_last_layer_alone_leaves_the_hidden_layer(tmp_path: Path) -> None:
    source, (training, _) = perceptron(tmp_path)
    start = source["classify"]
    before = [weights.copy() for weights in (*start.coefs_, *start.intercepts_)]
    settings, seeds = {**MLP, "epochs": 1}, np.random.SeedSequence(1)
    wrong = Part(training.features, ~training.labels)
    fitted = train_on_perceptron(
        settings, source, wrong, wrong, seeds, watched=[training.features], last_layer=True
    )
    found = fitted.model["classify"]
    assert fitted.chosen == 1
    for own, given in ((found.coefs_[0], before[0]), (found.intercepts_[0], before[2])):
        np.testing.assert_array_equal(own, given)
    # Adam's first step is as long as its rate, whatever the slope.
    for own, given in ((found.coefs_[1], before[1]), (found.intercepts_[1], before[3])):
        np.testing.assert_allclose(np.abs(own - given), 0.001, rtol=0.01)
    scores = expit(perceptron_logits(fitted.model, training.features))
    np.testing.assert_array_equal(fitted.watched[1][0], scores)
    for own, given in zip((*start.coefs_, *start.intercepts_), before, strict=True):
        np.testing.assert_array_equal(own, given)


def test_all_of_it_moves_and_is_scored_as_it_is_kept(tmp_path: Path) -> None:
    source, (training, _) = perceptron(tmp_path)
    wrong = Part(training.features, ~training.labels)
    seeds = np.random.SeedSequence(1)
    fitted = train_on_perceptron(MLP, source, wrong, wrong, seeds, watched=[training.features])
    scores = expit(perceptron_logits(fitted.model, training.features))
    np.testing.assert_array_equal(fitted.watched[fitted.chosen][0], scores)
    assert fitted.chosen > 0
    moved = fitted.model["classify"].coefs_[0] != source["classify"].coefs_[0]
    assert moved.mean() > 0.9
    again = train_on_perceptron(MLP, source, wrong, wrong, seeds, watched=[training.features])
    np.testing.assert_array_equal(again.watched[-1][0], fitted.watched[-1][0])


@pytest.mark.parametrize("last_layer", [False, True])
def test_it_stays_as_it_came_where_the_validation_rows_say_so(
    tmp_path: Path, last_layer: bool
) -> None:
    source, (training, validation) = perceptron(tmp_path)
    wrong = Part(training.features, perceptron_logits(source, training.features) < 0)
    right = Part(validation.features, perceptron_logits(source, validation.features) > 0)
    fitted = train_on_perceptron(
        {**MLP, "patience": 3},
        source,
        wrong,
        right,
        np.random.SeedSequence(1),
        watched=[validation.features],
        last_layer=last_layer,
    )
    assert (fitted.chosen, len(fitted.history), len(fitted.watched)) == (0, 3, 4)
    np.testing.assert_array_equal(
        perceptron_logits(fitted.model, validation.features),
        perceptron_logits(source, validation.features),
    )


def test_a_new_unit_of_input_does_not_move_the_logits_on_the_whole(tmp_path: Path) -> None:
    source, (training, _) = perceptron(tmp_path, new=2)
    columns = np.array([*range(CODES), 3, -1])  # a child of code 3, and a code of its own
    seeds = np.random.SeedSequence(2)
    grafted = graft_perceptron(source, columns, training, MLP, seeds)
    into, own = grafted["classify"].coefs_[0], source["classify"].coefs_[0]
    np.testing.assert_array_equal(into[:9], own[columns[:9]])
    assert 0 < np.abs(into[9]).max() <= np.sqrt(6 / (CODES + 2 + MLP["hidden"]))
    # The hidden units see the new column centred.
    typical = training.features.copy()
    typical[:, 9] = training.features[:, 9].mean()
    typical[:, 8] = 0
    expected = perceptron_logits(source, training.features[:, :CODES])
    np.testing.assert_allclose(perceptron_logits(grafted, typical), expected, atol=1e-5)


# At the target.


def test_what_an_arm_knows(tmp_path: Path) -> None:
    arms = arms_of_model(tmp_path, LOGISTIC, there())
    drawn = whole(arms.target)
    known = {
        strategy: arms._features(Arm(strategy, 100, 0), drawn).known.tolist()
        for strategy in ("last_layer", "fine_tuned", "scratch")
    }
    assert known["last_layer"] == [*range(CODES), 8]
    assert known["fine_tuned"] == known["scratch"] == [*range(CODES), 8, 9]


def test_logistic_has_no_curve_and_mlp_has_one(tmp_path: Path) -> None:
    pair = {**PAIR, "fractions": [100], "draws": 1}
    metrics = transfer(pair_of(tmp_path / "logistic", LOGISTIC, train=HERE), pair=pair)
    curve = (tmp_path / "logistic/out/curve.csv").read_text()
    assert curve == "strategy,fraction,draw,epoch,metric,validation,test,chosen\n"
    assert "last_layer" not in metrics
    assert "peak" not in metrics["scratch"]["100"]
    metrics = transfer(pair_of(tmp_path / "mlp", MLP, train=HERE), pair=pair)
    table = pd.read_csv(tmp_path / "mlp/out/curve.csv")
    for strategy in ("fine_tuned", "scratch"):
        rows = table[table["strategy"] == strategy]
        assert rows["epoch"].tolist() == list(range(len(rows)))
        reported = rows.loc[rows["chosen"], "test"].item()
        assert metrics[strategy]["100"]["auroc"]["value"] == pytest.approx(reported)
        assert metrics[strategy]["100"]["peak"]["value"] == pytest.approx(rows["test"].max())
    assert not table.loc[(table["strategy"] == "scratch") & (table["epoch"] == 0), "chosen"].any()


def test_a_margin_becomes_a_probability_on_the_drawn_validation_rows(tmp_path: Path) -> None:
    arguments = pair_of(tmp_path, SVM, train=HERE)
    transfer(arguments, pair={**PAIR, "fractions": [100], "draws": 1})
    table = pq.read_table(tmp_path / "out/predictions.parquet").to_pandas()
    scratch = table[table["strategy"] == "scratch"]
    home = train_baseline_at(tmp_path / "home", there(), SVM)
    sequences = read_sequences(arguments["visits"])
    validation = sequences.take(sequences.rows_of_parts([FOLD + 1]))
    platt = fit_platt(validation.label, load_model(home).score(validation), 0.5)
    expected = platt.probabilities(scratch["score"].to_numpy())
    np.testing.assert_allclose(scratch["predicted_boolean_probability"], expected, rtol=1e-6)
