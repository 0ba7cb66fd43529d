"""Run the rule count_labels: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.train import count_labels

    count_labels(
        **{name: Path(path) for name, path in snakemake.input.items()},
        **{name: snakemake.params[name] for name in ("task", "model", "encoding")},
        fold=int(snakemake.wildcards.fold),
        parts=snakemake.params.parts,
        folder=Path(snakemake.output.model).parent,
    )
