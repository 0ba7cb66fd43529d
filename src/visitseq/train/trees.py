"""Gradient-boosted trees on the features as they are, by LightGBM.

Tree t is grown on the gradient of the log loss at the sum of the trees before it and added with the
weight ``learning_rate`` (Friedman, Annals of Statistics 2001;29:1189; Ke et al., NeurIPS 2017). The
features are read as a sparse matrix, thousands of columns that are mostly 0: scikit-learn's own
histogram trees would need all of them written out. After each tree the log loss of the validation
part is taken; growth ends when it has not fallen for ``patience`` trees, and the trees up to its
smallest value are kept.

One thread, one way of building histograms and no sampling: the same rows give the same trees. They
are saved as LightGBM's own text, which holds splits and leaf values and can run nothing.
"""

import logging
from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np

from visitseq.train.features import Floats, Matrix
from visitseq.train.fitted import Fitted, Part
from visitseq.train.losses import Losses

log = logging.getLogger(__name__)

_FIXED = {
    "objective": "binary",
    "metric": "binary_logloss",
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}


def fit_trees(model: Mapping[str, Any], training: Part, validation: Part) -> Fitted:
    """Grow trees until the validation loss falls no more, and keep those up to its smallest value.

    Parameters
    ----------
    model
        Settings: trees, leaves, learning_rate, least_rows, patience.
    training, validation
        Features and labels of the two parts; without validation rows the training loss chooses.
    """
    rows = lightgbm.Dataset(training.features, training.labels, params=_FIXED)
    watched: dict[str, lightgbm.Dataset] = {"training": rows}
    callbacks: list[Any] = []
    losses: dict[str, dict[str, list[float]]] = {}
    if len(validation.labels):
        watched["validation"] = rows.create_valid(validation.features, validation.labels)
        callbacks.append(lightgbm.early_stopping(model["patience"], verbose=False))
    booster = lightgbm.train(
        _settings(model),
        rows,
        model["trees"],
        valid_sets=list(watched.values()),
        valid_names=list(watched),
        callbacks=[lightgbm.record_evaluation(losses), *callbacks],
    )
    history = _history(losses)
    chosen = 1 + min(range(len(history)), key=lambda tree: history[tree].watched)
    log.info("%d trees, of which %d are kept", len(history), chosen)
    return Fitted(booster.model_to_string(num_iteration=chosen), history, chosen)


def tree_logits(text: str, features: Matrix) -> Floats:
    """Logit of each row, shape (rows,), from the trees' text."""
    booster = lightgbm.Booster(model_str=text)
    logits = booster.predict(features, raw_score=True, num_threads=1)
    return np.asarray(logits, dtype=np.float64)


def _settings(model: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_FIXED,
        "num_leaves": model["leaves"],
        "learning_rate": model["learning_rate"],
        "min_data_in_leaf": model["least_rows"],
    }


def _history(losses: Mapping[str, Mapping[str, list[float]]]) -> list[Losses]:
    training = losses["training"]["binary_logloss"]
    validation = losses.get("validation", {}).get("binary_logloss", [None] * len(training))
    return [Losses(*pair) for pair in zip(training, validation, strict=True)]
