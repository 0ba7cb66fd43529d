"""Run the rule reduce_model: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.export import reduce_model

    reduce_model(
        trained=Path(snakemake.input.model).parent,
        visits=Path(snakemake.input.visits),
        task=snakemake.params.task,
        minimum_cell=snakemake.params.minimum_cell,
        folder=Path(snakemake.output.model).parent,
    )
