"""An estimate with its interval, and the rules by which one is undefined.

The interval is the percentile interval of the bootstrap (Efron and Tibshirani, An Introduction to
the Bootstrap, 1993, chapter 13). A draw may lack what the metric needs (a class, say); the
interval stands where the metric is defined in at least 95 in 100 of the draws, because the draws
that are left would otherwise be a selection.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
DEFINED_SHARE = 0.95


class Estimate(NamedTuple):
    """A value with its 95% interval; NaN where undefined, with the reason."""

    value: float
    low: float
    high: float
    reason: str | None = None

    def to_json(self, where: str = "") -> dict[str, Any]:
        """Give the object of metrics.json: null for NaN; ``where`` ends the reason's sentence."""
        numbers = {name: _finite(getattr(self, name)) for name in ("value", "low", "high")}
        return numbers if self.reason is None else {**numbers, "reason": self.reason + where}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Estimate":
        """Read an object of metrics.json back."""
        value, low, high = (
            math.nan if content[key] is None else float(content[key])
            for key in ("value", "low", "high")
        )
        return cls(value, low, high, content.get("reason"))


def undefined(reason: str) -> Estimate:
    """Give the estimate that has no value."""
    return Estimate(math.nan, math.nan, math.nan, reason)


def with_interval(value: float, draws: Floats, groups: int) -> Estimate:
    """Give ``value`` its percentile interval.

    Parameters
    ----------
    value
        The metric on the rows as they are.
    draws
        The metric on each draw, NaN where it is undefined there, shape (draws,).
    groups
        How many groups were resampled; an interval needs two.
    """
    if groups < 2:
        return Estimate(value, math.nan, math.nan, "no interval: fewer than two sets or persons")
    defined = draws[~np.isnan(draws)]
    if len(defined) < DEFINED_SHARE * len(draws):
        reason = f"no interval: defined in {len(defined)} of {len(draws)} bootstrap draws"
        return Estimate(value, math.nan, math.nan, reason)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def _finite(number: float) -> float | None:
    return None if math.isnan(number) else float(number)
