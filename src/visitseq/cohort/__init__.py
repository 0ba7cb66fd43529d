"""Stage 2: cases, controls and index dates, with every dropped person counted."""

from visitseq.cohort.build_cohort import build_cohort

__all__ = ["build_cohort"]
