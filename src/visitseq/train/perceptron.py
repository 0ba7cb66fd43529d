"""The multilayer perceptron: one hidden layer of rectifiers on standardised features.

    logit = v . max(0, W x + b) + c

trained by scikit-learn's MLPClassifier, one ``partial_fit`` a batch: Adam at its learning rate of
0.001 on shuffled batches of 200 rows, down

    mean log loss of the batch's rows + l2 x sum of all squared weights

(scikit-learn's alpha is 2 x rows of the batch x l2; a last, smaller batch has more of it). After
each epoch the log loss of the validation part is taken; training ends when it has not fallen for
``patience`` epochs, and the weights of its smallest value are kept. Weights are float32.

A perceptron on counts that are scaled and not centred starts far from where it should, with outputs
that grow with the number of codes, and ends where it starts. So each batch is centred as it is
written out; the features as a whole stay sparse. In what is kept the mean m is part of the
intercept, W (x - m) + b = W x + (b - W m), and rows are scored without being written out.

A perceptron that was trained before can be trained on, at another hospital: all of it, or its
output alone, v and c, which is then a perceptron without a hidden layer on the hidden units as they
are. It stays as it came where no epoch has a smaller loss.
"""

import copy
import logging
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from visitseq.train.estimators import scaler_for
from visitseq.train.features import Floats, Matrix
from visitseq.train.fitted import Fitted, Part, part_losses
from visitseq.train.losses import Losses

log = logging.getLogger(__name__)

Singles = npt.NDArray[np.float32]

#: Rows a step.
BATCH = 200
#: Learning rate, and one at which no weight in float32 moves.
RATE, _NO_LENGTH = 0.001, 1e-300

#: What training leaves behind; scores need none of it.
_OF_TRAINING = ("_optimizer", "_random_state", "loss_curve_")


class Weights(NamedTuple):
    """Matrices and intercepts of the hidden layer, if there is one, and of the output."""

    matrices: list[Singles]
    intercepts: list[Singles]


class _Data(NamedTuple):
    """What training sees: scaled parts, their mean, and rows whose scores are watched."""

    training: Part
    validation: Part
    mean: Singles
    watched: Sequence[Matrix]


class _Trained(NamedTuple):
    weights: Weights
    history: list[Losses]
    chosen: int
    watched: list[list[Floats]]


def fit_perceptron(
    model: Mapping[str, Any],
    training: Part,
    validation: Part,
    seeds: np.random.SeedSequence,
    watched: Sequence[Matrix] = (),
) -> Fitted:
    """Train epoch by epoch and keep the epoch with the smallest validation loss.

    Parameters
    ----------
    model
        Settings: hidden, l2, epochs, patience.
    training, validation
        Features and labels of the two parts; without validation rows the training loss chooses.
    seeds
        Decide the initial weights and the order of the batches.
    watched
        Features of rows that are scored before the first step and after each epoch.
    """
    scaler = scaler_for(training.features).fit(_single(training.features))
    data = _scaled_data(scaler, training, validation, watched)
    network = new_network(model, (model["hidden"],), training, seeds)
    start = _with_mean(network, data.mean)
    trained = _train(network, start, data, model, np.random.default_rng(seeds), kept=math.inf)
    network.coefs_, network.intercepts_ = trained.weights
    return _fitted(scaler, network, trained)


def train_on_perceptron(
    model: Mapping[str, Any],
    start: Pipeline,
    training: Part,
    validation: Part,
    seeds: np.random.SeedSequence,
    *,
    watched: Sequence[Matrix] = (),
    last_layer: bool = False,
) -> Fitted:
    """Train a perceptron on; epoch 0, as it came, is kept where no epoch has a smaller loss.

    Parameters
    ----------
    model, training, validation, seeds, watched
        As in ``fit_perceptron``.
    start
        The perceptron, on the same columns; it stays as it is.
    last_layer
        Whether the output alone is trained.
    """
    scaler, source = start["scale"], start["classify"]
    data = _scaled_data(scaler, training, validation, watched)
    weights = Weights(source.coefs_, source.intercepts_)
    frozen, moved = _split(weights, 1 if last_layer else 0)
    if last_layer:
        data = _behind(frozen, data)
    network = new_network(model, (model["hidden"],) * (not last_layer), data.training, seeds)
    _set(network, moved, data.mean)
    kept = part_losses(partial(_logits, moved), data.training, data.validation).watched
    trained = _train(network, moved, data, model, np.random.default_rng(seeds), kept=kept)
    grown = copy.copy(source)
    grown.coefs_ = [*frozen.matrices, *trained.weights.matrices]
    grown.intercepts_ = [*frozen.intercepts, *trained.weights.intercepts]
    return _fitted(scaler, grown, trained)


def perceptron_logits(pipeline: Pipeline, features: Matrix) -> Floats:
    """Logit of each row, shape (rows,)."""
    network = pipeline["classify"]
    weights = Weights(network.coefs_, network.intercepts_)
    return _logits(weights, pipeline["scale"].transform(_single(features)))


