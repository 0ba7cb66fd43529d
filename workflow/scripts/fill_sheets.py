"""Run the rule fill_sheets: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import fill_sheets

    fill_sheets(
        study=snakemake.params.study,
        sections=snakemake.params.sections,
        phenotypes=dict(
            zip(snakemake.params.with_phenotype, map(Path, snakemake.input.phenotypes), strict=True)
        ),
        results=Path("results"),
        folder=Path(snakemake.output[0]).parent,
    )
