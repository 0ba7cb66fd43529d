"""Panels of a figure of models: one a site, task and encoding, two in a row.

Everything is placed in inches, so that no figure depends on what a layout engine makes of it. A
panel has its plots at the top, as high as its figure says, and below them a legend with a line or
more for each model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.labels import wrapped
from visitseq.figures.model_results import ModelResult
from visitseq.figures.study import Setting, Study
from visitseq.figures.style import MARGIN, WIDTH, add_axes, empty_figure, new_figure

PANEL = WIDTH / 2
LEGEND_LINE = 0.145
LEGEND_CHARACTERS = 52


@dataclass(frozen=True, eq=False)
class Panel:
    """A place on a figure, its upper left corner in inches, and the models that it shows."""

    figure: Figure
    left: float
    top: float
    results: list[ModelResult]
    labels: list[str]

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes, in inches from the panel's upper left corner."""
        return add_axes(self.figure, self.left + left, self.top + top, width, height)

    def may_draw(self, axes: Axes, minimum: int) -> bool:
        """Whether every test part has ``minimum`` cases and controls; ``axes`` say if not."""
        if min(result.smallest_class for result in self.results) >= minimum:
            return True
        reason = f"not drawn: fewer than {minimum} cases\nor controls in a test part"
        axes.text(0.5, 0.5, reason, ha="center", transform=axes.transAxes, backgroundcolor="white")
        return False

    def legend(self, axes: Axes, left: float, top: float, title: str) -> None:
        """Add the legend of ``axes``, its upper left corner in inches from the panel's."""
        height = self.figure.get_size_inches()[1]
        axes.legend(
            title=title,
            loc="upper left",
            bbox_to_anchor=(self.left + left, height - MARGIN - self.top - top),
            bbox_transform=self.figure.dpi_scale_trans,
            borderaxespad=0,
            alignment="left",
        )


def model_panels(
    study: Study,
    results: list[ModelResult],
    *,
    height: float,
    label: Callable[[ModelResult], str],
    draw: Callable[[Study, Panel], None],
) -> Figure:
    """Draw a panel for each setting.

    Parameters
    ----------
    height
        Inches of a panel above its legend.
    label
        Text of a model in the legend.
    draw
        Fills a panel.
    """
    if not results:
        return empty_figure(why_nothing(study), synthetic=any(study.synthetic.values()))
    groups = [list(group) for _, group in groupby(results, key=lambda result: result.setting)]
    labels = [[_legend_text(label(result)) for result in group] for group in groups]
    lines = max(sum(text.count("\n") + 1 for text in of_panel) for of_panel in labels)
    panel_height = height + LEGEND_LINE * (lines + 2)
    columns = min(2, len(groups))
    figure = new_figure(
        columns * PANEL,
        -(-len(groups) // columns) * panel_height,
        synthetic=any(study.synthetic.values()),
    )
    for place, (group, texts) in enumerate(zip(groups, labels, strict=True)):
        row, column = divmod(place, columns)
        draw(study, Panel(figure, column * PANEL, row * panel_height, group, texts))
    return figure


def _legend_text(label: str) -> str:
    """Break a label into lines, but no interval at its comma."""
    return wrapped(label.replace(", ", ",\N{NO-BREAK SPACE}"), LEGEND_CHARACTERS)


def setting_title(setting: Setting) -> str:
    """Title of a panel: the site, and under it what was predicted from what."""
    return f"{setting.site}\n{setting.task}, {setting.encoding}"


def why_nothing(study: Study) -> str:
    """Say which list of the study is empty, so that there is nothing to show."""
    lists = {
        "site": study.synthetic,
        "task with an outcome": study.outcomes,
        "encoding": study.encodings,
        "model": study.models,
        "fold": study.folds,
    }
    return f"no {next(name for name, names in lists.items() if not names)} was run"
