"""A classical model without the columns of some of its codes.

A linear model or a perceptron knows a code by its columns: by their scale and their weights, which
are taken out. Of what is left a new model is made, with nothing that training left behind besides
(scikit-learn keeps first weights, variances and numbers of rows). Trees: ``reduced_trees.py``.

Where codes have vectors the columns are those of the sums of vectors, which stay: the vectors of
the codes go.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from visitseq.export.common_codes import Marks
from visitseq.export.reduced_trees import reduced_trees
from visitseq.train.features import BIN_ENDS

Columns = npt.NDArray[np.intp]


def reduced_archive(
    archive: Mapping[str, Any], model: Mapping[str, Any], kept: Marks
) -> dict[str, Any]:
    """Content of model.skops without the codes that are not ``kept``.

    Parameters
    ----------
    archive
        Content of the model's own (``classical.save_classical``).
    model
        The model's section; kind and features are used.
    kept
        Which known codes stay, shape (known,).
    """
    vectors = archive.get("vectors")
    features = model["features"] if vectors is None else "vectors"
    trained, columns = archive["model"], _columns(features, kept)
    if model["kind"] == "trees":
        columns = np.arange(_features(trained)) if columns is None else columns
        reduced: Any = reduced_trees(trained, columns)
    else:
        reduced = _reduced_pipeline(trained, columns)
    return {"model": reduced, **({} if vectors is None else {"vectors": vectors[kept]})}


def _columns(features: str, kept: Marks) -> Columns | None:
    """Columns that stay of features of a kind; None for all of them."""
    if features == "counts":
        return np.flatnonzero(kept)
    if features == "time":
        bins, timing = np.tile(kept, len(BIN_ENDS) + 1), np.ones(2, dtype=np.bool_)
        return np.flatnonzero(np.append(bins, timing))
    return None


def _features(text: str) -> int:
    """Features that LightGBM's text says it reads."""
    line = next(line for line in text.splitlines() if line.startswith("max_feature_idx="))
    return 1 + int(line.split("=")[1])


def _reduced_pipeline(pipeline: Pipeline, columns: Columns | None) -> Pipeline:
    """Scaler and model on some of their columns."""
    old, classifier = pipeline["scale"], pipeline["classify"]
    scaler: StandardScaler = clone(old)
    scaler.scale_ = _taken(old.scale_, columns, blank=1.0)
    if old.with_mean:
        scaler.mean_ = _taken(old.mean_, columns, blank=0.0)
    if isinstance(classifier, MLPClassifier):
        reduced: Any = MLPClassifier(classifier.hidden_layer_sizes)
        into, out = classifier.coefs_
        reduced.coefs_ = [_taken(into.T, columns, blank=0.0).T, out]
        reduced.intercepts_ = classifier.intercepts_
    else:
        reduced = clone(classifier)
        reduced.coef_ = _taken(classifier.coef_, columns, blank=0.0)
        reduced.intercept_ = classifier.intercept_
    reduced.classes_ = classifier.classes_
    scaler.n_features_in_ = reduced.n_features_in_ = len(scaler.scale_)
    return Pipeline([("scale", scaler), ("classify", reduced)])


def _taken(values: npt.NDArray[Any], columns: Columns | None, blank: float) -> npt.NDArray[Any]:
    """Some of the last axis; one ``blank`` where none is left, as features without codes have."""
    if columns is None:
        return values
    if not len(columns):
        return np.full_like(values[..., :1], blank)
    return np.ascontiguousarray(values[..., columns])
