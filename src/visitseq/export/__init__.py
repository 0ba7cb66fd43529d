"""Stage 8: the visits in the formats of other programs."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(__name__, write_doctorai="doctorai")
