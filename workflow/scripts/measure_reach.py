"""Run the rule measure_reach: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.evaluate import measure_reach

    measure_reach(
        visits=Path(snakemake.input.visits),
        trained=Path(snakemake.input.model).parent,
        folder=Path(snakemake.output.table).parent,
        vectors=Path(snakemake.input.vectors) if snakemake.input.vectors else None,
    )
