"""Run the rule ingest_site: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.ingest import ingest_site

    ingest_site(
        name=snakemake.wildcards.site,
        site=snakemake.params.site
        | snakemake.params.place
        | {"restrict": snakemake.params.restrict},
        folder=Path(snakemake.output.events).parent,
        threads=snakemake.threads,
        memory_mb=snakemake.resources.mem_mb * 3 // 4,
        **{name: Path(path) for name, path in snakemake.input.items() if path},
    )
