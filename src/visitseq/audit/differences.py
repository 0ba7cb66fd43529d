"""Standardised mean differences of cases and controls, with intervals.

The difference of the means over the root of the mean of the variances (Austin, Stat Med 2009), as
in balance.csv. In a matched cohort a control weighs one over the controls of its set. The interval
is of the bootstrap of the sets, or of the persons where there are no sets: 2.5 and 97.5 per cent of
the draws.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: A difference from here on is worth a word.
NEGLIGIBLE = 0.1


class Difference(NamedTuple):
    """Mean of cases and of controls, their standardised difference and its interval.

    The last three are nan where neither group varies and their means differ.
    """

    cases: float
    controls: float
    value: float
    low: float
    high: float

    @property
    def is_large(self) -> bool:
        """Whether it exceeds ``NEGLIGIBLE``, either way."""
        return not abs(self.value) <= NEGLIGIBLE

    @property
    def is_surely_large(self) -> bool:
        """Whether the whole interval does, on one side."""
        return self.low > NEGLIGIBLE or self.high < -NEGLIGIBLE

    def __str__(self) -> str:
        value, low, high = (f"{round(own, 3) + 0.0:.3f}" for own in self[2:])  # never -0.000
        return f"{value} ({low} to {high})"


def differences(
    values: Mapping[str, Floats],
    label: npt.NDArray[np.bool_],
    unit: Integers,
    weights: Floats,
    *,
    draws: int,
    seed: int,
) -> dict[str, Difference]:
    """Difference of each variable.

    Parameters
    ----------
    values
        Of each variable the value of each row, shape (rows,); rows where one is nan are left out of
        that variable.
    label
        Whether a row is a case, shape (rows,).
    unit
        The set, or person, of each row: what is drawn, shape (rows,).
    weights
        Weight of each row, shape (rows,).
    draws, seed
        Of the bootstrap.
    """
    number = np.unique(unit, return_inverse=True)[1]
    units = int(number.max()) + 1 if len(number) else 0
    sums = {name: _sums(own, label, number, weights, units) for name, own in values.items()}
    drawn: dict[str, list[float]] = {name: [] for name in values}
    generator = np.random.default_rng(seed)
    for _ in range(draws if units else 0):
        times = np.bincount(generator.integers(units, size=units), minlength=units)
        for name, of_units in sums.items():
            drawn[name].append(_difference(times @ of_units)[2])
    return {
        name: Difference(
            *_shifted(_difference(sums[name].sum(axis=0)), _centre(values[name])),
            *_interval(drawn[name]),
        )
        for name in values
    }


def _centre(values: Floats) -> float:
    """What is taken from all values, so that sums of squares stay small."""
    known = values[~np.isnan(values)]
    return float(known[0]) if len(known) else 0.0


def _sums(
    values: Floats,
    label: npt.NDArray[np.bool_],
    number: npt.NDArray[np.intp],
    weights: Floats,
    units: int,
) -> Floats:
    """Of each unit: weight, weighted sum and sum of squares of cases, then of controls."""
    known = ~np.isnan(values)
    own = np.where(known, values - _centre(values), 0.0)
    columns = [
        np.bincount(number, weights=np.where(group & known, weights, 0) * power, minlength=units)
        for group in (label, ~label)
        for power in (np.ones(len(own)), own, own**2)
    ]
    return np.stack(columns, axis=1)


def _difference(sums: Floats) -> tuple[float, float, float]:
    """Mean of cases and of controls, and their standardised difference."""
    if sums[0] <= 0 or sums[3] <= 0:
        return math.nan, math.nan, math.nan
    mean, other = float(sums[1] / sums[0]), float(sums[4] / sums[3])
    variances = sums[2] / sums[0] - mean**2, sums[5] / sums[3] - other**2
    variance = float(sum(max(own, 0.0) for own in variances)) / 2
    if variance > 0:
        return mean, other, (mean - other) / math.sqrt(variance)
    return mean, other, 0.0 if mean == other else math.nan


def _shifted(found: tuple[float, float, float], centre: float) -> tuple[float, float, float]:
    return found[0] + centre, found[1] + centre, found[2]


def _interval(drawn: list[float]) -> tuple[float, float]:
    known = [value for value in drawn if not math.isnan(value)]
    if not known:
        return math.nan, math.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def too_few(label: npt.NDArray[np.bool_], minimum: int) -> bool:
    """Whether a group has so few rows that not even its mean is told."""
    cases = int(label.sum())
    return min(cases, len(label) - cases) < minimum


def set_weights(set_id: Integers, label: npt.NDArray[np.bool_]) -> Floats:
    """One for a case, one over the controls of its set for a control, shape (rows,)."""
    number = np.unique(set_id, return_inverse=True)[1]
    controls = np.bincount(number, weights=~label)
    weights: Floats = np.where(label, 1.0, 1 / np.maximum(controls[number], 1))
    return weights
