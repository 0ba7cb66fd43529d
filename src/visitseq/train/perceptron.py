"""The multilayer perceptron: one hidden layer of rectifiers on scaled features.

    logit = v . max(0, W x + b) + c

trained by scikit-learn's MLPClassifier, one ``partial_fit`` an epoch: Adam at its learning rate of
0.001 on shuffled batches of 200 rows, down

    mean log loss of the batch's rows + l2 x sum of all squared weights

(scikit-learn's alpha is 2 x rows of the batch x l2; a last, smaller batch has more of it). After
each epoch the log loss of the validation part is taken; training ends when it has not fallen for
``patience`` epochs, and the weights of its smallest value are kept. Weights are float32.
"""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from visitseq.train.estimators import scaler_for
from visitseq.train.features import Floats, Matrix
from visitseq.train.fitted import Fitted, Part, part_losses
from visitseq.train.losses import Losses

log = logging.getLogger(__name__)

#: Rows a step.
BATCH = 200

#: What a step of Adam leaves behind; scores need none of it.
_OF_TRAINING = ("_optimizer", "_random_state")


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
    batch = min(BATCH, len(training.labels))
    network = MLPClassifier(
        (model["hidden"],),
        alpha=2 * batch * model["l2"],
        batch_size=batch,
        random_state=int(seeds.generate_state(1)[0]),
    )
    pipeline = Pipeline([("scale", scaler), ("classify", network)])
    scaled = scaler.transform(_single(training.features))
    history: list[Losses] = []
    chosen, best = 0, list[list[npt.NDArray[np.float32]]]()
    while len(history) < model["epochs"] and len(history) - chosen < model["patience"]:
        network.partial_fit(scaled, training.labels, classes=[False, True])
        history.append(part_losses(partial(perceptron_logits, pipeline), training, validation))
        if not chosen or history[-1].watched < history[chosen - 1].watched:
            chosen, best = len(history), _weights(network)
    network.coefs_, network.intercepts_ = best
    for name in _OF_TRAINING:
        delattr(network, name)
    log.info("perceptron: %d epochs, the best is epoch %d", len(history), chosen)
    return Fitted(pipeline, history, chosen)


def perceptron_logits(pipeline: Pipeline, features: Matrix) -> Floats:
    """Logit of each row, shape (rows,)."""
    network = pipeline["classify"]
    (into, out), (b, c) = network.coefs_, network.intercepts_
    hidden = np.maximum(pipeline["scale"].transform(_single(features)) @ into + b, 0)
    logits: Floats = (hidden @ out + c)[:, 0].astype(np.float64)
    return logits


def _weights(network: MLPClassifier) -> list[list[npt.NDArray[np.float32]]]:
    return [[array.copy() for array in arrays] for arrays in (network.coefs_, network.intercepts_)]


def _single(features: Matrix) -> Matrix:
    return features.astype(np.float32)
