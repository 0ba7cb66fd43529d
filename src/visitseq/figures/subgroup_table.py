"""How well one model of each setting predicts in subgroups, in numbers: a row a subgroup."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from visitseq.evaluate.estimate import Estimate
from visitseq.figures.labels import interval_text
from visitseq.figures.rows_tested import rows_tested
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Study
from visitseq.figures.subgroup_results import METRICS, SubgroupResult

_DIGITS = 3
_PLACE = ["records", "site", "task", "encoding", "model", "seeds", "folds"]
_COLUMNS = [*_PLACE, "variable", "level", "rows", "cases", *METRICS]


def subgroup_table(study: Study, results: Sequence[SubgroupResult]) -> pd.DataFrame:
    """All rows of each setting and then its subgroups; metrics as ``value [low, high]``."""
    lines = [{**_place(study, own), **line} for own in results for line in _lines(study, own)]
    return pd.DataFrame(lines, columns=_COLUMNS)


def _place(study: Study, own: SubgroupResult) -> dict[str, Any]:
    return {
        "records": study.records(own.result.setting.site),
        **own.result.setting._asdict(),
        "model": own.result.model,
        "seeds": own.result.seeds,
        "folds": len(own.result.tested),
    }


def _lines(study: Study, own: SubgroupResult) -> Iterator[dict[str, str]]:
    counts = rows_tested(study, own.result)
    everybody = {"variable": "all", "level": "", "rows": counts.rows, "cases": counts.cases}
    yield {**everybody, **_metrics(own.result.means)}
    for group in own.subgroups:
        names = {"variable": group.variable, "level": group.level}
        if group.hidden:
            yield names | dict.fromkeys(["rows", "cases", *METRICS], SUPPRESSED)
        else:
            numbers = {"rows": f"{group.rows:,}", "cases": f"{group.cases:,}"}
            yield {**names, **numbers, **_metrics(group.means)}


def _metrics(means: dict[str, Estimate]) -> dict[str, str]:
    return {metric: interval_text(means[metric], _DIGITS) for metric in METRICS}
