"""What the validation part decides of a model's scores, and the table of predictions that follows.

It chooses the threshold and, where scores are no probabilities, fits the sigmoid that makes some of
them. The test part has no say in either. A model that stays at home and one that was carried to
another hospital are judged by these same functions.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.encode.sequences import Sequences
from visitseq.evaluate.platt import Platt, fit_platt
from visitseq.evaluate.predictions import predictions_table
from visitseq.evaluate.threshold import Threshold, choose_threshold

Floats = npt.NDArray[np.float64]


class Decision(NamedTuple):
    """The threshold, and the sigmoid of a model whose scores are no probabilities."""

    threshold: Threshold
    platt: Platt | None

    def probabilities(self, scores: Floats) -> Floats:
        """Probability of being a case of each score, shape (rows,)."""
        return self.platt.probabilities(scores) if self.platt else scores

    def table(self, sequences: Sequences, scores: Floats, task: Mapping[str, Any]) -> pa.Table:
        """Lay the scores of ``sequences`` out as predictions.

        Parameters
        ----------
        sequences, scores
            Rows of a part, and the score of each.
        task
            The task's section of the configuration: its ``observation_months`` and
            ``prediction_months`` are read.
        """
        return predictions_table(
            sequences,
            scores,
            probabilities=self.probabilities(scores),
            threshold=self.threshold.value,
            observation_months=task["observation_months"],
            prediction_months=task["prediction_months"],
        )


def decide(labels: npt.NDArray[np.bool_], scores: Floats, base_rate: float | None) -> Decision:
    """Decide on the validation part's labels and scores, shape (rows,).

    ``base_rate`` is the share of cases among the training rows; None where scores are
    probabilities, which need no sigmoid.
    """
    platt = None if base_rate is None else fit_platt(labels, scores, base_rate)
    return Decision(choose_threshold(labels, scores), platt)


def read_decision(metrics: Path) -> Decision:
    """Read what a metrics.json says was decided."""
    content = json.loads(metrics.read_text(encoding="utf-8"))
    platt = Platt.from_json(content["platt"]) if "platt" in content else None
    return Decision(Threshold.from_json(content["threshold"]), platt)
