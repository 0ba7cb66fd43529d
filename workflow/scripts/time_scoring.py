"""Run the rule time_scoring: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.evaluate import time_scoring

    time_scoring(
        visits=Path(snakemake.input.visits),
        trained=Path(snakemake.input.model).parent,
        fold=int(snakemake.wildcards.fold),
        table=Path(snakemake.output[0]),
    )
