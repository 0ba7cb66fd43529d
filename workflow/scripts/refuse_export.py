"""Run the rule refuse_export: say why a model cannot leave."""

from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.errors import UserError
    from visitseq.grid import unexported

    reason = unexported(snakemake.params.task, snakemake.params.model)
    names = snakemake.wildcards
    raise UserError(f"Model {names.model} of task {names.task} cannot be exported: {reason}.")
