"""Run the rule explain_model: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.evaluate import explain_model

    explain_model(
        visits=Path(snakemake.input.visits),
        vocabulary=Path(snakemake.input.vocabulary),
        trained=Path(snakemake.input.model).parent,
        draws=snakemake.params.draws,
        seed=snakemake.params.seed,
        minimum_cell=snakemake.params.minimum_cell,
        folder=Path(snakemake.output.table).parent,
    )
