"""The figure of encodings, the paper's Fig. 4 and Fig. 5: the AUROC of every model by its input.

A panel a site and task; models stand side by side, and of each a point with its interval for every
encoding. Below them, where a task has the windows of one of the paper's figures, that figure's
bars in a panel of their own, in greys.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.labels import mean_of, months_text, wrapped
from visitseq.figures.legends import add_legend, legend_height
from visitseq.figures.model_results import ModelResult, common_name
from visitseq.figures.panels import FEW, why_nothing
from visitseq.figures.published import HEADING, SOURCE, heart_failure
from visitseq.figures.study import Study
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
TITLE, PLOT, LEFT = 0.56, 1.9, 0.5
PUBLISHED = TITLE + PLOT + 0.65
CHARACTER = 0.06
IN_HALF_A_ROW = 7  # models
TITLE_CHARACTERS = 50
SPREAD = 0.6  # of the room of a model, over which its encodings stand


@dataclass(frozen=True)
class _Layout:
    """Where the panels of ours stand: two in a row, or one where there are many models.

    Attributes
    ----------
    names
        What stands along each panel: its models, with how they are named there.
    columns
        Panels in a row.
    """

    names: list[dict[str, str]]
    columns: int

    @property
    def most(self) -> int:
        """Models of the panel that has most."""
        return max(map(len, self.names))

    @property
    def width(self) -> float:
        """Inches of a plot."""
        return (WIDTH / 2 if self.most <= IN_HALF_A_ROW else WIDTH) - LEFT - 0.15

    @property
    def rotation(self) -> int:
        """Names stand upright where the longest does not fit its place."""
        return 90 if self._longest > self.width / self.most - 0.06 else 0

    @property
    def row(self) -> float:
        """Inches of a row of panels."""
        return TITLE + PLOT + (self._longest if self.rotation else 0.12) + 0.22

    @property
    def _longest(self) -> float:
        return CHARACTER * max(len(name) for names in self.names for name in names.values())


def draw_encodings(study: Study, results: list[ModelResult]) -> Figure:
    """Draw the mean AUROC over the folds of all models, and what the paper printed."""
    synthetic = any(study.synthetic.values())
    if not results:
        return empty_figure(why_nothing(study), synthetic=synthetic)
    panels = _panels(results)
    names = [_names(study, panel) for panel in panels]
    few = max(map(len, names)) <= IN_HALF_A_ROW
    layout = _Layout(names, min(len(panels), 2) if few else 1)
    printed = [name for name in ("fig4", "fig5") if _has_windows(study, heart_failure()[name])]
    width = WIDTH / 2 if few and layout.columns == 1 and len(printed) < 2 else WIDTH
    ours = layout.row * -(-len(panels) // layout.columns)
    legend = legend_height(len(study.encodings), width)
    below = PUBLISHED if printed else 0.0
    figure = new_figure(width, ours + legend + below, synthetic=synthetic)
    lowest = _lowest(results)
    for place, of_panel in enumerate(panels):
        down, across = divmod(place, layout.columns)
        left, top = across * WIDTH / 2 + LEFT, down * layout.row + TITLE
        axes = add_axes(figure, left, top, layout.width, PLOT)
        _set_axes(axes, list(names[place].values()), lowest, layout.rotation)
        _draw_panel(study, axes, of_panel, names[place], lowest)
    add_legend(figure, LEFT, ours, "AUROC [95% interval]" + mean_of(study.folds))
    for place, name in enumerate(printed):
        _draw_published(figure, place * WIDTH / 2, ours + legend, name)
    return figure


def _panels(results: list[ModelResult]) -> list[list[ModelResult]]:
    """The results of each site and task, in their order."""
    panels: dict[tuple[str, str], list[ModelResult]] = {}
    for result in results:
        panels.setdefault((result.setting.site, result.setting.task), []).append(result)
    return list(panels.values())


def _names(study: Study, results: list[ModelResult]) -> dict[str, str]:
    """The models of a panel, in the study's order, with how they are named there."""
    of_model = {
        model: [result for result in results if result.model == model] for model in study.models
    }
    return {model: common_name(own) for model, own in of_model.items() if own}


