"""Run the rule train_vectors: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.encode import train_vectors

    train_vectors(
        visits=Path(snakemake.input.visits),
        vocabulary=Path(snakemake.input.vocabulary),
        encoding=snakemake.params.encoding,
        fold=int(snakemake.wildcards.fold),
        parts=snakemake.params.parts,
        seed=snakemake.params.seed,
        folder=Path(snakemake.output.vectors).parent,
    )
