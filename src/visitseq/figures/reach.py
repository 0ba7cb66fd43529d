"""The figure of how far back the networks see: a row of three plots a site, task and encoding.

The first two plots show the gradient of the loss at h_t against the distance of step t from the
last one, on a logarithmic scale: of the networks before their training and of the trained ones.
Lines are medians over sequences, bands their middle halves; where a plain network forgets, its
line falls by a steady factor a step. An LSTM has a second line, at its cell state c_t. The third
plot has the spectral radius of each gate's W, before training (open) and after it (filled).
"""

from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from visitseq.figures.labels import mean_of, wrapped
from visitseq.figures.panels import LEGEND_LINE, setting_title, why_nothing
from visitseq.figures.reach_results import Curve, Reach
from visitseq.figures.study import Study
from visitseq.figures.style import (
    GREY,
    MARGIN,
    WIDTH,
    Look,
    add_axes,
    empty_figure,
    look_of,
    new_figure,
)

# Inches from the left, and sizes.
LEFTS = {"fresh": 0.6, "trained": 2.75}
PLOT = 2.0
RADII_LEFT, RADII = 5.55, 1.35
TOP, BELOW, GATE_LINE = 0.4, 0.5, 0.15

TITLES = {"fresh": "Before training", "trained": "Trained"}
FILLS = {"fresh": "none", "trained": "full"}
C_DASH = (0, (1, 1))
LEGEND_CHARACTERS = 60
NAME_CHARACTERS = 22
MARKERS_A_LINE = 6
FLOOR = 1e-15  # what is smaller would flatten the rest
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def draw_reach(study: Study, reaches: list[Reach]) -> Figure:
    """Draw every network that ``read_reach`` gives."""
    synthetic = any(study.synthetic.values())
    if not reaches:
        return empty_figure(_why_nothing(study), synthetic=synthetic)
    groups = [list(group) for _, group in groupby(reaches, key=lambda reach: reach.setting)]
    # All settings have the same networks, and so the same height.
    lines = sum(len(reach.radii["fresh"]) + 1 for reach in groups[0])
    height = max(PLOT, GATE_LINE * lines)
    labels = [label for reach in groups[0] for label in _labels(reach).values()]
    legend = LEGEND_LINE * (sum(label.count("\n") + 1 for label in labels) + 2)
    row = TOP + height + BELOW + legend
    figure = new_figure(WIDTH, row * len(groups), synthetic=synthetic)
    for place, group in enumerate(groups):
        _draw_gradients(study, figure, group, top=row * place + TOP, height=height)
        _draw_radii(study, figure, group, top=row * place + TOP, height=height)
    return figure


def _why_nothing(study: Study) -> str:
    if study.models and not study.forward:
        return "no recurrent network that reads forwards alone was run"
    return why_nothing(study)


def _labels(reach: Reach) -> dict[str, str]:
    """Text of each of a network's lines in the legend, by quantity."""
    texts = {"h": reach.model, "c": f"{reach.model}, at its cell state c"}
    quantities = {curve.quantity: None for curve in reach.curves}
    return {quantity: wrapped(texts[quantity], LEGEND_CHARACTERS) for quantity in quantities}


def _draw_gradients(
    study: Study, figure: Figure, group: list[Reach], *, top: float, height: float
) -> None:
    """Draw the plots of fresh and of trained networks, on the same axes."""
    plots = {state: add_axes(figure, left, top, PLOT, height) for state, left in LEFTS.items()}
    for state, axes in plots.items():
        for reach in group:
            look = look_of(study.models, reach.model)
            for curve in reach.curves:
                if curve.state == state:
                    _draw_curve(axes, curve, look, _labels(reach)[curve.quantity])
        axes.set(yscale="log", xlabel="Steps before the last")
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
        axes.text(0.98, 0.98, TITLES[state], ha="right", va="top", transform=axes.transAxes)
    _set_limits(list(plots.values()), [curve for reach in group for curve in reach.curves])
    first, second = plots.values()
    first.set_ylabel("Gradient, relative to the last step's")
    second.tick_params(labelleft=False)
    first.set_title(setting_title(group[0].setting))
    title = "Median and middle half of the sequences" + mean_of(study.folds)
    _add_legend(figure, first, LEFTS["fresh"], top + height + BELOW, title)


