"""Run the rule write_meds_labels: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.export import write_meds_labels

    write_meds_labels(
        task=snakemake.params.task,
        cohort=Path(snakemake.input[0]),
        folder=Path(snakemake.output.labels).parent,
    )
