"""Stage 2: who is studied and at which index dates, with every dropped person counted."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__, build_cohort="build", build_landmark="landmark", build_population="population"
)
