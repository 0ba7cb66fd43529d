"""Run the rule transfer_next_visit: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.transfer import transfer_next_visit

    transfer_next_visit(
        **{k: Path(snakemake.input[k]) for k in ("visits", "vocabulary", "labels", "ancestors")},
        vectors=Path(snakemake.input.vectors) if snakemake.input.vectors else None,
        trained=Path(snakemake.input.model).parent,
        zero_shot=Path(snakemake.input.zero_shot).parent,
        **{name: snakemake.params[name] for name in ("pair", "task", "encoding")},
        fold=int(snakemake.wildcards.fold),
        **{name: snakemake.params[name] for name in ("parts", "seed", "draws")},
        folder=Path(snakemake.output.metrics).parent,
    )
