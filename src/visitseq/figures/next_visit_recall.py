"""The figures of recall by group: by visits read (Doctor AI's Fig. 2a), frequency, and labels.

A row of panels a site, task and encoding, one for each k, and in it a line a model. Below those by
visits read the paper's curves stand in a panel of their own, in greys.
"""

from itertools import groupby
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.evaluate.next_visit_strata import UNSEEN
from visitseq.evaluate.recall import CUTS
from visitseq.figures.labels import mean_of
from visitseq.figures.legends import add_legend, legend_height
from visitseq.figures.next_visit_groups import GroupRecalls
from visitseq.figures.published import HEADING
from visitseq.figures.published_next_visit import SOURCE, doctor_ai
from visitseq.figures.study import Study
from visitseq.figures.style import (
    MARGIN,
    PALE,
    PUBLISHED_GREYS,
    WIDTH,
    add_axes,
    empty_figure,
    look_of,
    new_figure,
    say_instead,
)

# Inches.
LEFT, PLOT_WIDTH, PLOT, TITLE, BELOW = 0.5, 1.75, 1.7, 0.56, 0.72
NAME = 0.12  # of a setting, from the top of its row
PANEL = (WIDTH - 0.1) / len(CUTS)
PUBLISHED_WIDTH = 3.4
MOST_TICKS = 11
SPREAD = 0.5  # of the room of a group, over which the models' intervals stand


class _Axis(NamedTuple):
    """A stratum, and what its axis is called."""

    stratum: str
    label: str


def draw_by_visit_number(study: Study, recalls: list[GroupRecalls]) -> Figure:
    """Draw recall by how many visits were read, and what the paper printed."""
    return _draw(study, recalls, _Axis("visit_number", "Visits read"), published=True)


def draw_by_frequency(study: Study, recalls: list[GroupRecalls]) -> Figure:
    """Draw recall by tenth of the labels' frequency in the training visits."""
    axis = _Axis("code_frequency", "Tenth of frequency (none: unseen)")
    return _draw(study, recalls, axis, published=False)


def draw_by_labels(study: Study, recalls: list[GroupRecalls]) -> Figure:
    """Draw recall by how many labels the predicted visit holds."""
    return _draw(study, recalls, _Axis("labels", "Labels of the visit"), published=False)


def _draw(study: Study, recalls: list[GroupRecalls], axis: _Axis, *, published: bool) -> Figure:
    synthetic = any(study.synthetic.values())
    if not recalls:
        return empty_figure("no next visit was predicted", synthetic=synthetic)
    rows = [list(own) for _, own in groupby(recalls, key=lambda own: own.result.setting)]
    row = TITLE + PLOT + BELOW
    legend = legend_height(len({own.result.model for own in recalls}), WIDTH)
    ours = row * len(rows)
    below = row if published else 0.0
    figure = new_figure(WIDTH, ours + legend + below, synthetic=synthetic)
    for place, of_row in enumerate(rows):
        _draw_row(study, figure, place * row, of_row, axis)
    if any(axes.containers for axes in figure.axes):
        add_legend(figure, LEFT, ours, "Recall [95% interval]" + mean_of(study.folds))
    if published:
        _draw_published(figure, ours + legend)
    return figure


def _draw_row(
    study: Study, figure: Figure, top: float, recalls: list[GroupRecalls], axis: _Axis
) -> None:
    """Draw a panel for each k of a setting."""
    setting = recalls[0].result.setting
    title = f"{setting.site}, {setting.task}, {setting.encoding}"
    width, height = figure.get_size_inches()
    figure.text(LEFT / width, 1 - (MARGIN + top + NAME) / height, title, va="top")
    for place, k in enumerate(CUTS):
        left = place * PANEL + LEFT
        axes = add_axes(figure, left, top + TITLE, PLOT_WIDTH, PLOT)
        _draw_panel(study, axes, recalls, axis, k)


def _draw_panel(study: Study, axes: Axes, recalls: list[GroupRecalls], axis: _Axis, k: int) -> None:
    shown = [own.recalls.get(axis.stratum, {}) for own in recalls]
    groups = list(shown[0])
    if not groups:
        say_instead(axes, f"not drawn: fewer than {study.minimum_cell}\npersons in every group")
        return
    step = SPREAD / len(recalls)
    for place, (own, by_group) in enumerate(zip(recalls, shown, strict=True)):
        estimates = [by_group[group][f"recall_at_{k}"] for group in groups]
        value, low, high = np.array([estimate[:3] for estimate in estimates]).T
        look = look_of(study.models, own.result.model)
        axes.errorbar(
            np.arange(len(groups)) + step * (place - (len(recalls) - 1) / 2),
            value,
            yerr=np.stack([value - low, high - value]),
            color=look.colour,
            linestyle=look.dash,
            marker=look.marker,
            markersize=2.5,
            linewidth=0.8,
            elinewidth=0.6,
            label=own.result.model,
        )
    axes.set(title=f"Recall at {k}", ylim=(0, 1), xlim=(-0.6, len(groups) - 0.4))
    axes.set_xlabel(axis.label)
    every = -(-len(groups) // MOST_TICKS)
    names = ["none" if group == UNSEEN else group for group in groups]
    axes.set_xticks(range(0, len(groups), every), names[::every], rotation=90)
    axes.grid(axis="y", color=PALE, linewidth=0.4)


def _draw_published(figure: Figure, top: float) -> None:
    """Draw the paper's three curves as read off its figure."""
    content = doctor_ai()["fig2a"]
    axes = add_axes(figure, LEFT, top + TITLE, PUBLISHED_WIDTH, PLOT)
    for place, (k, values) in enumerate(content["recall"].items()):
        axes.plot(
            content["visits"],
            values,
            color=PUBLISHED_GREYS[place],
            marker="os^"[place],
            markersize=2.5,
            label=f"recall at {k}",
        )
    title = f"{HEADING.capitalize()}: {SOURCE}, Fig. 2(a)\ndiagnoses, best model, digitised"
    axes.set(title=title, ylim=(0, 1), xlim=(0, 104), xlabel="Visits read", ylabel="Recall")
    axes.grid(axis="y", color=PALE, linewidth=0.4)
    add_legend(figure, LEFT, top + TITLE + PLOT + 0.42, "", axes=axes)
