"""Stage 6: a model of one hospital at another: as it is, trained on, and against one from there."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__,
    translate_visits="translate",
    translate_vectors="vectors",
    transfer_model="onset",
    transfer_next_visit="next_visit",
)
