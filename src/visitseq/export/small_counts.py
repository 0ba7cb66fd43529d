"""Numbers of persons that leave with a model: small ones, and what small ones follow from, do not.

A number may leave if it is 0 or at least the study's minimum, and so must the rest of its whole:
cases and controls, for one, are told by rows and cases. What is held back is null, with the reason
under ``suppressed``.
"""

from collections.abc import Mapping
from typing import Any

from visitseq.figures.small_cells import may_show


def suppress_counts(
    content: Mapping[str, Any], whole: str, counts: tuple[str, ...], minimum: int
) -> dict[str, Any]:
    """Copy of ``content`` without small numbers.

    Parameters
    ----------
    content
        Has numbers of persons, among others.
    whole
        The name of the number that the others are parts of.
    counts
        Their names; those that ``content`` lacks are passed over.
    minimum
        Smallest number, but 0, that may leave.
    """
    total = content[whole]
    small = [whole] if not may_show(total, minimum) else []
    for name in counts:
        number = content.get(name)
        if number is None:
            continue
        parts = (number, total - number)
        if small[:1] == [whole] or not all(may_show(part, minimum) for part in parts):
            small.append(name)
    if not small:
        return dict(content)
    reason = f"this number, or the rest of {whole}, is smaller than {minimum}"
    return {**content, **dict.fromkeys(small), "suppressed": dict.fromkeys(small, reason)}
