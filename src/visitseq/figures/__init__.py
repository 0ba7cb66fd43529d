"""Stage 7: the tables and figures of the study."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(__name__, draw_figures="draw")
