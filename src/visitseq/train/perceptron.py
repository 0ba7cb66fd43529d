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
"""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
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

#: What training leaves behind; scores need none of it.
_OF_TRAINING = ("_optimizer", "_random_state", "loss_curve_")


class Weights(NamedTuple):
    """Matrices and intercepts of the hidden layer and of the output."""

    matrices: list[Singles]
    intercepts: list[Singles]


def fit_perceptron(
    model: Mapping[str, Any], training: Part, validation: Part, seeds: np.random.SeedSequence
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
    """
    scaler = scaler_for(training.features).fit(_single(training.features))
    parts = _scaled(scaler, training), _scaled(scaler, validation)
    mean = np.asarray(parts[0].features.mean(axis=0), dtype=np.float32).ravel()
    network, generator = _network(model, training, seeds), np.random.default_rng(seeds)
    history: list[Losses] = []
    chosen, kept = 0, Weights([], [])
    while len(history) < model["epochs"] and len(history) - chosen < model["patience"]:
        _epoch(network, parts[0], mean, generator)
        weights = _with_mean(network, mean)
        history.append(part_losses(partial(_logits, weights), *parts))
        if not chosen or history[-1].watched < history[chosen - 1].watched:
            chosen, kept = len(history), weights
    network.coefs_, network.intercepts_ = kept
    for name in _OF_TRAINING:
        delattr(network, name)
    log.info("perceptron: %d epochs, the best is epoch %d", len(history), chosen)
    return Fitted(Pipeline([("scale", scaler), ("classify", network)]), history, chosen)


def perceptron_logits(pipeline: Pipeline, features: Matrix) -> Floats:
    """Logit of each row, shape (rows,)."""
    network = pipeline["classify"]
    weights = Weights(network.coefs_, network.intercepts_)
    return _logits(weights, pipeline["scale"].transform(_single(features)))


def _logits(weights: Weights, scaled: Matrix) -> Floats:
    (into, out), (b, c) = weights
    logits: Floats = (np.maximum(scaled @ into + b, 0) @ out + c)[:, 0].astype(np.float64)
    return logits


def _network(
    model: Mapping[str, Any], training: Part, seeds: np.random.SeedSequence
) -> MLPClassifier:
    return MLPClassifier(
        (model["hidden"],),
        alpha=2 * min(BATCH, len(training.labels)) * model["l2"],
        shuffle=False,
        random_state=int(seeds.generate_state(1)[0]),
    )


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
    (into, out), (b, c) = network.coefs_, network.intercepts_
    return Weights([into.copy(), out.copy()], [b - mean @ into, c.copy()])


def _scaled(scaler: StandardScaler, part: Part) -> Part:
    features = _single(part.features)  # scikit-learn refuses a matrix without rows
    return Part(scaler.transform(features) if len(part.labels) else features, part.labels)


def _single(features: Matrix) -> Matrix:
    return features.astype(np.float32)
