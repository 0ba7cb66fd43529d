"""The log loss, over whole parts and never averaged over batches."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Losses:
    """Mean log losses of the training rows and of the validation rows, None without such rows."""

    training: float
    validation: float | None

    @property
    def watched(self) -> float:
        """The loss that chooses: the validation part's, the training loss where that is empty."""
        return self.training if self.validation is None else self.validation


def log_loss(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_]) -> float:
    """Mean over the rows, at least one, of the cross-entropy of sigmoid(logit).

    It is log(1 + exp(-logit)) of a case and log(1 + exp(logit)) of a control, which is exact for
    logits of any size.
    """
    with np.errstate(invalid="ignore"):  # of a network that diverged it is NaN
        return float(np.logaddexp(0.0, np.where(labels, -logits, logits)).mean())
