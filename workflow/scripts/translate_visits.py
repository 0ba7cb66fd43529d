"""Run the rule translate_visits: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.transfer import translate_visits

    translate_visits(
        **{name: Path(path) for name, path in snakemake.input.items() if path},
        same_persons=snakemake.params.same_persons,
        folder=Path(snakemake.output.visits).parent,
    )
