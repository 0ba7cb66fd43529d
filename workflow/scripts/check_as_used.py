"""Run the rule check_as_used: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import check_as_used

    named = {"results": snakemake.params.models, "onset_before": snakemake.params.landmarks}
    check_as_used(
        **{
            key: dict(zip(names, map(Path, snakemake.input[key]), strict=True))
            for key, names in named.items()
        },
        prediction_months=snakemake.params.prediction_months,
        minimum_cell=snakemake.params.minimum_cell,
        path=Path(snakemake.output.findings),
    )
