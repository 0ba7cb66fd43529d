"""Boxes, nodes and arrows on a page whose units are inches from the top left."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

from visitseq.figures.style import GREY

Point = tuple[float, float]

HEAD = 0.055  # inches of an arrow's head


def draw_box(
    axes: Axes, centre: Point, size: Point, text: str = "", *, colour: str, filled: bool = True
) -> None:
    """Draw a box with round corners around ``centre``; its text may hold TeX between dollars."""
    (x, y), (width, height) = centre, size
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.04",
            facecolor=tint(colour) if filled else "white",
            edgecolor=colour,
            linewidth=0.8,
        )
    )
    if text:
        axes.text(x, y, text, ha="center", va="center", fontsize=7, parse_math=True)


def draw_node(axes: Axes, centre: Point, text: str, *, radius: float = 0.09) -> None:
    """Draw an operation: a circle with its sign."""
    axes.add_patch(Circle(centre, radius, facecolor="white", edgecolor="black", linewidth=0.8))
    axes.text(*centre, text, ha="center", va="center_baseline", fontsize=7)


def draw_dot(axes: Axes, centre: Point) -> None:
    """Say that lines are joined where they meet."""
    axes.add_patch(Circle(centre, 0.02, facecolor="black", edgecolor="none"))


def draw_arrow(axes: Axes, *points: Point, colour: str = "black", **line: Any) -> None:
    """Draw a line through ``points`` that ends in a head."""
    (x, y), (end_x, end_y) = points[-2:]
    length = ((end_x - x) ** 2 + (end_y - y) ** 2) ** 0.5
    step_x, step_y = HEAD * (end_x - x) / length, HEAD * (end_y - y) / length
    base = (end_x - step_x, end_y - step_y)
    draw_line(axes, [*points[:-1], base], colour=colour, **line)
    aside = (-0.4 * step_y, 0.4 * step_x)
    corners = [points[-1], *((base[0] + k * aside[0], base[1] + k * aside[1]) for k in (1, -1))]
    axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="none"))


def draw_line(axes: Axes, points: Sequence[Point], *, colour: str = "black", **line: Any) -> None:
    """Draw a line through ``points``."""
    axes.plot(*zip(*points, strict=True), color=colour, **{"linewidth": 0.8, **line})


def note(axes: Axes, x: float, y: float, text: str, **changes: Any) -> None:
    """Write a small remark, from ``x`` to the right."""
    axes.text(x, y, text, **{"fontsize": 7, "color": GREY, "va": "center", **changes})


def tint(colour: str, strength: float = 0.18) -> str:
    """Mix a colour (#rrggbb) with white."""
    channels = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 - strength * (255 - channel)):02x}" for channel in channels)
