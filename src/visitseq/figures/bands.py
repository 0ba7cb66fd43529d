"""Pointwise bootstrap bands of curves that are averaged over folds."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.estimate import with_interval

Floats = npt.NDArray[np.float64]


class Band(NamedTuple):
    """A curve with its pointwise 95% interval, NaN where undefined, shape (points,) each."""

    value: Floats
    low: Floats
    high: Floats


def band_over_folds(values: Iterable[Floats], draws: Iterable[Floats], groups: int) -> Band:
    """Average a curve over folds at each point, draw by draw.

    Parameters
    ----------
    values
        The curve of each fold, shape (points,) each.
    draws
        The curve on each bootstrap draw of each fold, shape (draws, points) each.
    groups
        Sets or persons of the fold that has fewest.
    """
    value = np.mean(np.stack(list(values)), axis=0)
    drawn = np.mean(np.stack(list(draws)), axis=0)
    points = [
        with_interval(float(here), there, groups)
        for here, there in zip(value, drawn.T, strict=True)
    ]
    return Band(
        value, np.array([point.low for point in points]), np.array([point.high for point in points])
    )
