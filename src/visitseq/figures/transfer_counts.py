"""Numbers of persons of an arm, as far as they may be shown."""

from visitseq.figures.rows_tested import show_persons, show_rows
from visitseq.figures.small_cells import HIDDEN, SUPPRESSED, hidden_levels, may_show, show_count
from visitseq.figures.study import Study
from visitseq.figures.transfer_results import Arm, Counts, TransferResult


def tested_counts(study: Study, result: TransferResult, arm: Arm) -> tuple[str, str]:
    """Rows (or persons) and cases of the test parts of all folds; no cases are ""."""
    rows = sum(counts.rows for counts in arm.tested)
    cases = sum(counts.cases or 0 for counts in arm.tested)
    if result.kind == "next_visit":
        shown = show_persons(study, result.direction.at_target, rows), ""
    else:
        of_rows = show_rows(study, result.direction.at_target, rows, cases)
        shown = of_rows.rows, of_rows.cases
    if arm.patients == "all" or may_show_groups(result, study.minimum_cell):
        return shown
    return SUPPRESSED, SUPPRESSED if shown[1] else ""


def training_counts(counts: Counts, minimum: int) -> tuple[str, str]:
    """Rows (or persons) and cases that an arm was trained on.

    With few cases, the rows are hidden too: in a matched cohort they are a multiple. With few
    controls they are hidden, for these are the rest.
    """
    if counts.cases is None:
        return show_count(counts.rows, minimum), ""
    few = not all(may_show(cell, minimum) for cell in counts.cells)
    return HIDDEN if few else f"{counts.rows:,}", show_count(counts.cases, minimum)


def may_show_arm(result: TransferResult, arm: Arm, minimum: int) -> bool:
    """Whether an arm's metrics may be shown: those who were tested are enough in every fold."""
    return arm.may_show(minimum) and (arm.patients == "all" or may_show_groups(result, minimum))


def may_show_groups(result: TransferResult, minimum: int) -> bool:
    """Whether patients with high and low coverage, and those without codes, are enough persons."""
    groups = [arm for arm in result.arms if arm.patients != "all"]
    for place, everybody in enumerate(result.zero_shot.tested):
        cells = [arm.tested[place].cells for arm in groups]
        rest = [all_ - sum(own) for all_, *own in zip(everybody.cells, *cells, strict=True)]
        if any(hidden_levels([*cells, rest], minimum)):
            return False
    return True
