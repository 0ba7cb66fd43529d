"""Run the rule write_audit: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import write_audit

    write_audit(
        checks=snakemake.params.checks,
        synthetic=snakemake.params.synthetic,
        folder=Path(snakemake.output.table).parent,
    )
