"""How far the AUROC of a model varies over seeds, over folds and by who is tested, in numbers.

The formulas are those of visitseq.evaluate.variance. Of a model that was trained with one seed the
seeds' part is unknown, and what the folds do without it; the rest is known. Where a fold's AUROC is
withheld, so is how the folds vary: two folds follow from their mean and their deviation.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.evaluate.variance import Deviations, deviations
from visitseq.figures.labels import interval_text
from visitseq.figures.model_results import ModelResult
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Study

_DIGITS = 4
_COLUMNS = ["records", "site", "task", "encoding", "model", "seeds", "folds", "auroc"]


def variance_table(study: Study, results: Sequence[ModelResult]) -> pd.DataFrame:
    """Standard deviations of the AUROC, a row for each of ``results``, replicates as one."""
    lines = [
        {
            "records": study.records(result.setting.site),
            **result.setting._asdict(),
            "model": result.model,
            "seeds": result.seeds,
            "folds": len(result.tested),
            "auroc": interval_text(result.means["auroc"], _DIGITS),
            **{f"sd_{name}": interval_text(sd, _DIGITS) for name, sd in _deviations(result)},
        }
        for result in results
    ]
    return pd.DataFrame(lines, columns=[*_COLUMNS, *(f"sd_{name}" for name in Deviations._fields)])


def _deviations(result: ModelResult) -> list[tuple[str, Estimate]]:
    mean = result.means["auroc"]
    if result.withheld.any:
        return [(name, undefined(SUPPRESSED)) for name in Deviations._fields]
    if np.isnan(mean.value):
        return [(name, undefined(str(mean.reason))) for name in Deviations._fields]
    values = _by_seed(result, [fold.metrics["auroc"].value for fold in result.folds])
    sampling = _by_seed(result, [fold.deviations["auroc"] for fold in result.folds])
    return list(deviations(values, sampling)._asdict().items())


def _by_seed(result: ModelResult, values: list[float]) -> npt.NDArray[np.float64]:
    return np.array(values).reshape(result.seeds, -1)
