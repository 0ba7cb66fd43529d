"""A legend at a place in inches, below the panels that share it."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.style import MARGIN

LINE = 0.145  # inches


def legend_columns(width: float) -> int:
    """Entries side by side in a legend over ``width`` inches."""
    return max(1, int(width / 2.2))


def legend_height(entries: int, width: float) -> float:
    """Inches of a legend with a title over ``width`` inches."""
    return LINE * (2 + -(-entries // legend_columns(width)))


def add_legend(
    figure: Figure, left: float, top: float, title: str, axes: Axes | None = None
) -> None:
    """Name all that is drawn in ``axes``, or in all axes of the figure so far, once.

    Parameters
    ----------
    left, top
        Its upper left corner in inches, from the left and from the margin down.
    """
    named: dict[str, Any] = {}
    for one in [axes] if axes else figure.axes:
        handles, labels = one.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    width, height = figure.get_size_inches()
    figure.axes[0 if axes is None else figure.axes.index(axes)].legend(
        list(named.values()),
        list(named),
        title=title,
        loc="upper left",
        bbox_to_anchor=(left, height - MARGIN - top),
        bbox_transform=figure.dpi_scale_trans,
        borderaxespad=0,
        alignment="left",
        ncols=legend_columns(width) if axes is None else 3,
        columnspacing=1,
    )
