"""The source's model as it is, on the target's patients that it knows well and on the others.

A patient's coverage is the share of the code occurrences in the window that the model knows. The
median over the test part's rows that have codes parts them: at or above it is high, below it low.
Where half of the rows or more have the lowest coverage, nobody is below. A row without any code is
in neither.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.encode.sequences import VisitLists, code_positions
from visitseq.evaluate.metrics import estimate_metrics
from visitseq.evaluate.scored_rows import ScoredRows

WHERE = " in this half of the test part"


class Halves(NamedTuple):
    """Which rows have high and low coverage, shape (rows,), and the median; None without codes."""

    high: npt.NDArray[np.bool_]
    low: npt.NDArray[np.bool_]
    median: float | None


def coverage_halves(
    visits: VisitLists, rows: npt.NDArray[np.intp], known: npt.NDArray[np.int32]
) -> Halves:
    """Part ``rows`` by the share of their codes that is in ``known`` (ids)."""
    occurrences = visits.code_offsets[visits.visit_offsets].astype(np.int64)
    recognised = np.concatenate([[0], np.cumsum(code_positions(visits.codes, known) >= 0)])
    codes, own = (np.diff(ends)[rows] for ends in (occurrences, recognised[occurrences]))
    some = codes > 0
    if not some.any():
        return Halves(some, some, None)
    share = own / np.maximum(codes, 1)
    median = float(np.median(share[some]))
    return Halves(some & (share >= median), some & (share < median), median)


def measure_halves(
    rows: ScoredRows, halves: Halves, draws: int, seed: int, fold: int
) -> dict[str, dict[str, Any]]:
    """Objects of metrics.json, zero_shot_high_coverage and zero_shot_low_coverage.

    Beside the metrics each has n, cases, without_codes (rows in neither) and coverage_median.
    """
    content = {}
    for name, chosen in (("high", halves.high), ("low", halves.low)):
        own = rows.take(chosen)
        estimates = estimate_metrics(own, draws, seed, fold)
        content[f"zero_shot_{name}_coverage"] = {
            **{metric: estimate.to_json(WHERE) for metric, estimate in estimates.items()},
            "n": len(own),
            "cases": int(own.case.sum()),
            "without_codes": int(np.sum(~(halves.high | halves.low))),
            "coverage_median": halves.median,
        }
    return content
