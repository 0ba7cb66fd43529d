"""Run the rule check_windows: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import check_windows

    own = snakemake.params
    check_windows(
        **{name: Path(path) for name, path in snakemake.input.items()},
        **{name: own[name] for name in ("task", "encoding", "cohort")},
        **{name: own[name] for name in ("draws", "seed", "minimum_cell")},
        folder=Path(snakemake.output.findings).parent,
    )
