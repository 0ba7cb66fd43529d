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
    sentence = evidence[:1].upper() + evidence[1:]
    if not wrong:
        return Finding(question, "pass", sentence, numbers=numbers)
    return Finding(question, otherwise, sentence, advice, numbers)


def shown(number: int, minimum: int) -> str:
    """Write a number of persons; "<10" where it is too small, 0 as "none"."""
    return show_count(number, minimum) if number else "none"


def share(number: int, total: int, minimum: int) -> str:
    """Write ``number of total`` persons, so that neither it nor the rest tells a small number."""
    whole = show_count(total, minimum)
    if may_show(number, minimum) and not may_show(total - number, minimum) and number:
        return f"all but {show_count(total - number, minimum)} of {whole}"
    return f"{shown(number, minimum)} of {whole}"


def shown_numbers(total: dict[str, int], part: dict[str, int], minimum: int) -> dict[str, int]:
    """Those numbers of persons, a total and a part of it, that may be shown."""
    (whole,), (number,) = total.values(), part.values()
    of_part = part if may_show(number, minimum) and may_show(whole - number, minimum) else {}
    return {**(total if may_show(whole, minimum) else {}), **of_part}
