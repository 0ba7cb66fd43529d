"""Run the rule check_privacy: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.audit import check_privacy

    check_privacy(
        shared=[Path(folder) for folder in snakemake.params.shared],
        beside=[Path("results/logs"), Path("results/benchmarks")],
        configuration=Path("results/run_config.yaml"),
        sites={
            site: {name: Path(path) for name, path in files.items()}
            for site, files in snakemake.params.sites.items()
        },
        phenotypes=[Path(path) for path in snakemake.input.phenotypes],
        synthetic=snakemake.params.synthetic,
        minimum_cell=snakemake.params.minimum_cell,
        findings=Path(snakemake.output.findings),
        table=Path(snakemake.output.table),
    )
