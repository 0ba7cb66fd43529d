"""The figure of alignment: of which years cases and controls are, and how long they were observed.

A row a site and task, a panel a variable of alignment.csv (``audit/alignment.py``): what share of
the cases and of the controls each year has. What differs here a model can learn in the place of
the disease. Years with numbers of persons under the study's minimum are left out.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.figures.panels import TITLE, setting_title, why_nothing
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Setting, Study
from visitseq.figures.style import (
    BLUE,
    VERMILLION,
    WIDTH,
    add_axes,
    empty_figure,
    new_figure,
    say_instead,
)

_LABELS = {
    "index_year": "Index date's year",
    "first_visit_year": "Year of the first event",
    "days_before": "Years observed before",
    "days_after": "Years observed after",
}
_GROUPS = {"controls": (BLUE, "--", "s"), "cases": (VERMILLION, "-", "o")}
_LEFT, _PLOT, _GAP, _HEIGHT = 0.5, 1.42, 0.22, 1.0  # inches
_ROW = TITLE + _HEIGHT + 0.42
_LEGEND = 0.25


def draw_alignment(study: Study) -> Figure:
    """Draw every site and task with an outcome, in the first encoding that it is run with."""
    firsts = {(setting.site, setting.task): setting for setting in reversed(study.settings)}
    settings = [setting for setting in study.settings if setting in firsts.values()]
    synthetic = any(study.synthetic.values())
    if not settings:
        return empty_figure(why_nothing(study), synthetic=synthetic)
    figure = new_figure(WIDTH, len(settings) * _ROW + _LEGEND, synthetic=synthetic)
    for place, setting in enumerate(settings):
        _draw_row(figure, place * _ROW, setting, pd.read_csv(study.alignment(setting)))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower left", ncols=2)
    return figure


def _draw_row(figure: Figure, top: float, setting: Setting, table: pd.DataFrame) -> None:
    for column, (variable, label) in enumerate(_LABELS.items()):
        left = _LEFT + column * (_PLOT + _GAP)
        axes = add_axes(figure, left, top + TITLE, _PLOT, _HEIGHT)
        axes.set(xlabel=label)
        if column == 0:
            axes.set_title(setting_title(setting))
            axes.set_ylabel("Per cent")
        _draw_shares(axes, table[table["variable"] == variable])


def _draw_shares(axes: Axes, years: pd.DataFrame) -> None:
    """Draw of each group what share of those that are shown each year has."""
    shown = years[~years[list(_GROUPS)].isin([SUPPRESSED]).any(axis=1)]
    for group, (colour, dash, marker) in _GROUPS.items():
        count = shown[group].astype(float)
        share = 100 * count / max(count.sum(), 1)
        axes.plot(
            shown["year"], share, color=colour, linestyle=dash, marker=marker, label=group.title()
        )
    if shown.empty:
        say_instead(axes, "not shown: few persons")
        return
    axes.set_xlim(shown["year"].min() - 0.5, shown["year"].max() + 0.5)
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
