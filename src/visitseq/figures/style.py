"""How every figure of the study looks, and how it is written.

Colours are those of Okabe and Ito (2008), which the colour-blind tell apart; a model keeps its
colour, dash and marker in all figures. Figures are made without pyplot, so nothing global is left
behind; the defaults of whoever runs this do not reach them. No date is written into a file and
SVG's ids come from a fixed salt, so the same results are the same bytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 7.0  # inches: the text width of A4
MARGIN = 0.25  # inches at the top of a figure
GREY = "#666666"
PALE = "#e0e0e0"  # lines that only guide the eye
PUBLISHED_GREYS = ("#bdbdbd", "#8a8a8a", "#4d4d4d")  # what others published
BLUE, VERMILLION, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE = "#E69F00"

_COLOURS = (BLUE, VERMILLION, GREEN, PINK, ORANGE, "#56B4E9", "#000000")
_DASHES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v")

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "text.parse_math": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "visitseq",
}


class Look(NamedTuple):
    """Colour, dash and marker of a model."""

    colour: str
    dash: str
    marker: str


def look_of(models: tuple[str, ...], model: str) -> Look:
    """Look of a model, by its place among the study's models."""
    place = models.index(model)
    return Look(
        _COLOURS[place % len(_COLOURS)],
        _DASHES[place % len(_DASHES)],
        _MARKERS[place % len(_MARKERS)],
    )


@contextmanager
def house_style() -> Iterator[None]:
    """Set matplotlib to the house's style while figures are made and saved."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float, *, synthetic: bool) -> Figure:
    """Make a figure of ``width`` inches with ``height`` inches to draw on, below its margin.

    The margin at the top says "synthetic records" where any of the figure's records are.
    """
    figure = Figure(figsize=(width, height + MARGIN))
    if synthetic:
        x, y = 1 - 0.08 / width, 1 - 0.06 / (height + MARGIN)
        figure.text(x, y, "synthetic records", ha="right", va="top", fontsize=7, color=GREY)
    return figure


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes of a size and at a place in inches, from the left and from the margin down."""
    whole_width, whole_height = figure.get_size_inches()
    bottom = whole_height - MARGIN - top - height
    return figure.add_axes(
        (
            left / whole_width,
            bottom / whole_height,
            width / whole_width,
            height / whole_height,
        )
    )


def add_page(figure: Figure) -> Axes:
    """Add axes over the figure below its margin; their units are inches from the top left."""
    width, height = figure.get_size_inches()
    axes = add_axes(figure, 0, 0, width, height - MARGIN)
    axes.set(xlim=(0, width), ylim=(height - MARGIN, 0))
    axes.set_axis_off()
    return axes


def empty_figure(reason: str, *, synthetic: bool) -> Figure:
    """Make the figure that stands where there is nothing to draw, and says why."""
    figure = new_figure(WIDTH / 2, 1, synthetic=synthetic)
    say_instead(add_page(figure), reason)
    return figure


def say_instead(axes: Axes, reason: str) -> None:
    """Write ``reason`` in a panel that shows nothing else."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, ha="center", va="center", transform=axes.transAxes)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write ``name``.pdf and ``name``.svg."""
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
