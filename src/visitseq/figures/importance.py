"""The figure of what moves a model's scores: a panel a site, task, encoding and model.

A line is a code: the mean absolute contribution to the logit with its interval, filled where the
code raises the scores on average and open where it lowers them.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.importance_results import CodeImportance, Importance
from visitseq.figures.labels import mean_of
from visitseq.figures.panels import setting_title, why_nothing
from visitseq.figures.study import Study
from visitseq.figures.style import (
    BLUE,
    MARGIN,
    VERMILLION,
    WIDTH,
    add_axes,
    empty_figure,
    new_figure,
    say_instead,
)

# Inches.
LEFT, PLOT = 3.05, 3.7
TITLE, LINE, BELOW = 0.6, 0.165, 0.75
NAME_CHARACTERS = 48

#: Colour, fill and words of a code by whether it raises the scores.
LOOKS = {
    True: (VERMILLION, "full", "raises the scores on average"),
    False: (BLUE, "none", "lowers the scores on average"),
}


def draw_importance(study: Study, importances: list[Importance]) -> Figure:
    """Draw every model that ``read_importances`` gives."""
    synthetic = any(study.synthetic.values())
    if not importances:
        return empty_figure(_why_nothing(study), synthetic=synthetic)
    heights = [LINE * max(len(importance.codes), 3) for importance in importances]
    whole = sum(heights) + (TITLE + BELOW) * len(importances)
    figure = new_figure(WIDTH, whole, synthetic=synthetic)
    top = 0.0
    for importance, height in zip(importances, heights, strict=True):
        axes = add_axes(figure, LEFT, top + TITLE, PLOT, height)
        _draw_panel(study, axes, importance)
        _add_legend(figure, axes, top + TITLE + height + BELOW / 2)
        top += TITLE + height + BELOW
    return figure


def _why_nothing(study: Study) -> str:
    if study.models and not study.explained:
        return "no model is explained: run/explain names none of run/models"
    return why_nothing(study)


def _draw_panel(study: Study, axes: Axes, importance: Importance) -> None:
    title = f"{setting_title(importance.setting)}, {importance.model}"
    how = f"{importance.method}{mean_of(study.folds)}; {importance.interval}"
    axes.set_title(f"{title}\n{how}", loc="left", x=-(LEFT - 0.1) / PLOT)
    if not importance.codes:
        say_instead(axes, "not drawn: no code that enough persons have")
        return
    for place, code in enumerate(importance.codes):
        _draw_code(axes, place, code)
    axes.set_yticks(range(len(importance.codes)), [_name(code) for code in importance.codes])
    axes.set(
        xlim=(0, None),
        ylim=(len(importance.codes) - 0.5, -0.5),
        xlabel="Mean absolute contribution to the logit",
    )


def _draw_code(axes: Axes, place: int, code: CodeImportance) -> None:
    colour, fill, _ = LOOKS[code.mean > 0]
    estimate = code.mean_absolute
    if not np.isnan(estimate.low):
        axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=0.8)
    axes.plot(
        estimate.value,
        place,
        "o",
        color=colour,
        markerfacecolor=colour if fill == "full" else "white",
    )


def _name(code: CodeImportance) -> str:
    name = code.description
    return name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"


def _add_legend(figure: Figure, axes: Axes, top: float) -> None:
    """Add the legend below ``axes``, ``top`` inches from the figure's margin."""
    for colour, fill, words in LOOKS.values():
        axes.plot([], [], "o", color=colour, fillstyle=fill, label=words)
    axes.legend(
        loc="upper left",
        ncols=2,
        bbox_to_anchor=(LEFT - 0.3, figure.get_size_inches()[1] - MARGIN - top),
        bbox_transform=figure.dpi_scale_trans,
        borderaxespad=0,
    )
