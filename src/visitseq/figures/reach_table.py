"""How far back each network sees, in numbers: a row a network, fresh and trained, and quantity.

The first three numbers say at which distance the median gradient has first fallen below a half, a
tenth and a hundredth of that at the last visit; "> 23" where it has not within the 23 steps that
enough sequences reach; what fewer reach is not shown.
"""

import numpy as np
import pandas as pd

from visitseq.figures.reach_results import Curve, Reach
from visitseq.figures.small_cells import HIDDEN
from visitseq.figures.study import Study

LEVELS = {"below_half": 0.5, "below_tenth": 0.1, "below_hundredth": 0.01}
DISTANCES = (1, 5, 10, 20, 50)


def reach_table(study: Study, reaches: list[Reach]) -> pd.DataFrame:
    """Steps back until the gradient has fallen, and the gradient some steps back."""
    lines = [
        {
            "records": study.records(reach.setting.site),
            **reach.setting._asdict(),
            "model": reach.model,
            "state": curve.state,
            "quantity": curve.quantity,
            "folds": len(study.folds),
            **{name: _steps_to(curve, level) for name, level in LEVELS.items()},
            **{f"at_{distance}": _at(curve, distance) for distance in DISTANCES},
            "spectral_radius": _radii(reach.radii[curve.state]),
        }
        for reach in reaches
        for curve in reach.curves
    ]
    return pd.DataFrame(lines, columns=_columns())


def _columns() -> list[str]:
    place = ["records", "site", "task", "encoding", "model", "state", "quantity", "folds"]
    return [*place, *LEVELS, *(f"at_{distance}" for distance in DISTANCES), "spectral_radius"]


def _steps_to(curve: Curve, level: float) -> str:
    if not len(curve.median):
        return HIDDEN
    below = np.flatnonzero(curve.median < level)
    return str(below[0]) if len(below) else f"> {len(curve.median) - 1}"


def _at(curve: Curve, distance: int) -> str:
    if distance >= len(curve.median):
        return HIDDEN
    median, low, high = (f"{line[distance]:.2g}" for line in (curve.median, curve.low, curve.high))
    return f"{median} [{low}, {high}]"


def _radii(radii: dict[str, float]) -> str:
    return "; ".join(f"{gate} {radius:.2f}" for gate, radius in radii.items())
