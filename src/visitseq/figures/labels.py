"""Words for numbers: estimates with their intervals, and what was averaged."""

import math
import textwrap
from collections.abc import Mapping
from typing import Any

from visitseq.evaluate.estimate import Estimate
from visitseq.figures.small_cells import SUPPRESSED


def interval_text(estimate: Estimate, digits: int) -> str:
    """Write ``value [low, high]``, or why there is none."""
    if math.isnan(estimate.value):
        # Of several folds the reason begins "undefined in 3 of 7 folds".
        reason = str(estimate.reason)
        if is_suppressed(estimate):
            return SUPPRESSED
        return reason if reason.startswith("undefined") else f"undefined ({reason})"
    value = f"{estimate.value:z.{digits}f}"
    if math.isnan(estimate.low):
        return f"{value} ({estimate.reason})"
    return f"{value} [{estimate.low:z.{digits}f}, {estimate.high:z.{digits}f}]"


def is_suppressed(estimate: Estimate) -> bool:
    """Whether an estimate is not shown because few persons are behind it, or its parts."""
    return math.isnan(estimate.value) and str(estimate.reason).endswith(SUPPRESSED)


def mean_of(folds: tuple[int, ...]) -> str:
    """Say of how many folds a headline is the mean, if it is of several."""
    return f", mean of {len(folds)} folds" if len(folds) > 1 else ""


def wrapped(text: str, width: int) -> str:
    """Break ``text`` into lines of at most ``width`` characters."""
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))


def months_text(windows: Mapping[str, Any]) -> str:
    """Say how long a task observes, and the gap between that and the index date."""
    observed, ahead = (f"{windows[f'{name}_months']:g}" for name in ("observation", "prediction"))
    return f"{observed} months observed, " + ("no gap" if ahead == "0" else f"gap of {ahead}")
