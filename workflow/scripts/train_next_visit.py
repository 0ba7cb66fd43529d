"""Run the rule train_next_visit: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.train import train_next_visit

    train_next_visit(
        **{name: Path(path) for name, path in snakemake.input.items() if path},
        **{name: snakemake.params[name] for name in ("task", "model", "encoding")},
        fold=int(snakemake.wildcards.fold),
        parts=snakemake.params.parts,
        seed=snakemake.params.seed,
        folder=Path(snakemake.output.model).parent,
    )
