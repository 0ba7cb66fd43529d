"""Run the rule time_training: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.train import time_training

    time_training(
        visits=Path(snakemake.input.visits),
        vocabulary=Path(snakemake.input.vocabulary),
        model=snakemake.params.model,
        encoding=snakemake.params.encoding,
        parts=snakemake.params.parts,
        seed=snakemake.params.seed,
        sizes=snakemake.params.sizes,
        table=Path(snakemake.output[0]),
        vectors=Path(snakemake.input.vectors) if snakemake.input.vectors else None,
    )
