"""Run the rule write_meds: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.export import write_meds

    write_meds(
        name=snakemake.wildcards.site,
        **{name: Path(path) for name, path in snakemake.input.items()},
        folder=Path(snakemake.output.dataset).parents[1],
        synthetic=snakemake.params.synthetic,
        fold=snakemake.params.fold,
        seed=snakemake.params.seed,
        parts=snakemake.params.parts,
        threads=snakemake.threads,
        memory_mb=snakemake.resources.mem_mb * 3 // 4,
    )
