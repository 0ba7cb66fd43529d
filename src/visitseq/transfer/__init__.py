"""Stage 6: a model of one hospital at another."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__,
    translate_visits="translate",
)