def _has_windows(study: Study, figure: dict[str, Any]) -> bool:
    """Whether a task of the study has the windows of a figure of the paper."""
    windows = ("observation_months", "prediction_months")
    return any(all(task[key] == figure[key] for key in windows) for task in study.onsets.values())


def _lowest(results: list[ModelResult]) -> float:
    """Lower end of the axis: 0.5, or the tenth below the lowest limit or value under it."""
    estimates = [result.means["auroc"] for result in results]
    drawn = np.array([[estimate.value, estimate.low] for estimate in estimates])
    return float(np.floor(10 * np.nanmin([0.5, *drawn.flat])) / 10)


def _title(study: Study, results: list[ModelResult]) -> str:
    setting = results[0].setting
    few = min(result.smallest_class for result in results) < study.minimum_cell
    windows = months_text(study.onsets[setting.task])
    title = f"{setting.site}\n{wrapped(f'{setting.task}: {windows}', TITLE_CHARACTERS)}"
    return title + (FEW if few else "")


def _draw_panel(
    study: Study, axes: Axes, results: list[ModelResult], names: dict[str, str], lowest: float
) -> None:
    axes.set(ylabel="AUROC", title=_title(study, results))
    if any(result.withheld.mean for result in results):
        say_instead(axes, f"suppressed: fewer than {study.minimum_cell}\ncases or controls tested")
        return
    for result in results:
        encodings = study.encodings
        look = look_of(encodings, result.setting.encoding)
        step = SPREAD / len(encodings)
        aside = step * (encodings.index(result.setting.encoding) - (len(encodings) - 1) / 2)
        place, (value, low, high) = (
            list(names).index(result.model) + aside,
            result.means["auroc"][:3],
        )
        axes.errorbar(
            place,
            value,
            yerr=[[value - low], [high - value]],
            color=look.colour,
            marker=look.marker,
            linestyle="none",
            elinewidth=0.8,
            label=result.setting.encoding,
        )
        if np.isnan(value):
            axes.text(place, lowest, " undefined", rotation=90, ha="center", va="bottom", size=6)


def _set_axes(axes: Axes, names: Sequence[str], lowest: float, rotation: int = 0) -> None:
    """One place for each name, and a line between the places."""
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(lowest, 1))
    axes.set_xticks(range(len(names)), names, rotation=rotation)
    axes.tick_params(axis="x", length=0)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=PALE, linewidth=0.4)
    for place in range(1, len(names)):
        axes.axvline(place - 0.5, color=PALE, linewidth=0.4)


def _draw_published(figure: Figure, left: float, top: float, name: str) -> None:
    """Draw one of the paper's figures as it printed it: bars with their values."""
    content, encodings = heart_failure()[name], heart_failure()["encodings"]
    models, width = list(content["auc"]), WIDTH / 2 - LEFT - 0.15
    axes = add_axes(figure, left + LEFT, top + TITLE, width, PLOT)
    bar = 0.84 / len(encodings)
    for number, encoding in enumerate(encodings):
        places = np.arange(len(models)) + bar * (number - (len(encodings) - 1) / 2)
        values = [content["auc"][model][number] for model in models]
        axes.bar(places, values, bar, color=PUBLISHED_GREYS[number], label=encoding)
        for place, value in zip(places, values, strict=True):
            text = f"{value:.3f}".lstrip("0")
            axes.text(place, value + 0.01, text, rotation=90, ha="center", va="bottom", size=6)
    _set_axes(axes, models, 0.5)
    lines = [model.replace(" duration", "\nduration") for model in models]
    axes.set_xticks(range(len(models)), lines, rotation=0, fontsize=6)
    axes.set_ylabel("AUC")
    axes.set_title(f"{HEADING.capitalize()}: {SOURCE}, Fig. {name[-1]}\n{months_text(content)}")
    add_legend(figure, left + LEFT, top + TITLE + PLOT + 0.35, "", axes=axes)
