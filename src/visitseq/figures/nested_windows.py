"""Numbers of persons of nested windows: none is shown from which a small one could be subtracted.

Tasks of one cohort look at the same persons through windows of different lengths. Where one window
contains another, whoever has no visit in the longer one has none in the shorter one either, and
whoever has a code in the shorter one has it in the longer one too: the difference of the two
numbers is a number of persons, who have their visits, or the code, in the days between. So

    of two windows of which one contains the other, the numbers shown differ by 0 or by the minimum.

The windows are walked from the longest, and a number is kept only if its difference to that of
every window kept before it, which contains it, may be shown. Windows that merely overlap (months
18 to 6 and months 12 to 0 before the index date) are not compared: the difference of their numbers
is no number of persons.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from visitseq.cohort.windows import months_to_days
from visitseq.figures.small_cells import may_show


class Window(NamedTuple):
    """An observation window: its first day and the day after it, in days from the index date."""

    start: int
    end: int

    def contains(self, other: "Window") -> bool:
        """Whether every day of the other window is in this one."""
        return self.start <= other.start and self.end >= other.end


class Part(NamedTuple):
    """A number of persons, and the number of those of whom it is a part."""

    number: int
    total: int

    def may_show(self, minimum: int) -> bool:
        """Whether neither it nor the rest is too small."""
        return all(may_show(n, minimum) for n in (self.number, self.total - self.number))


def window_of(task: Mapping[str, Any]) -> Window:
    """Give the window of a task (filled section: observation_months, prediction_months)."""
    end = -months_to_days(task["prediction_months"])
    return Window(end - months_to_days(task["observation_months"]), end)


def hidden_windows(windows: Sequence[Window], parts: Sequence[Part], minimum: int) -> list[bool]:
    """Which numbers are hidden for the number of another window, which is shown.

    Parameters
    ----------
    windows
        The windows of tasks of one cohort, in any order; several may be the same.
    parts
        Of each window the persons of a group who have something in it, or who have nothing. Those
        that are too small by themselves give no other away; for them the answer is False.
    minimum
        Smallest number, but 0, that may show.

    Returns
    -------
    list of bool
        In the order of ``windows``.
    """
    hidden = [False] * len(windows)
    kept: list[int] = []
    for place in sorted(range(len(windows)), key=lambda at: windows[at].start - windows[at].end):
        if parts[place].may_show(minimum):
            around = [at for at in kept if windows[at].contains(windows[place])]
            between = [abs(parts[at].number - parts[place].number) for at in around]
            hidden[place] = not all(may_show(persons, minimum) for persons in between)
            kept += [] if hidden[place] else [place]
    return hidden
