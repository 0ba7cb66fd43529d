"""Run the rule build_landmark: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.cohort import build_landmark

    build_landmark(
        site=snakemake.wildcards.site,
        name=snakemake.wildcards.cohort,
        cohort=snakemake.params.cohort,
        **{name: Path(path) for name, path in snakemake.input.items()},
        folder=Path(snakemake.output.cohort).parent,
        seed=snakemake.params.seed,
        parts=snakemake.params.parts,
    )
