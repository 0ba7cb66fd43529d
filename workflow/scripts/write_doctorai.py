"""Run the rule write_doctorai: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.export import write_doctorai

    write_doctorai(
        **{name: Path(path) for name, path in snakemake.input.items()},
        fold=int(snakemake.wildcards.fold),
        parts=snakemake.params.parts,
        folder=Path(snakemake.output.types).parent,
    )