def _draw_curve(axes: Axes, curve: Curve, look: Look, label: str) -> None:
    distances = np.arange(len(curve.median))
    (line,) = axes.plot(distances, curve.median, color=look.colour, label=label)
    if curve.quantity == "c":
        line.set(linestyle=C_DASH, linewidth=0.8)
    else:
        line.set(linestyle=look.dash, marker=look.marker)
        line.set_markevery(max(1, len(distances) // MARKERS_A_LINE))
        axes.fill_between(
            distances, curve.low, curve.high, color=look.colour, alpha=0.12, linewidth=0
        )


def _power_of_ten(value: float, _: int) -> str:
    """Write a tick: matplotlib's own needs its mathematics, which the house's style turns off."""
    return "10" + str(round(np.log10(value))).translate(SUPERSCRIPTS)


def _set_limits(plots: list[Axes], curves: list[Curve]) -> None:
    """Give both plots the same axes, from the smallest to the largest gradient that is drawn."""
    drawn = np.concatenate([np.append(curve.low, curve.high) for curve in curves])
    drawn = drawn[drawn > 0] if drawn.any() else np.array([FLOOR, 1])
    steps = max(len(curve.median) for curve in curves)
    for axes in plots:
        axes.set_xlim(-0.5, max(steps - 0.5, 1))
        axes.set_ylim(max(FLOOR, drawn.min() / 2), drawn.max() * 3)
        if not steps:
            reason = "not drawn: too few sequences"
            axes.text(0.5, 0.5, reason, ha="center", transform=axes.transAxes)


def _draw_radii(
    study: Study, figure: Figure, group: list[Reach], *, top: float, height: float
) -> None:
    """Draw the spectral radii of each network's gates, one network below the other."""
    axes = add_axes(figure, RADII_LEFT, top, RADII, height)
    axes.axvline(1, color=GREY, linewidth=0.6, linestyle="--")
    gates: dict[int, str] = {}
    line = 0
    for reach in group:
        # The network's name has a line, and each of its gates.
        look, name = look_of(study.models, reach.model), reach.model
        if len(name) > NAME_CHARACTERS:
            name = f"{name[: NAME_CHARACTERS - 1]}…"
        axes.text(0.03, line, name, va="center", fontsize=7)
        places = range(line + 1, line + 1 + len(reach.radii["fresh"]))
        for state, fill in FILLS.items():
            radii = list(reach.radii[state].values())
            axes.plot(radii, places, look.marker, color=look.colour, fillstyle=fill)
        gates |= dict(zip(places, reach.radii["fresh"], strict=True))
        line = places.stop
    axes.set_yticks(list(gates), list(gates.values()))
    largest = max(
        radius for reach in group for of in reach.radii.values() for radius in of.values()
    )
    axes.set(
        xlim=(0, 1.1 * max(largest, 1)), ylim=(line - 0.5, -0.5), xlabel="Spectral radius of W"
    )
    for state, fill in FILLS.items():
        axes.plot([], [], "o", color=GREY, fillstyle=fill, label=TITLES[state])
    _add_legend(figure, axes, RADII_LEFT, top + height + BELOW)


def _add_legend(figure: Figure, axes: Axes, left: float, top: float, title: str = "") -> None:
    """Add the legend of ``axes``, its upper left corner in inches from the figure's."""
    axes.legend(
        title=title,
        loc="upper left",
        bbox_to_anchor=(left, figure.get_size_inches()[1] - MARGIN - top),
        bbox_transform=figure.dpi_scale_trans,
        borderaxespad=0,
        alignment="left",
    )
