"""Probabilities for a model whose scores are none: Platt's sigmoid of the score.

    P(case | s) = 1 / (1 + exp(-(intercept + slope s)))

Intercept and slope are fitted to the validation part, which the model did not learn from, by
maximum likelihood with Platt's targets in place of 0 and 1: 1 / (controls + 2) for a control and
(cases + 1) / (cases + 2) for a case. They keep the slope finite where a threshold parts the classes
(Platt, in Advances in Large Margin Classifiers, 1999, 61-74; Lin, Lin and Weng, Machine Learning
2007;68:267).

Where the validation part lacks cases or controls nothing can be fitted: every probability is then
the share of cases among the training rows, and metrics.json says so. Where all its scores are the
same, the slope is 0 and every probability the mean of the targets.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from visitseq.evaluate.calibration import fit_logistic

Floats = npt.NDArray[np.float64]


class Platt(NamedTuple):
    """The sigmoid: its intercept and slope, and why it was not fitted, if it was not."""

    intercept: float
    slope: float
    reason: str | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Platt":
        """Read the object of metrics.json back."""
        return cls(float(content["intercept"]), float(content["slope"]), content.get("reason"))

    def probabilities(self, scores: Floats) -> Floats:
        """Probability of being a case of each score, shape (rows,)."""
        return np.asarray(expit(self.intercept + self.slope * scores))

    def to_json(self) -> dict[str, Any]:
        """Give the object of metrics.json."""
        numbers = {"intercept": self.intercept, "slope": self.slope}
        if self.reason is None:
            return {**numbers, "fitted": "to the scores of the validation part"}
        return {**numbers, "reason": self.reason}


def fit_platt(labels: npt.NDArray[np.bool_], scores: Floats, base_rate: float) -> Platt:
    """Fit the sigmoid to the validation part's labels and scores, shape (rows,).

    ``base_rate`` is the share of cases among the training rows, above 0 and below 1.
    """
    cases, controls = int(labels.sum()), int((~labels).sum())
    if not (cases and controls):
        lacks = "case" if controls else "control" if cases else "row"
        reason = f"no {lacks} in the validation part: the training parts' share of cases"
        return Platt(float(logit(base_rate)), 0.0, reason)
    targets = np.where(labels, (cases + 1) / (cases + 2), 1 / (controls + 2))
    start = np.array([logit(targets.mean()), 0.0])
    centre, scale = float(scores.mean()), float(scores.std())
    if not scale:
        return Platt(float(start[0]), 0.0)
    every_row = np.ones((1, len(scores)))
    intercept, slope = fit_logistic((scores - centre) / scale, targets, every_row, start)[0]
    return Platt(float(intercept - slope * centre / scale), float(slope / scale))
