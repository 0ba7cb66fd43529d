"""Run the rule train_site_vectors: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.encode import train_site_vectors

    train_site_vectors(
        events=Path(snakemake.input.events),
        codes=Path(snakemake.input.codes),
        ancestors=Path(snakemake.input.ancestors),
        encoding=snakemake.params.encoding,
        fold=int(snakemake.wildcards.fold),
        parts=snakemake.params.parts,
        seed=snakemake.params.seed,
        folder=Path(snakemake.output.vectors).parent,
    )
