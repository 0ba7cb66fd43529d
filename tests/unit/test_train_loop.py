"""The training loop with objectives that have closed forms, and a classifier's objective."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from arrow_visits import in_memory
from safetensors.numpy import load_file
from sklearn import metrics
from sklearn.utils.class_weight import compute_class_weight
from small_training import FOLD, GRU, PARTS, cohort, inputs, train
from torch import nn

from visitseq.encode.sequences import Integers
from visitseq.errors import UserError
from visitseq.models.recurrent import build_classifier
from visitseq.train.classification import Classification
from visitseq.train.fit import fit
from visitseq.train.scoring import score_logits
from visitseq.train.trained import load_model
from visitseq.train.training_data import TrainingData, read_training_data

SETTINGS: dict[str, Any] = {
    "optimiser": "sgd",
    "learning_rate": 0.1,
    "schedule": "constant",
    "gradient_norm": None,
    "batch": 100,
    "epochs": 4,
    "patience": 4,
}


class Line(nn.Module):
    """A straight line through the origin."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))


class Squares:
    """Squared error of y = slope x; the penalty is slope^2 / 2."""

    def __init__(self, n: int = 20, scale: float = 1.0) -> None:
        self.line = Line()
        self.network: nn.Module = self.line
        self.training: Integers = np.arange(n)
        self.validation: Integers = np.arange(n // 2)
        self.lengths: Integers = np.arange(n)
        draw = np.random.default_rng(0)
        self.x, self.y = draw.normal(size=n) * scale, draw.normal(size=n)

    def losses(self, rows: Integers) -> torch.Tensor:
        x, y = torch.from_numpy(self.x[rows]), torch.from_numpy(self.y[rows])
        return (self.line.slope * x - y).square()

    def penalty(self) -> torch.Tensor:
        return self.line.slope.square() / 2


def run(objective: Squares, **settings: Any) -> tuple[list[float], int]:
    history, chosen = fit(objective, {**SETTINGS, **settings}, np.random.default_rng(0))
    return [losses.training for losses in history], chosen


def test_steps_down_a_mean_of_squares_are_those_of_the_closed_form() -> None:
    objective, slope = Squares(), 0.5
    x, y = objective.x, objective.y
    slopes = [slope]
    for _ in range(4):
        slopes.append(slopes[-1] - 0.1 * (2 * (x * (slopes[-1] * x - y)).mean() + slopes[-1]))
    history, chosen = fit(objective, SETTINGS, np.random.default_rng(0))
    training = [((before * x - y) ** 2).mean() for before in slopes[:-1]]
    validation = [((after * x[:10] - y[:10]) ** 2).mean() for after in slopes[1:]]
    assert [losses.training for losses in history] == pytest.approx(training)
    assert [losses.validation for losses in history] == pytest.approx(validation)
    assert chosen == 1 + int(np.argmin(validation))
    assert objective.line.slope.item() == pytest.approx(slopes[chosen])


def test_training_is_watched_before_the_first_step_and_after_each_epoch() -> None:
    seen: list[float] = []
    objective = Squares()
    fit(
        objective,
        SETTINGS,
        np.random.default_rng(0),
        watch=lambda network: seen.append(network.get_parameter("slope").item()),
    )
    assert len(seen) == 5
    assert seen[0] == 0.5
    unwatched = Squares()
    _, chosen = fit(unwatched, SETTINGS, np.random.default_rng(0), shown=False)
    assert unwatched.line.slope.item() == objective.line.slope.item() == seen[chosen]


def test_weights_that_came_are_kept_where_no_epoch_is_better() -> None:
    """The validation rows ask for the slope 1, the training rows for another."""
    for start, kept in ((1.0, 0), (0.5, 4)):
        objective = Squares()
        objective.y[:10], objective.y[10:] = objective.x[:10], objective.x[:10] * 3
        objective.training = np.arange(10, 20) if start == 1.0 else np.arange(10)
        with torch.no_grad():
            objective.line.slope.fill_(start)
        history, chosen = fit(objective, SETTINGS, np.random.default_rng(0), keep="best_or_start")
        assert (len(history), chosen) == (4, kept)
        assert (objective.line.slope.item() == start) == (kept == 0)


@pytest.mark.parametrize(("keep", "epoch"), [("best_or_start", 0), ("last_of_trained", 4)])
def test_of_a_network_that_was_trained_before_growth_is_no_divergence(
    keep: str, epoch: int
) -> None:
    objective = Squares(scale=3.0)
    settings = {**SETTINGS, "learning_rate": 0.3}
    assert fit(objective, settings, np.random.default_rng(0), keep=keep)[1] == epoch
    assert (objective.line.slope.item() == 0.5) == (epoch == 0)


def test_a_loss_that_grows_tenfold_is_divergence() -> None:
    with pytest.raises(UserError, match=r"in epoch 3 the training loss is .*before the first step"):
        run(Squares(scale=3.0), learning_rate=0.3)
    assert run(Squares(scale=3.0), learning_rate=0.01)[1] > 0


def test_a_loss_that_is_not_finite_is_divergence() -> None:
    objective = Squares()
    objective.y[3] = np.inf
    objective.validation = np.array([0])
    with pytest.raises(UserError, match="in epoch 1 the loss of a batch is inf; lower"):
        run(objective)


def test_a_validation_loss_that_is_not_finite_is_divergence() -> None:
    objective = Squares()
    objective.y[0] = np.nan
    objective.training = np.arange(1, 20)
    with pytest.raises(UserError, match="in epoch 1 the validation loss is nan"):
        run(objective)


def test_weights_that_are_not_finite_are_divergence() -> None:
    class Root(Squares):
        """The root of 0 has no derivative, though its value is finite."""

        def losses(self, rows: Integers) -> torch.Tensor:
            return (self.line.slope * 0).sqrt().expand(len(rows))

    objective = Root()
    objective.validation = np.array([], dtype=np.intp)  # whose loss would tell
    with pytest.raises(UserError, match="in epoch 1 weights are no longer finite"):
        run(objective)


def test_without_validation_rows_the_loss_before_is_of_the_training_rows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    objective = Squares()
    objective.validation = np.array([], dtype=np.intp)
    before = objective.losses(objective.training).mean().item()
    with caplog.at_level(logging.INFO):
        run(objective)
    assert f"before the first step the loss is {before:.4f}" in caplog.text


def data_of(tmp_path: Path) -> TrainingData:
    files = inputs(cohort(), tmp_path)
    return read_training_data(**files, encoding={"min_count": 1}, fold=FOLD, parts=PARTS)


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_the_loss_of_a_row_is_scikit_learns_with_its_weight(
    tmp_path: Path, class_weights: str
) -> None:
    data = data_of(tmp_path)
    torch.manual_seed(0)
    network = build_classifier({**GRU, "dropout": 0.0}, len(data.known))
    objective = Classification(network, data, l2=0.1, class_weights=class_weights)
    labels = data.sequences.label
    weights = np.ones(2)
    if class_weights == "balanced":
        classes = np.array([False, True])
        weights = compute_class_weight("balanced", classes=classes, y=labels[data.training])
    rows = data.validation[::-1]
    logits = score_logits(network, data.sequences, rows, data.known)
    expected = metrics.log_loss(
        labels[rows], 1 / (1 + np.exp(-logits)), sample_weight=weights[labels[rows].astype(int)]
    )
    found = objective.losses(rows).detach().numpy()
    assert found.shape == rows.shape
    assert found.mean() == pytest.approx(expected * weights[labels[rows].astype(int)].mean())
    head = network.head.weight.detach().numpy()
    assert objective.penalty().item() == pytest.approx(0.1 * (head**2).sum())


def test_balanced_training_starts_at_one_half_and_scores_so(tmp_path: Path) -> None:
    rows = [row for row in cohort(420) if row.label or row.subject_id % 5 == 0]
    share = float(np.mean([row.label for row in rows]))
    assert share > 0.7
    still = {**GRU, "learning_rate": 1e-12, "epochs": 1, "class_weights": "balanced"}
    folder = train(rows, tmp_path / "still", still)
    assert load_file(folder / "model.safetensors")["head.bias"].item() == pytest.approx(0, abs=1e-9)
    means = {}
    for class_weights in ("none", "balanced"):
        model = {**GRU, "dropout": 0.0, "class_weights": class_weights}
        trained = load_model(train(rows, tmp_path / class_weights, model))
        means[class_weights] = trained.score(in_memory([row.visits for row in rows])).mean()
    assert means["none"] == pytest.approx(share, abs=0.1)
    assert means["balanced"] < means["none"] - 0.1


@pytest.mark.parametrize(
    "changed",
    [{"optimiser": "adadelta", "learning_rate": 1.0}, {"optimiser": "sgd", "learning_rate": 0.5}],
    ids=["adadelta", "sgd"],
)
def test_every_optimiser_learns(tmp_path: Path, changed: dict[str, Any]) -> None:
    model = {**GRU, **changed, "epochs": 60, "patience": 60, "dropout": 0.0}
    history = pd.read_csv(train(cohort(), tmp_path, model) / "history.csv")
    assert history["training_loss"].min() < 0.85 * history["training_loss"].iloc[0]


@pytest.mark.parametrize(
    "changed", [{"schedule": "cosine"}, {"schedule": "plateau"}, {"gradient_norm": 0.01}]
)
def test_schedule_and_norm_change_the_training(tmp_path: Path, changed: dict[str, Any]) -> None:
    model = {**GRU, "learning_rate": 0.1, "epochs": 12, "patience": 12}
    plain = pd.read_csv(train(cohort(), tmp_path / "plain", model) / "history.csv")
    other = pd.read_csv(train(cohort(), tmp_path / "other", {**model, **changed}) / "history.csv")
    assert len(plain) == len(other) == 12
    same = plain["validation_loss"] == other["validation_loss"]
    # A schedule begins with the same rate; a cut gradient tells from the first step on.
    assert same.iloc[0] == ("schedule" in changed)
    assert not same.iloc[-1]