def new_network(
    model: Mapping[str, Any],
    hidden: tuple[int, ...],
    training: Part,
    seeds: np.random.SeedSequence,
) -> MLPClassifier:
    """Make a network with its initial weights and no step taken.

    scikit-learn draws the weights in its first step, which is here one of no length.
    """
    network = MLPClassifier(
        hidden,
        alpha=2 * min(BATCH, len(training.labels)) * model["l2"],
        shuffle=False,
        random_state=int(seeds.generate_state(1)[0]),
        learning_rate_init=_NO_LENGTH,
    )
    no_row = np.zeros((1, training.features.shape[1]), dtype=np.float32)
    network.partial_fit(no_row, [False], classes=[False, True])
    del network._optimizer  # which remembers the step
    return network.set_params(learning_rate_init=RATE)


def _train(
    network: MLPClassifier,
    start: Weights,
    data: _Data,
    model: Mapping[str, Any],
    generator: np.random.Generator,
    *,
    kept: float,
) -> _Trained:
    """Train until the loss falls no more; ``start`` is kept where no loss is below ``kept``."""
    history: list[Losses] = []
    chosen, best, scores = 0, start, [_scores(start, data.watched)]
    while len(history) < model["epochs"] and len(history) - chosen < model["patience"]:
        _epoch(network, data.training, data.mean, generator)
        weights = _with_mean(network, data.mean)
        history.append(part_losses(partial(_logits, weights), data.training, data.validation))
        scores.append(_scores(weights, data.watched))
        if history[-1].watched < kept:
            chosen, best, kept = len(history), weights, history[-1].watched
    log.info("perceptron: %d epochs, the best is epoch %d", len(history), chosen)
    return _Trained(best, history, chosen, scores)


def _fitted(scaler: StandardScaler, network: MLPClassifier, trained: _Trained) -> Fitted:
    for name in _OF_TRAINING:
        network.__dict__.pop(name, None)
    pipeline = Pipeline([("scale", scaler), ("classify", network)])
    return Fitted(pipeline, trained.history, trained.chosen, trained.watched)


def _logits(weights: Weights, values: Matrix) -> Floats:
    hidden, (matrices, intercepts) = _split(weights, len(weights.matrices) - 1)
    logits: Floats = (_units(hidden, values) @ matrices[0] + intercepts[0])[:, 0]
    return logits.astype(np.float64)


def _units(hidden: Weights, values: Matrix) -> Matrix:
    """What comes out of hidden layers, one or none."""
    for matrix, intercept in zip(*hidden, strict=True):
        values = np.maximum(values @ matrix + intercept, 0)
    return values


def _split(weights: Weights, layers: int) -> tuple[Weights, Weights]:
    """The first ``layers`` layers, and the others."""
    first, others = slice(layers), slice(layers, None)
    return (
        Weights(weights.matrices[first], weights.intercepts[first]),
        Weights(weights.matrices[others], weights.intercepts[others]),
    )


def _scores(weights: Weights, watched: Sequence[Matrix]) -> list[Floats]:
    return [np.asarray(expit(_logits(weights, features))) for features in watched]


def _scaled_data(
    scaler: StandardScaler, training: Part, validation: Part, watched: Sequence[Matrix]
) -> _Data:
    scaled = _scaled(scaler, training.features)
    return _Data(
        Part(scaled, training.labels),
        Part(_scaled(scaler, validation.features), validation.labels),
        np.asarray(scaled.mean(axis=0), dtype=np.float32).ravel(),
        [_scaled(scaler, features) for features in watched],
    )


def _behind(hidden: Weights, data: _Data) -> _Data:
    """The same rows as the output sees them; hidden units are not centred."""
    training, validation = (
        Part(_units(hidden, part.features), part.labels)
        for part in (data.training, data.validation)
    )
    no_mean = np.zeros(training.features.shape[1], dtype=np.float32)
    watched = [_units(hidden, features) for features in data.watched]
    return _Data(training, validation, no_mean, watched)


def _set(network: MLPClassifier, weights: Weights, mean: Singles) -> None:
    """Give the network, on centred features, weights of features that are not."""
    matrices, (first, *others) = weights
    network.coefs_ = [matrix.copy() for matrix in matrices]
    network.intercepts_ = [first + mean @ matrices[0], *(other.copy() for other in others)]


def _epoch(
    network: MLPClassifier, scaled: Part, mean: Singles, generator: np.random.Generator
) -> None:
    """Take every training row once, in shuffled batches that are centred as they come."""
    order = generator.permutation(len(scaled.labels))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        features: Any = scaled.features[rows]
        dense = features.toarray() if sparse.issparse(features) else features
        network.partial_fit(dense - mean, scaled.labels[rows], classes=[False, True])


def _with_mean(network: MLPClassifier, mean: Singles) -> Weights:
    """Weights, copied, of the same network on features that are not centred."""
    (first, *others), matrices = network.intercepts_, network.coefs_
    return Weights(
        [matrix.copy() for matrix in matrices],
        [first - mean @ matrices[0], *(other.copy() for other in others)],
    )


def _scaled(scaler: StandardScaler, features: Matrix) -> Matrix:
    features = _single(features)  # scikit-learn refuses a matrix without rows
    return scaler.transform(features) if features.shape[0] else features


def _single(features: Matrix) -> Matrix:
    return features.astype(np.float32)
