"""Run the rule measure_giveaways: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.evaluate import measure_giveaways

    measure_giveaways(
        **{name: Path(path) for name, path in snakemake.input.items()},
        **{name: snakemake.params[name] for name in ("task", "draws", "seed")},
        path=Path(snakemake.output[0]),
    )
