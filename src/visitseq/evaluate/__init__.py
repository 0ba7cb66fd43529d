"""Stage 5: predictions of the test part and what they are worth, with intervals."""

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.metrics import auroc
from visitseq.lazy import stage_functions

__all__ = ["Estimate", "auroc"]
__getattr__ = stage_functions(
    __name__, evaluate_model="evaluate", score_oracle="oracle", measure_reach="reach"
)
