"""Stage 8: what leaves the house: visits in the formats of other programs, and models."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__,
    write_doctorai="doctorai",
    reduce_model="reduced",
    write_model="model",
    write_meds="meds",
    write_meds_labels="meds_task",
    write_meds_predictions="meds_task",
)
