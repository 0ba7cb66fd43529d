"""Run the rule check_splits: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import check_splits

    check_splits(
        study=snakemake.params.study,
        results=Path("results"),
        folder=Path(snakemake.output.findings).parent,
    )
