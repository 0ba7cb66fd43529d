"""Run the rule encode_visits: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.encode import encode_visits

    encode_visits(
        task=snakemake.params.task,
        encoding=snakemake.params.encoding,
        **{name: Path(path) if path else None for name, path in snakemake.input.items()},
        folder=Path(snakemake.output.visits).parent,
        seed=snakemake.params.seed,
        parts=snakemake.params.parts,
    )
