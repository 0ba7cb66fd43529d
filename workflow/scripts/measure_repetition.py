"""Run the rule measure_repetition: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.evaluate import measure_repetition

    measure_repetition(
        visits=Path(snakemake.input.visits),
        vocabulary=Path(snakemake.input.vocabulary),
        trained=Path(snakemake.input.model).parent,
        least=snakemake.params.minimum_cell,
        folder=Path(snakemake.output[0]).parent,
    )
