"""The figure of forecasts: how many labels of a visit are foreseen, by how many visits ahead."""

from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.evaluate.recall import CUTS
from visitseq.figures.forecast_results import ForecastResult
from visitseq.figures.labels import mean_of
from visitseq.figures.panels import setting_title
from visitseq.figures.study import Study
from visitseq.figures.style import (
    WIDTH,
    add_axes,
    empty_figure,
    look_of,
    new_figure,
    say_instead,
)

_PANEL, _HEIGHT = WIDTH / 2, 3.4  # inches
_SIDESTEP = 0.06  # between the bars of one number of visits ahead
_DASHES = ("-", "--", ":")  # of each of CUTS


def draw_forecast(study: Study, results: list[ForecastResult]) -> Figure:
    """Draw recall at 10, 20 and 30 of every model, a panel a site, task and encoding."""
    synthetic = any(study.synthetic.values())
    if not results:
        return empty_figure("no forecast was run", synthetic=synthetic)
    panels = [list(own) for _, own in groupby(results, key=lambda result: result.setting)]
    columns = min(2, len(panels))
    models = max(map(len, panels))
    height = _HEIGHT + 0.15 * len(CUTS) * models
    rows = -(-len(panels) // columns)
    figure = new_figure(columns * _PANEL, rows * height, synthetic=synthetic)
    for place, of_panel in enumerate(panels):
        row, column = divmod(place, columns)
        axes = add_axes(figure, column * _PANEL + 0.55, row * height + 0.4, 2.6, 2.3)
        axes.set_title(setting_title(of_panel[0].setting))
        if min(result.smallest_part for result in of_panel) < study.minimum_cell:
            say_instead(axes, f"not drawn: fewer than {study.minimum_cell}\npersons in a test part")
        else:
            _draw_panel(study, axes, of_panel)
    return figure


def _draw_panel(study: Study, axes: Axes, results: list[ForecastResult]) -> None:
    lines = [(result, k) for result in results for k in CUTS]
    for place, (result, k) in enumerate(lines):
        look = look_of(study.models, result.model)
        ahead = np.arange(1, result.visits_ahead + 1)
        found = [result.means[f"recall_at_{k}_ahead_{step}"] for step in ahead]
        value, low, high = (np.array([getattr(e, n) for e in found]) for n in found[0]._fields[:3])
        axes.errorbar(
            ahead + _SIDESTEP * (place - (len(lines) - 1) / 2),
            value,
            yerr=np.stack([value - low, high - value]),
            color=look.colour,
            linestyle=_DASHES[CUTS.index(k)],
            marker=look.marker,
            elinewidth=0.8,
            label=f"{result.model}, recall at {k}",
        )
    axes.set(
        ylim=(0, 1), xlabel="Visits ahead", ylabel="Recall" + mean_of(study.folds), xmargin=0.1
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.18), borderaxespad=0)
