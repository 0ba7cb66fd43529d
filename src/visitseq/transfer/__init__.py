"""Stage 6: a model of one site at another, as it is, trained on, and against one trained there."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__,
    transfer_model="onset",
)
