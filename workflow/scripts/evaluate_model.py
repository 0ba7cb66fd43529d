"""Run the rule evaluate_model: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.evaluate import evaluate_model

    evaluate_model(
        **{k: Path(snakemake.input[k]) for k in ("visits", "oracle", "home") if snakemake.input[k]},
        trained=Path(snakemake.input.model).parent,
        task=snakemake.params.task,
        fold=int(snakemake.wildcards.fold),
        parts=snakemake.params.parts,
        seed=snakemake.params.seed,
        draws=snakemake.params.draws,
        folder=Path(snakemake.output.metrics).parent,
    )
