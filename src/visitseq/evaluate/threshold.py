"""The score from which on a person is predicted to be a case.

The threshold is chosen on the validation part, where it maximises Youden's J = sensitivity +
specificity - 1 (Youden, Cancer 1950;3:32) over the distinct scores; the smallest of equals, which
errs towards finding cases. The test part has no say in it.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

DEFAULT = 0.5


class Threshold(NamedTuple):
    """A row is predicted a case where its score is at least ``value``."""

    value: float
    reason: str | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Threshold":
        """Read the object of metrics.json back."""
        return cls(float(content["value"]), content.get("reason"))

    def to_json(self) -> dict[str, Any]:
        """Give the object of metrics.json."""
        if self.reason is None:
            return {"value": self.value, "chosen": "Youden's J on the validation part"}
        return {"value": self.value, "reason": self.reason}


def choose_threshold(labels: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> Threshold:
    """Choose the threshold on the validation part's labels and scores, shape (rows,).

    Without both classes there is nothing to choose by: 0.5, with the reason.
    """
    cases, controls = int(labels.sum()), int((~labels).sum())
    if not (cases and controls):
        lacks = "case" if controls else "control" if cases else "row"
        return Threshold(DEFAULT, f"no {lacks} in the validation part")
    candidates = np.unique(scores)
    missed = np.searchsorted(np.sort(scores[labels]), candidates, side="left")
    spared = np.searchsorted(np.sort(scores[~labels]), candidates, side="left")
    # J times cases times controls, in integers: equals are equal.
    gain = spared.astype(np.int64) * cases - missed.astype(np.int64) * controls
    return Threshold(float(candidates[gain.argmax()]))
