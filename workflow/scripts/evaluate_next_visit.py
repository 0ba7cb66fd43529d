"""Run the rule evaluate_next_visit: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.evaluate import evaluate_next_visit

    evaluate_next_visit(
        **{k: Path(snakemake.input[k]) for k in ("visits", "labels") if snakemake.input[k]},
        trained=Path(snakemake.input.model).parent,
        fold=int(snakemake.wildcards.fold),
        parts=snakemake.params.parts,
        seed=snakemake.params.seed,
        draws=snakemake.params.draws,
        choi_compat=snakemake.params.choi_compat,
        folder=Path(snakemake.output.metrics).parent,
    )
