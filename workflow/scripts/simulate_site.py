"""Run the rule simulate_site: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.simulate import simulate_site

    folder = Path(snakemake.output.truth).parent
    simulate_site(snakemake.params.site, folder, threads=snakemake.threads)
