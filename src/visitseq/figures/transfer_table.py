"""What each model is worth at another site, in numbers: a row a strategy and training share."""

import math
from typing import Any

import pandas as pd

from visitseq.evaluate.estimate import Estimate
from visitseq.figures.labels import interval_text
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Study
from visitseq.figures.transfer_counts import may_show_arm, tested_counts, training_counts
from visitseq.figures.transfer_results import (
    MAIN,
    NAMES,
    PEAK,
    Arm,
    TransferResult,
)

_DIGITS = 3
_PLACE = ["source_records", "records", "source", "target", "task", "encoding", "model"]
_ARM = ["strategy", "fraction", "patients", "folds"]
_COUNTS = ["training_rows", "training_cases", "rows", "cases"]
#: How the reason of an arm begins that had too few to learn from.
NOT_ESTIMABLE = "not estimable"
#: The strategies that others are compared with.
_COMPARED = ("zero_shot", "scratch")


def transfer_table(study: Study, results: list[TransferResult]) -> pd.DataFrame:
    """Metrics as ``value [low, high]``, and by how much the main one exceeds other strategies'.

    ``rows`` are persons where visits are predicted.
    """
    lines = [_line(study, result, arm) for result in results for arm in result.arms]
    kinds = [kind for kind in MAIN if any(result.kind == kind for result in results)]
    metrics = [name for kind in kinds for name in NAMES[kind] if name != PEAK]
    peaks = [f"peak_{MAIN[kind]}_optimistic" for kind in kinds]
    differences = [_difference(kind, other) for kind in kinds for other in _COMPARED]
    return pd.DataFrame(
        lines, columns=[*_PLACE, *_ARM, *_COUNTS, *metrics, *peaks, *differences]
    ).fillna("")


def arm_text(estimate: Estimate) -> str:
    """Write ``value [low, high]``, or why there is none."""
    reason = str(estimate.reason)
    if math.isnan(estimate.value) and reason.startswith(NOT_ESTIMABLE):
        return reason
    return interval_text(estimate, _DIGITS)


def _line(study: Study, result: TransferResult, arm: Arm) -> dict[str, Any]:
    source, target, _, _ = result.direction
    rows, cases = tested_counts(study, result, arm)
    trained = ("", "")
    if arm.training is not None:
        trained = training_counts(arm.training, study.minimum_cell)
    return {
        "source_records": study.records(source),
        "records": study.records(target),
        **result.direction._asdict(),
        "model": result.model,
        "strategy": arm.strategy,
        "fraction": arm.fraction,
        "patients": arm.patients,
        "folds": len(arm.folds),
        **dict(zip(_COUNTS, (*trained, rows, cases), strict=True)),
        **_estimates(study, result, arm),
    }


def _estimates(study: Study, result: TransferResult, arm: Arm) -> dict[str, str]:
    names = {name: name for name in arm.means} | {PEAK: f"peak_{result.main}_optimistic"}
    estimates = {names[name]: estimate for name, estimate in arm.means.items()}
    estimates |= {_difference(result.kind, o): e for o, e in arm.differences.items()}
    if may_show_arm(result, arm, study.minimum_cell):
        return {name: arm_text(estimate) for name, estimate in estimates.items()}
    return dict.fromkeys(estimates, SUPPRESSED)


def _difference(kind: str, other: str) -> str:
    return f"{MAIN[kind]}_less_{other}"
