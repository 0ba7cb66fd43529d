"""How the arms of a classical model learn.

From scratch a model is fitted as at home, on drawn rows: with a search, and on the sums of the
target's vectors, as its section and the encoding say. Two kinds have weights that can go on:

    logistic   fitted near the source's weights (biased_logistic.py), which are its last layer
    mlp        trained on epoch by epoch, all of it or the output alone (train/perceptron.py)

Both begin as the source's model on the columns of the codes that the arm knows
(classical_graft.py). Where the features are sums of vectors these are the source's, which the
target's other codes have none of: such an arm knows what the source's model knows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from visitseq.train.baseline import features_of, fit_best, parts_of
from visitseq.train.classical import score_features
from visitseq.train.features import Features, Matrix, Window
from visitseq.train.fitted import SCORES_ALONE, Fitted, Part
from visitseq.train.perceptron import train_on_perceptron
from visitseq.train.skops_archive import load_archive
from visitseq.transfer.arms import Arm
from visitseq.transfer.biased_logistic import fit_from_source
from visitseq.transfer.classical_graft import column_origins, graft_logistic, graft_perceptron
from visitseq.transfer.drawn_rows import DrawnRows
from visitseq.transfer.known import codes_of_arm, frequent_codes, nearest_ancestors, origins
from visitseq.transfer.learned import Learned, Target


class ClassicalArms:
    """Trains the arms of one classical model.

    Parameters
    ----------
    target
        The target's data.
    trained
        The source's folder of stage 4.
    card
        Contents of its model.json.
    """

    def __init__(self, target: Target, trained: Path, card: Mapping[str, Any]) -> None:
        archive = load_archive(trained / "model.skops")
        self.target, self.card, self.model = target, card, card["model"]
        self.weights, self.vectors = archive["model"], archive.get("vectors")
        self.source = np.array(card["known"], dtype=np.int32)
        self.nearest = nearest_ancestors(target.ancestors, "code", self.source)
        self.test = target.sequences.take(target.test)

    def __call__(self, arm: Arm, drawn: DrawnRows) -> Learned:
        """Train an arm on its drawn rows."""
        features = self._features(arm, drawn)
        parts = parts_of(self.target.data(drawn, features.known), features)
        training, validation = parts
        watched = [validation.features, features.matrix(self.test)]
        if arm.strategy == "scratch":
            fitted, *_ = fit_best(self.model, *parts, self._seeds(arm), watched)
        else:
            fitted = self._go_on(arm, features, parts, watched)
        return self._learned(fitted, training, watched)

    def _features(self, arm: Arm, drawn: DrawnRows) -> Features:
        """Features of an arm, with the codes that it knows."""
        target = self.target
        scratch = arm.strategy == "scratch"
        if not scratch and self.vectors is not None:
            known = self.source
        else:
            min_count = target.encoding["min_count"]
            frequent = frequent_codes(target.sequences, drawn.training, min_count)
            known = codes_of_arm(arm.strategy, frequent, self.source, self.nearest[0])
        if scratch:
            return features_of(self.model, known, target.task, target.vectors)
        window = Window(**self.card["window"])
        return Features(self.model["features"], known, window, self.vectors)

    def _go_on(
        self, arm: Arm, features: Features, parts: tuple[Part, Part], watched: Sequence[Matrix]
    ) -> Fitted:
        """Train the source's model on, or its last layer."""
        codes = origins(features.known, self.source, self.nearest)
        columns = column_origins(features, codes, self.weights, len(self.source))
        if self.model["kind"] == "logistic":
            start = graft_logistic(self.weights, columns, parts[0])
            return Fitted(fit_from_source(self.model, start, *parts), history=[], chosen=0)
        seeds = self._seeds(arm)
        start = graft_perceptron(self.weights, columns, parts[0], self.model, seeds)
        return train_on_perceptron(
            self.model,
            start,
            *parts,
            seeds,
            watched=watched,
            last_layer=arm.strategy == "last_layer",
        )

    def _seeds(self, arm: Arm) -> np.random.SeedSequence:
        return np.random.SeedSequence([self.target.seed, self.target.fold, *arm.entropy])

    def _learned(self, fitted: Fitted, training: Part, watched: Sequence[Matrix]) -> Learned:
        """Give the scores of the watched rows, of all epochs where there are any."""
        if fitted.watched:
            seen, unseen = zip(*fitted.watched, strict=True)
            return Learned(seen, unseen, fitted.chosen, in_epochs=True, base_rate=None)
        kind = self.model["kind"]
        validation, test = (score_features(kind, fitted.model, rows) for rows in watched)
        base_rate = float(training.labels.mean()) if kind in SCORES_ALONE else None
        return Learned([validation], [test], 0, in_epochs=False, base_rate=base_rate)
