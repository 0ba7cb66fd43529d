"""Stage 5: predictions of the test part and what they are worth, with intervals."""

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.metrics import auroc

__all__ = ["Estimate", "auroc"]
