"""How a count of what should not be becomes a finding, and how counts of persons are written."""

from visitseq.audit.findings import Finding, Verdict
from visitseq.figures.small_cells import may_show, show_count


def of_count(
    question: str,
    wrong: int,
    evidence: str,
    advice: str,
    *,
    numbers: dict[str, int],
    otherwise: Verdict = "fail",
) -> Finding:
    """``pass`` where nothing is ``wrong``, else the verdict ``otherwise`` with the advice."""
    if not wrong:
        return Finding(question, "pass", evidence, numbers=numbers)
    return Finding(question, otherwise, evidence, advice, numbers)


def shown(number: int, minimum: int) -> str:
    """Write a number of persons; "<10" where it is too small, 0 as "none"."""
    return show_count(number, minimum) if number else "none"


def shown_numbers(numbers: dict[str, int], minimum: int) -> dict[str, int]:
    """Those numbers of persons that may be shown."""
    return {name: number for name, number in numbers.items() if may_show(number, minimum)}
