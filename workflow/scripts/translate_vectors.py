"""Run the rule translate_vectors: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.transfer import translate_vectors

    translate_vectors(
        **{name: Path(path) for name, path in snakemake.input.items() if path},
        folder=Path(snakemake.output.vectors).parent,
    )
