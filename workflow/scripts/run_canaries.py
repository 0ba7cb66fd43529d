"""Run the rule run_canaries: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import run_canaries

    own = ("task", "encoding", "model", "fold", "parts", "seed", "draws", "minimum_cell")
    run_canaries(
        **{name: Path(path) for name, path in snakemake.input.items()},
        **{name: snakemake.params[name] for name in own},
        findings=Path(snakemake.output.findings),
    )
