"""Run the rule pass_privacy: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import pass_privacy

    pass_privacy(
        findings=Path(snakemake.input.findings),
        on_failure=snakemake.params.on_failure,
        passed=Path(snakemake.output.passed),
    )
