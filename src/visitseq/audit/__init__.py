"""The audit: what a reviewer would ask of a study, each question a check with its evidence."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(__name__)
