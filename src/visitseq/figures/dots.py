"""Panels of dots with intervals, a name a line: one panel a setting, two in a row.

A panel is as high as its lines ask for; panels beside each other begin at the same place.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.evaluate.estimate import Estimate
from visitseq.figures.labels import wrapped
from visitseq.figures.style import GREY, WIDTH, Look, add_axes, new_figure

_PANEL = WIDTH / 2
_TITLE, _AXIS = 0.54, 0.5  # inches above and below the lines
_LEFT, _WIDTH = 1.5, 1.85
_LINE, _TWO_LINES = 0.2, 0.28
_CHARACTERS = 25


class DotPanel(NamedTuple):
    """A title, what stands beside the lines from the top down, and what fills the axes.

    ``draw`` finds line n at the height n.
    """

    title: str
    names: Sequence[str]
    draw: Callable[[Axes], None]

    @property
    def labels(self) -> list[str]:
        """The names, broken into lines."""
        return [wrapped(name, _CHARACTERS) for name in self.names]

    @property
    def height(self) -> float:
        """Inches of the lines."""
        line = _TWO_LINES if any("\n" in label for label in self.labels) else _LINE
        return line * len(self.names)


def dot_panels(panels: Sequence[DotPanel], *, legend: float, synthetic: bool) -> Figure:
    """Draw at least one panel; all share their axis, so that they can be compared.

    Parameters
    ----------
    legend
        Inches that each panel needs below its axis.
    """
    columns = min(2, len(panels))
    heights = [_TITLE + panel.height + _AXIS + legend for panel in panels]
    rows = [max(heights[start : start + 2]) for start in range(0, len(panels), 2)]
    tops = [sum(rows[:row]) for row in range(len(rows))]
    figure = new_figure(columns * _PANEL, sum(rows), synthetic=synthetic)
    for place, panel in enumerate(panels):
        left, top = (place % 2) * _PANEL + _LEFT, tops[place // 2] + _TITLE
        axes = add_axes(figure, left, top, _WIDTH, panel.height)
        axes.set_title(panel.title, x=-_LEFT / _WIDTH + 0.06)
        axes.set_yticks(range(len(panel.names)), panel.labels)
        axes.set_ylim(len(panel.names) - 0.5, -0.5)
        panel.draw(axes)
    _share_axis([axes for axes in figure.axes if axes.axison])
    return figure


def _share_axis(drawn: list[Axes]) -> None:
    limits = [axes.get_xlim() for axes in drawn]
    for axes in drawn:
        axes.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))


def draw_dot(
    axes: Axes, line: float, estimate: Estimate, look: Look, *, filled: bool = True
) -> None:
    """Draw an estimate and its interval, as far as it has them."""
    if np.isnan(estimate.value):
        return
    axes.plot([estimate.low, estimate.high], [line, line], color=look.colour, linewidth=0.8)
    fill = "full" if filled else "none"
    axes.plot(estimate.value, line, look.marker, color=look.colour, fillstyle=fill)


def finish_auroc(axes: Axes, label: str) -> None:
    """Give an axis of AUROCs its label and the line at 0.5, where nothing is told apart."""
    axes.axvline(0.5, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
    axes.set_xlabel(label)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
