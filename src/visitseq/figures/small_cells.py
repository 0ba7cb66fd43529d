"""Small numbers of persons are not shown, nor is what they could be had from by subtraction.

A number may be shown if it is 0 or at least the study's minimum. In the flow of an attrition, the
numbers that are left and those that go out determine one another, so steps are joined until every
number that is shown may be; where that cannot be had, one number of a subtraction is hidden, so
that the small one cannot be computed from the others. Of a division of persons into levels, so many
are hidden together that their sum may be shown.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

HIDDEN = "not shown"
SUPPRESSED = "suppressed"


class FlowStep(NamedTuple):
    """A box of a flow: what is asked, who goes out for it (None at the start), who is left."""

    criteria: tuple[str, ...]
    out: str | None
    left: str


def may_show(number: int, minimum: int) -> bool:
    """Whether a number of persons is 0 or at least ``minimum``."""
    return number == 0 or number >= minimum


def show_count(number: int, minimum: int) -> str:
    """Write a number of persons, "<10" (with a minimum of 10) where it is too small."""
    return f"{number:,}" if may_show(number, minimum) else f"<{minimum}"


def show_share(number: int, total: int, minimum: int) -> str:
    """Write ``number (per cent)`` of a group, unless it or the rest of the group is too small."""
    if not may_show(total, minimum) or not may_show(total - number, minimum):
        return SUPPRESSED
    if not may_show(number, minimum):
        return show_count(number, minimum)
    return f"{number:,} ({100 * number / total:.1f}%)" if total else "0"


def hidden_levels(cells: Sequence[Sequence[int]], minimum: int) -> list[bool]:
    """Which levels of a division of persons (women and men, say) are not shown.

    A level with a small cell is hidden. Others are hidden with it, those with fewest persons first,
    until the hidden levels' sum of each cell, which is the total less what is shown, may be shown.

    Parameters
    ----------
    cells
        Numbers of persons of each level that are shown or could be computed, the same for all
        levels (cases and controls, say), shape (levels, cells).
    minimum
        Smallest number, but 0, that may show.
    """
    hidden = [not all(may_show(number, minimum) for number in level) for level in cells]
    while any(hidden) and not _sums_may_show(cells, hidden, minimum) and not all(hidden):
        shown = [place for place, is_hidden in enumerate(hidden) if not is_hidden]
        hidden[min(shown, key=lambda place: sum(cells[place]))] = True
    return hidden


def _sums_may_show(cells: Sequence[Sequence[int]], hidden: Sequence[bool], minimum: int) -> bool:
    levels = [level for level, is_hidden in zip(cells, hidden, strict=True) if is_hidden]
    return all(may_show(sum(column), minimum) for column in zip(*levels, strict=True))


def flow_steps(criteria: Sequence[str], left: Sequence[int], minimum: int) -> list[FlowStep]:
    """Join the steps of an attrition until no small number shows.

    Parameters
    ----------
    criteria
        Each criterion in order; the first names who there is to begin with.
    left
        How many persons are left when a criterion and all before it are met.
    minimum
        Smallest number, but 0, that may show.
    """
    shown = _shown_steps(left, minimum)
    steps = [FlowStep((criteria[0],), None, show_count(left[0], minimum))]
    for before, after in pairwise(shown):
        asked = tuple(criteria[before + 1 : after + 1])
        out, rest = left[before] - left[after], left[after]
        steps.append(FlowStep(asked, show_count(out, minimum), show_count(rest, minimum)))
    final = len(left) - 1
    if final and not may_show(left[final], minimum):
        steps[-1] = steps[-1]._replace(out=HIDDEN)
    elif final and not may_show(left[shown[-2]] - left[final], minimum):
        steps[-2] = steps[-2]._replace(left=HIDDEN)
    return steps


def _shown_steps(left: Sequence[int], minimum: int) -> list[int]:
    """Steps that get a box of their own: always the first and the last."""
    final, shown = len(left) - 1, [0]
    for step in range(1, final + 1):
        out = left[shown[-1]] - left[step]
        if may_show(left[step], minimum) and may_show(out, minimum):
            shown.append(step)
    if shown[-1] == final:
        return shown
    if may_show(left[final], minimum):
        # The last step takes too few out: join it backwards, to the first box if need be.
        while len(shown) > 1 and not may_show(left[shown[-1]] - left[final], minimum):
            shown.pop()
    return [*shown, final]
