"""Run the rule evaluate_as_used: see visitseq's function of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from visitseq.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    from visitseq.evaluate import evaluate_as_used
    from visitseq.evaluate.as_used_rows import Landmark

    metrics = dict(zip(snakemake.params.trained, snakemake.input.evaluated, strict=True))
    evaluated = {name: Path(path).parent for name, path in metrics.items()}
    lists = [snakemake.input[key] for key in ("visits", "vocabularies", "outcomes")]
    files = zip(snakemake.params.landmarks, *lists, strict=True)
    evaluate_as_used(
        trained=Path(snakemake.input.model).parent,
        vocabulary=Path(snakemake.input.vocabulary),
        evaluated=Path(snakemake.input.metrics).parent,
        landmarks={
            name: Landmark(Path(visits), Path(vocabulary), Path(outcomes), evaluated.get(name))
            for name, visits, vocabulary, outcomes in files
        },
        fold=int(snakemake.wildcards.fold),
        **{key: snakemake.params[key] for key in ("parts", "seed", "draws")},
        folder=Path(snakemake.output.metrics).parent,
    )
