"""Run the rule draw_figures: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.figures import draw_figures

    draw_figures(
        study=snakemake.params.study,
        results=Path("results"),
        folder=Path(snakemake.output.metrics).parent,
    )
