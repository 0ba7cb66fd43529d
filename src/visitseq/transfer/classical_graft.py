"""Give a classical model the weights of another that counts other codes.

Each column of its features has an origin: a column of the source's, whose weights and whose scale
it has, or none. A code that has its ancestor's weights has its ancestor's scale too, so that a
visit with it counts as much as one with the ancestor. A column without origin has the scale of the
target's training rows, and weights of its own: 0 in a logistic regression, and in a perceptron the
random ones of any beginning, centred on those rows, so that the logits do not move on the whole.

Sums of vectors and frequencies of visits are the source's own columns, whatever codes there are.
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from visitseq.train.features import BIN_ENDS, Features, Matrix
from visitseq.train.fitted import Part
from visitseq.train.perceptron import new_network

Places = npt.NDArray[np.intp]
Values = npt.NDArray[np.floating[Any]]


def column_origins(features: Features, codes: Places, source: Pipeline, known: int) -> Places:
    """Column of the source's features from which each of an arm's starts, -1 for none.

    Parameters
    ----------
    features
        The arm's.
    codes
        Origin of each code that the arm knows, a place among those that the source's model knows,
        -1 for none.
    source
        The source's model.
    known
        Number of codes that the source's model knows.
    """
    if features.kind == "frequency" or features.vectors is not None:
        return np.arange(source["scale"].n_features_in_)
    if features.kind == "counts":
        return codes if len(codes) else np.array([-1])  # the one empty column
    starts = known * np.arange(len(BIN_ENDS) + 1)
    binned = np.where(codes >= 0, starts[:, None] + codes, -1)
    timing = known * (len(BIN_ENDS) + 1) + np.arange(2)
    return np.concatenate([binned.ravel(), timing])


def graft_logistic(source: Pipeline, columns: Places, training: Part) -> Pipeline:
    """Give the source's logistic regression on other columns.

    Parameters
    ----------
    source
        The source's scaler and model.
    columns
        Origins of the columns.
    training
        Features, on these columns, and labels of the drawn training rows.
    """
    scaler = _graft_scaler(source["scale"], columns, training.features)
    model = copy.copy(source["classify"])
    nothing = np.zeros((len(columns), 1))
    model.coef_ = _carried(model.coef_.T, columns, nothing).T
    model.n_features_in_ = len(columns)
    return Pipeline([("scale", scaler), ("classify", model)])


def graft_perceptron(
    source: Pipeline,
    columns: Places,
    training: Part,
    model: Mapping[str, Any],
    seeds: np.random.SeedSequence,
) -> Pipeline:
    """Give the source's perceptron on other columns.

    Parameters
    ----------
    source, columns, training
        As in ``graft_logistic``.
    model
        The source's settings.
    seeds
        Decide the weights of columns without origin.
    """
    features = training.features.astype(np.float32)
    scaler = _graft_scaler(source["scale"], columns, features)
    network, fresh = copy.copy(source["classify"]), columns < 0
    into = new_network(model, (model["hidden"],), training, seeds).coefs_[0]
    into = _carried(network.coefs_[0], columns, into)
    mean = np.asarray(scaler.transform(features).mean(axis=0), dtype=np.float32).ravel()
    hidden, *output = network.intercepts_
    network.coefs_ = [into, *network.coefs_[1:]]
    network.intercepts_ = [hidden - mean[fresh] @ into[fresh], *output]
    network.n_features_in_ = len(columns)
    return Pipeline([("scale", scaler), ("classify", network)])


def _graft_scaler(source: StandardScaler, columns: Places, features: Matrix) -> StandardScaler:
    """Scaler of the columns; of the source's what scores need, for no other leaves (export)."""
    scaler = clone(source).fit(features)
    for name in ("mean_", "scale_") if source.with_mean else ("scale_",):
        setattr(scaler, name, _carried(getattr(source, name), columns, getattr(scaler, name)))
    return scaler


def _carried(source: Values, columns: Places, fresh: Values) -> Values:
    """Rows of ``source`` where a column has an origin, those of ``fresh`` elsewhere."""
    rows = fresh.copy()
    rows[columns >= 0] = source[columns[columns >= 0]]
    return rows
