"""The figure of windows: the AUROC by observation window, and by prediction window.

A panel a series of tasks (window_series.py), site and encoding, a line a model. Then the paper's
Table 1 or Table 2 as curves, in greys and a panel of their own, where the study has such a series.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from visitseq.figures.labels import mean_of
from visitseq.figures.legends import add_legend, legend_height
from visitseq.figures.model_results import ModelResult, common_name
from visitseq.figures.panels import FEW
from visitseq.figures.published import HEADING, SOURCE, heart_failure
from visitseq.figures.study import Study
from visitseq.figures.style import GREY, PALE, WIDTH, add_axes, empty_figure, look_of, new_figure
from visitseq.figures.window_series import OTHER, TABLES, Series, window_series
from visitseq.figures.windows_table import results_of

# Inches.
LEFT, PLOT_WIDTH, PLOT, TITLE, BELOW = 0.55, 2.8, 1.9, 0.56, 0.5
PANEL = WIDTH / 2
SPREAD = 0.5  # of the smallest step between windows, over which the models' intervals stand
LABELS = {
    "observation": "Observation window, months",
    "prediction": "Prediction window (gap), months",
}
_DASHES = ("-", "--", "-.", ":", (0, (1, 3)))
_MARKERS = "os^Dv"


@dataclass(frozen=True)
class _Panel:
    """A site and encoding in a series, with the models' results by months."""

    series: Series
    site: str
    encoding: str
    models: dict[str, dict[float, ModelResult]]


def draw_windows(study: Study, results: list[ModelResult]) -> Figure:
    """Draw every series of both windows, those by observation window first."""
    synthetic = any(study.synthetic.values())
    panels = [panel for varies in TABLES for panel in _panels(study, results, varies)]
    if not panels:
        reason = "no model was run on two tasks\nthat differ in one window alone"
        return empty_figure(reason, synthetic=synthetic)
    printed = [varies for varies in TABLES if any(p.series.varies == varies for p in panels)]
    row = TITLE + PLOT + BELOW
    names = _names(panels)
    width = PANEL * min(2, len(panels))
    legend = legend_height(len(names), width)
    ours, below = row * -(-len(panels) // 2), row + 3 * 0.145
    figure = new_figure(width, ours + legend + below, synthetic=synthetic)
    limits = _limits(panels)
    for place, panel in enumerate(panels):
        down, across = divmod(place, 2)
        axes = add_axes(figure, across * PANEL + LEFT, down * row + TITLE, PLOT_WIDTH, PLOT)
        _draw_panel(study, axes, panel, names, limits)
    add_legend(figure, LEFT, ours, "AUROC [95% interval]" + mean_of(study.folds))
    for place, varies in enumerate(printed):
        _draw_published(figure, place * PANEL + LEFT, ours + legend, varies)
    return figure


def _panels(study: Study, results: list[ModelResult], varies: str) -> list[_Panel]:
    panels: dict[tuple[int, str, str], _Panel] = {}
    for number, series in enumerate(window_series(study, varies)):
        for (site, encoding, model), by_months in results_of(results, series).items():
            empty = _Panel(series, site, encoding, {})
            panels.setdefault((number, site, encoding), empty).models[model] = by_months
    return list(panels.values())


def _names(panels: list[_Panel]) -> dict[str, str]:
    """The models of all panels, with how the legend that these share names them."""
    drawn: dict[str, list[ModelResult]] = {}
    for panel in panels:
        for model, by_months in panel.models.items():
            drawn.setdefault(model, []).extend(by_months.values())
    return {model: common_name(results) for model, results in drawn.items()}


def _limits(panels: list[_Panel]) -> tuple[float, float]:
    """One axis for all panels: tenths around all values and limits."""
    estimates = [
        result.means["auroc"]
        for panel in panels
        for by_months in panel.models.values()
        for result in by_months.values()
    ]
    drawn = np.array([estimate[:3] for estimate in estimates])
    if np.isnan(drawn).all():
        return 0.5, 1.0
    return float(np.floor(10 * np.nanmin(drawn)) / 10), float(np.ceil(10 * np.nanmax(drawn)) / 10)


def _draw_panel(
    study: Study,
    axes: Axes,
    panel: _Panel,
    names: dict[str, str],
    limits: tuple[float, float],
) -> None:
    months = np.array(list(panel.series.tasks))
    step = SPREAD * np.diff(months).min() / len(panel.models)
    for place, (model, by_months) in enumerate(panel.models.items()):
        look = look_of(study.models, model)
        value, low, high = np.array([r.means["auroc"][:3] for r in by_months.values()]).T
        axes.errorbar(
            np.array(list(by_months)) + step * (place - (len(panel.models) - 1) / 2),
            value,
            yerr=np.stack([value - low, high - value]),
            color=look.colour,
            linestyle=look.dash,
            marker=look.marker,
            elinewidth=0.6,
            label=names[model],
        )
    few = study.minimum_cell > min(
        result.smallest_class for models in panel.models.values() for result in models.values()
    )
    title = f"{panel.site}\n{panel.encoding}, {panel.series.title}"
    axes.set(ylim=limits, title=title + (FEW if few else ""), ylabel="AUROC")
    _set_months(axes, months, panel.series.varies)


def _set_months(axes: Axes, months: np.ndarray, varies: str) -> None:
    axes.set_xlabel(LABELS[varies])
    axes.xaxis.set_major_locator(FixedLocator(months.tolist()))
    axes.xaxis.set_major_formatter(lambda month, _: f"{month:g}")
    margin = 0.5 * np.diff(months).min()
    axes.set_xlim(months[0] - margin, months[-1] + margin)
    axes.grid(axis="y", color=PALE, linewidth=0.4)


def _draw_published(figure: Figure, left: float, top: float, varies: str) -> None:
    """Draw one of the paper's tables as curves."""
    table = heart_failure()[TABLES[varies]]
    columns = np.array(table["rows"]).T
    axes = add_axes(figure, left, top + TITLE, PLOT_WIDTH, PLOT)
    for place, (name, values) in enumerate(zip(table["columns"][1:], columns[1:], strict=True)):
        axes.plot(
            columns[0],
            values,
            color=GREY if place % 2 else "black",
            linestyle=_DASHES[place],
            marker=_MARKERS[place],
            linewidth=0.9,
            label=name,
        )
    number = TABLES[varies].removeprefix("table")
    series = Series(varies, table[f"{OTHER[varies]}_months"], {})
    title = f"{HEADING.capitalize()}: {SOURCE}, Table {number}\n{series.title}, {table['encoding']}"
    axes.set(title=title, ylabel="AUC", ylim=(0.7, 0.78))
    _set_months(axes, columns[0], varies)
    add_legend(figure, left, top + TITLE + PLOT + BELOW, "", axes=axes)
