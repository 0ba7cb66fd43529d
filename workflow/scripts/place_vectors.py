"""Run the rule place_vectors: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.encode import place_vectors

    place_vectors(
        vectors=Path(snakemake.input.vectors),
        vocabulary=Path(snakemake.input.vocabulary),
        folder=Path(snakemake.output.vectors).parent,
    )
