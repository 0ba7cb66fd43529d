"""Run the rule test_in_time: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import test_in_time

    files = ("cohort", "phenotype", "events", "codes", "ancestors")
    own = ("task", "encoding", "models", "fold", "parts", "seed", "draws", "minimum_cell")
    folders = (Path(path).parent for path in snakemake.input.metrics)
    test_in_time(
        **{name: Path(snakemake.input[name]) for name in files},
        evaluated=dict(zip(snakemake.params.models, folders, strict=True)),
        **{name: snakemake.params[name] for name in own},
        folder=Path(snakemake.output.findings).parent,
    )
