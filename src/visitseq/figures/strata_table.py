"""How much of each model's AUROC is the number of visits, in numbers: a row a model.

A stratum of which a fold tests fewer cases or controls than the study's minimum is suppressed; its
pairs still count in the AUROC within strata, which no stratum's can be computed from.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from visitseq.evaluate.strata import STRATA
from visitseq.figures.labels import interval_text
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.strata_results import StrataResult
from visitseq.figures.study import Study

_DIGITS = 3
_PLACE = ["records", "site", "task", "encoding", "model", "seeds", "folds"]
_STRATA = [f"quarter_{stratum + 1}" for stratum in range(STRATA)]


def strata_table(study: Study, strata: Sequence[StrataResult]) -> pd.DataFrame:
    """AUROC over all pairs, within strata, and of each stratum from few visits to many."""
    lines = [
        {
            "records": study.records(own.result.setting.site),
            **own.result.setting._asdict(),
            "model": own.result.model,
            "seeds": own.result.seeds,
            "folds": len(own.result.tested),
            "auroc": interval_text(own.result.means["auroc"], _DIGITS),
            "within_strata": interval_text(own.within, _DIGITS),
            "difference": interval_text(own.difference, _DIGITS),
            "cut_points": _cut_points(own),
            **dict(zip(_STRATA, _by_stratum(own, study.minimum_cell), strict=True)),
        }
        for own in strata
    ]
    columns = ["auroc", "within_strata", "difference", "cut_points", *_STRATA]
    return pd.DataFrame(lines, columns=[*_PLACE, *columns])


def _cut_points(own: StrataResult) -> str:
    if own.result.withheld.mean:
        return SUPPRESSED
    return "; ".join(_range(of_folds) for of_folds in own.cuts.T)


def _range(of_folds: npt.NDArray[np.float64]) -> str:
    """Write a cut point as "5", or "5 to 6" where folds differ."""
    low, high = f"{of_folds.min():g}", f"{of_folds.max():g}"
    return low if low == high else f"{low} to {high}"


def _by_stratum(own: StrataResult, minimum: int) -> list[str]:
    return [
        interval_text(estimate, _DIGITS) if smallest >= minimum else SUPPRESSED
        for estimate, smallest in zip(own.by_stratum, own.smallest, strict=True)
    ]
