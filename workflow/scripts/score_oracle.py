"""Run the rule score_oracle: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.evaluate import score_oracle

    files = {name: Path(path) for name, path in snakemake.input.items()}
    score_oracle(
        **{name: files.pop(name) for name in ("phenotype", "rows", "truth")},
        tables=files,
        **{name: snakemake.params[name] for name in ("site", "cohort", "task", "seed", "parts")},
        path=Path(snakemake.output[0]),
    )
