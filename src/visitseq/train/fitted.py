"""What passes between a classical model's fit and its folder."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.train.features import Floats, Matrix
from visitseq.train.losses import Losses, log_loss

#: The kinds of classical model.
CLASSICAL_KINDS = ("logistic", "svm", "mlp", "knn", "trees")
#: Kinds whose scores order the rows and are no probabilities.
SCORES_ALONE = ("svm", "knn")


class Part(NamedTuple):
    """Features, shape (rows, features), and labels, shape (rows,), of one part of a fold."""

    features: Matrix
    labels: npt.NDArray[np.bool_]


class Fitted(NamedTuple):
    """A fitted model, the losses of its epochs, and the epoch (from 1) that was kept.

    ``model`` is what goes into the archive: a scikit-learn pipeline, or the text of trees. The
    history is empty where scores are no probabilities, which have no log loss. ``watched`` are the
    scores of the rows that were watched, before the first step and after each epoch; empty of what
    is not trained in epochs.
    """

    model: Any
    history: list[Losses]
    chosen: int
    watched: Sequence[Sequence[Floats]] = ()


def part_losses(logits: Callable[[Matrix], Floats], training: Part, validation: Part) -> Losses:
    """Log losses of both parts; None where the validation part has no rows."""
    own = [log_loss(logits(p.features), p.labels) for p in (training, validation) if len(p.labels)]
    return Losses(own[0], own[1] if len(validation.labels) else None)
