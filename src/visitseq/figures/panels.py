"""Panels of a figure of models: one a site, task and encoding, two in a row.

Everything is placed in inches, so that no figure depends on what a layout engine makes of it. A
panel has its title at the top, below it its plots, as high as its figure says, and below them a
legend with a line or more for each model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.labels import wrapped
from visitseq.figures.model_results import ModelResult
from visitseq.figures.rows_tested import rows_tested
from visitseq.figures.study import Setting, Study
from visitseq.figures.style import MARGIN, WIDTH, add_axes, empty_figure, new_figure

PANEL = WIDTH / 2
TITLE = 0.54  # three lines
LEGEND_LINE = 0.145
LEGEND_CHARACTERS = 52
FEW = "\n(few cases or controls in a test part)"


@dataclass(frozen=True, eq=False)
class Panel:
    """A place on a figure, and the models that it shows.

    Attributes
    ----------
    left, top
        The upper left corner of what is below the title, in inches.
    few
        Whether a test part holds fewer cases or controls than may be shown.
    """

    figure: Figure
    left: float
    top: float
    results: list[ModelResult]
    labels: list[str]
    few: bool

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes, in inches from the corner."""
        return add_axes(self.figure, self.left + left, self.top + top, width, height)

    def may_draw(self, axes: Axes, minimum: int) -> bool:
        """Whether every test part has ``minimum`` cases and controls; ``axes`` say if not."""
        if not self.few:
            return True
        reason = f"not drawn: fewer than {minimum} cases\nor controls in a test part"
        axes.text(0.5, 0.5, reason, ha="center", transform=axes.transAxes, backgroundcolor="white")
        return False

    def legend(self, axes: Axes, left: float, top: float, title: str) -> None:
        """Add the legend of ``axes`` at a place in inches from the corner."""
        height = self.figure.get_size_inches()[1]
        axes.legend(
            title=title + (FEW if self.few else ""),
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
        Inches of a panel between its title and its legend.
    label
        Text of a model in the legend.
    draw
        Fills a panel.
    """
    if not results:
        return empty_figure(why_nothing(study), synthetic=any(study.synthetic.values()))
    groups = [list(group) for _, group in groupby(results, key=lambda result: result.setting)]
    labels = [[_legend_text(label(result)) for result in group] for group in groups]
    few = [min(result.smallest_class for result in g) < study.minimum_cell for g in groups]
    lines = max(sum(text.count("\n") + 1 for text in of_panel) for of_panel in labels) + any(few)
    panel_height = TITLE + height + LEGEND_LINE * (lines + 2)
    columns = min(2, len(groups))
    figure = new_figure(
        columns * PANEL,
        -(-len(groups) // columns) * panel_height,
        synthetic=any(study.synthetic.values()),
    )
    for place, (group, texts) in enumerate(zip(groups, labels, strict=True)):
        row, column = divmod(place, columns)
        top = row * panel_height + TITLE
        draw(study, Panel(figure, column * PANEL, top, group, texts, few[place]))
    return figure


def _legend_text(label: str) -> str:
    """Break a label into lines, but no interval at its comma."""
    return wrapped(label.replace(", ", ",\N{NO-BREAK SPACE}"), LEGEND_CHARACTERS)


def setting_title(setting: Setting) -> str:
    """Title of a panel: the site, and under it what was predicted from what."""
    return f"{setting.site}\n{setting.task}, {setting.encoding}"


def panel_title(study: Study, result: ModelResult) -> str:
    """Title of a panel whose rows are counted: beneath, how many they are."""
    folds = len(result.tested)
    rows = rows_tested(study, result).words + (f" in {folds} folds" if folds > 1 else "")
    return f"{setting_title(result.setting)}\n{rows}"


def why_nothing(study: Study) -> str:
    """Say which list of the study is empty, so that there is nothing to show."""
    lists = {
        "site": study.synthetic,
        "task with an outcome": study.outcomes,
        "encoding": study.encodings,
        "model": study.models,
        "fold": study.folds,
    }
    return f"no {next((name for name, names in lists.items() if not names), 'model')} was run"
