"""Stage 2: cases, controls and index dates, with every dropped person counted."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(__name__, build_cohort="build", build_population="population")
