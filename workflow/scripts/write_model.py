"""Run the rule write_model: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.export import write_model

    own = snakemake.input
    write_model(
        reduced=Path(own.model).parent,
        metrics=Path(own.metrics),
        vocabulary=Path(own.vocabulary),
        labels=Path(own.labels) if own.labels else None,
        phenotype=Path(own.phenotype) if own.phenotype else None,
        names={key: snakemake.wildcards[key] for key in ("site", "task", "encoding", "model")},
        sections=snakemake.params.sections,
        synthetic=snakemake.params.synthetic,
        minimum_cell=snakemake.params.minimum_cell,
        folder=Path(snakemake.output.manifest).parent,
    )
