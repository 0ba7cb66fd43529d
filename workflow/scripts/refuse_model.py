"""Run the rule refuse_model: say why a kind of model cannot do a kind of task."""

from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.errors import UserError
    from visitseq.grid import refusal

    reason = refusal(snakemake.params.task, model=snakemake.params.model)
    names = snakemake.wildcards
    raise UserError(f"Model {names.model} cannot do task {names.task}: {reason}.")
