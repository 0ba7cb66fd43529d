"""Run the rule check_matching: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import check_matching

    own = snakemake.params
    check_matching(
        **{name: Path(path) for name, path in snakemake.input.items()},
        **{name: own[name] for name in ("cohort", "draws", "seed", "minimum_cell")},
        folder=Path(snakemake.output.findings).parent,
    )
