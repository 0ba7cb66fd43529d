"""The figure of repetition, Doctor AI's Fig. 2b: how sure networks become as one code comes again.

A panel a site, task and encoding; of each network a line for the frequent code and one, dashed, for
the rare (``evaluate.repetition``), both of the study's first fold. They are properties of a trained
network, with nobody sampled, so that they have no interval. The paper's curves stand below in a
panel of their own, in greys.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.legends import add_legend, legend_height
from visitseq.figures.published import HEADING
from visitseq.figures.published_next_visit import SOURCE, doctor_ai
from visitseq.figures.study import Setting, Study
from visitseq.figures.style import (
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
PANEL, LEFT, PLOT_WIDTH, PLOT, TITLE, BELOW = WIDTH / 2, 0.5, 2.8, 1.9, 0.76, 0.5
PUBLISHED_TITLE = 0.56
CHARACTERS = 46
DASHES = {"frequent": "-", "rare": "--"}


@dataclass(frozen=True, eq=False)
class _Panel:
    """A setting, with the repetitions of each of its networks."""

    setting: Setting
    tables: dict[str, pd.DataFrame]


def draw_entropy(study: Study) -> Figure:
    """Draw the entropy by number of repetitions of every network, and what the paper printed."""
    synthetic = any(study.synthetic.values())
    panels = _read_panels(study)
    if not panels:
        reason = "no recurrent network predicted\nthe next visit"
        return empty_figure(reason, synthetic=synthetic)
    row, columns = TITLE + PLOT + BELOW, min(2, len(panels))
    names = {f"{name}, {group}" for panel in panels for name in panel.tables for group in DASHES}
    ours, legend = row * -(-len(panels) // 2), legend_height(len(names), PANEL * columns)
    below = PUBLISHED_TITLE + PLOT + BELOW + legend_height(1, PANEL)
    figure = new_figure(PANEL * columns, ours + legend + below, synthetic=synthetic)
    highest = max(8.0, *(_highest(panel) for panel in panels))
    for place, panel in enumerate(panels):
        down, across = divmod(place, 2)
        axes = add_axes(figure, across * PANEL + LEFT, down * row + TITLE, PLOT_WIDTH, PLOT)
        _draw_panel(study, axes, panel, highest)
    if any(axes.lines for axes in figure.axes):
        add_legend(figure, LEFT, ours, f"Code repeated, fold {study.folds[0]}")
    _draw_published(figure, ours + legend)
    return figure


def _read_panels(study: Study) -> list[_Panel]:
    if not study.folds:
        return []
    panels = [
        _Panel(
            setting,
            {
                name: pd.read_csv(study.repetition(setting, name))
                for name in study.next_visit_networks(setting)
            },
        )
        for setting in study.next_visit_settings
    ]
    return [panel for panel in panels if panel.tables]


def _highest(panel: _Panel) -> float:
    """Upper end of what is drawn of a panel; 0 where that is nothing."""
    return max([0.0, *(float(e) for table in panel.tables.values() for e in table["entropy"])])


def _draw_panel(study: Study, axes: Axes, panel: _Panel, highest: float) -> None:
    first = next(iter(panel.tables.values()))
    if first.empty:
        axes.set_title(_place(panel.setting))
        say_instead(axes, f"not drawn: no label's code\nthat {study.minimum_cell} persons have")
        return
    for name, table in panel.tables.items():
        for group, own in table.groupby("group", sort=False):
            axes.plot(
                own["repetition"],
                own["entropy"],
                color=look_of(study.models, name).colour,
                linestyle=DASHES[str(group)],
                label=f"{name}, {group}",
            )
    codes = first.drop_duplicates("group")
    axes.set_title("\n".join([_place(panel.setting), *(_code(row) for _, row in codes.iterrows())]))
    _set_axes(axes, highest, f"Visits with the code alone, {codes['days'].iloc[0]} days apart")


def _place(setting: Setting) -> str:
    return f"{setting.site}\n{setting.task}, {setting.encoding}"


def _code(row: "pd.Series[Any]") -> str:
    """Say which code it is by its description, if it has one, on one line."""
    name = row["code"] if pd.isna(row["description"]) else row["description"]
    text = f"{row['group']}: {name}"
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"


def _set_axes(axes: Axes, highest: float, label: str) -> None:
    axes.set(xlim=(0, 205), ylim=(0, 1.05 * highest), xlabel=label)
    axes.set_ylabel("Entropy, bits")
    axes.grid(axis="y", color=PALE, linewidth=0.4)


def _draw_published(figure: Figure, top: float) -> None:
    """Draw the paper's two curves as read off its figure."""
    axes = add_axes(figure, LEFT, top + PUBLISHED_TITLE, PLOT_WIDTH, PLOT)
    for place, (name, points) in enumerate(doctor_ai()["fig2b"]["entropy_bits"].items()):
        repetitions, entropies = zip(*points, strict=True)
        axes.plot(
            repetitions,
            entropies,
            color=PUBLISHED_GREYS[2 - place],
            linestyle=list(DASHES.values())[place],
            marker="os"[place],
            markersize=2.5,
            label=name,
        )
    axes.set_title(f"{HEADING.capitalize()}: {SOURCE}, Fig. 2(b)\ndigitised")
    _set_axes(axes, 9.0, "Visits with the code alone, days apart not said")
    add_legend(figure, LEFT, top + PUBLISHED_TITLE + PLOT + BELOW - 0.05, "", axes=axes)
