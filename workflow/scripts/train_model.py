"""Run the rule train_model: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.train import train_model

    train_model(
        visits=Path(snakemake.input.visits),
        vocabulary=Path(snakemake.input.vocabulary),
        model=snakemake.params.model,
        encoding=snakemake.params.encoding,
        fold=int(snakemake.wildcards.fold),
        parts=snakemake.params.parts,
        seed=snakemake.params.seed,
        folder=Path(snakemake.output.model).parent,
        vectors=Path(snakemake.input.vectors) if snakemake.input.vectors else None,
    )
