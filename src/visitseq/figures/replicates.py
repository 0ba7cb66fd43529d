"""Models that differ in their seed alone, as one: the mean over folds and seeds.

A fold's test part is the same for all seeds, and so are its bootstrap draws; the mean over the
seeds is taken draw by draw. Its interval holds the sampling of the persons who are tested, for the
mean of so many seeds; how far single seeds lie apart is in table_variance.csv.
"""

from visitseq.figures.model_results import ModelResult, fold_means
from visitseq.figures.study import Setting, Study


def headline_results(study: Study, results: list[ModelResult]) -> list[ModelResult]:
    """Give each group of replicates in ``results`` once, under the name of its first model."""
    groups: dict[tuple[Setting, str], list[ModelResult]] = {}
    for result in results:
        groups.setdefault((result.setting, study.first_of(result.model)), []).append(result)
    return [_mean(group) if len(group) > 1 else group[0] for group in groups.values()]


def _mean(seeds: list[ModelResult]) -> ModelResult:
    first = seeds[0]
    means, drawn = fold_means(
        [seed.means for seed in seeds], [seed.drawn for seed in seeds], list(first.means), "seeds"
    )
    folds = [fold for seed in seeds for fold in seed.folds]
    return ModelResult(
        first.setting, first.model, folds, means, drawn, first.withheld, len(seeds), first
    )
