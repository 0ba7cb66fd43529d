"""The kinds of classical model: how each is fitted, what its scores are, and its archive.

Every kind gives a row a margin. Where margins are log-odds the score is their sigmoid, a
probability; elsewhere (the distance from a plane, the share of cases among neighbours) the margin
itself is the score, which orders rows and is a probability of nothing.

The archive, model.skops, is a dict: ``model``, a scikit-learn pipeline or the text of trees, and,
where there are any, ``vectors``, the pre-trained vectors of the known codes. With model.json it is
all that new rows need.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from visitseq.encode.sequences import Sequences
from visitseq.train.estimators import fit_estimator, margin, share_of_neighbours
from visitseq.train.features import Features, Floats, Matrix, Window
from visitseq.train.fitted import SCORES_ALONE, Fitted, Part
from visitseq.train.perceptron import fit_perceptron, perceptron_logits
from visitseq.train.skops_archive import load_archive, save_archive


def fit_kind(
    model: Mapping[str, Any],
    training: Part,
    validation: Part,
    seeds: np.random.SeedSequence,
    watched: Sequence[Matrix] = (),
) -> Fitted:
    """Fit a model of the kind that its section of the configuration names.

    Parameters
    ----------
    model
        The section, with the settings of one point of its search.
    training, validation
        Features and labels of the two parts. The training part is fitted; the validation part, if
        it has rows, says when to stop.
    seeds
        What is drawn at random comes from it.
    watched
        Features of rows of which a kind that is trained in epochs gives the scores of each.
    """
    if model["kind"] == "mlp":
        return fit_perceptron(model, training, validation, seeds, watched)
    if model["kind"] == "trees":
        # Imported here so that the other kinds do not wait for LightGBM.
        from visitseq.train.trees import fit_trees  # noqa: PLC0415

        return fit_trees(model, training, validation)
    return fit_estimator(model, training, validation)


def score_features(kind: str, model: Any, features: Matrix) -> Floats:
    """Score of each row, shape (rows,): a probability unless the kind is in ``SCORES_ALONE``."""
    if not features.shape[0]:  # which scikit-learn refuses
        return np.empty(0)
    margins = _margins(kind, model, features)
    return margins if kind in SCORES_ALONE else np.asarray(expit(margins))


def _margins(kind: str, model: Any, features: Matrix) -> Floats:
    if kind == "mlp":
        return perceptron_logits(model, features)
    if kind == "trees":
        from visitseq.train.trees import tree_logits  # noqa: PLC0415

        return tree_logits(model, features)
    return share_of_neighbours(model, features) if kind == "knn" else margin(model, features)


def save_classical(model: Any, features: Features, path: Path) -> None:
    """Write model.skops."""
    vectors = {} if features.vectors is None else {"vectors": features.vectors}
    save_archive({"model": model, **vectors}, path)


class ClassicalScorer:
    """Scores sequences with the model of a folder of 4_train.

    Parameters
    ----------
    folder
        The folder.
    card
        Contents of its model.json.
    known
        Vocabulary ids that the model knows, ascending.
    """

    def __init__(self, folder: Path, card: Mapping[str, Any], known: npt.NDArray[np.int32]) -> None:
        archive = load_archive(folder / "model.skops")
        self.kind, self.model = card["kind"], archive["model"]
        self.features = Features(
            card["model"]["features"], known, Window(**card["window"]), archive.get("vectors")
        )

    def __call__(self, sequences: Sequences) -> Floats:
        """Score of each row, shape (rows,)."""
        return score_features(self.kind, self.model, self.features.matrix(sequences))
