"""Stage 1: the records of a hospital as one table of events, every dropped row counted."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__, ingest_site="site", ingest_doctorai="doctorai", ingest_meds="meds"
)
