"""The figure of attrition: who was asked what, and who was left, cases and controls side by side.

A column of boxes for each, from all persons of the site to those of the cohort; one column where
there is no outcome. Of a landmark cohort the columns are of persons and of their index dates. Steps
that take out too few to be shown are joined with their neighbours (see ``small_cells``).
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.labels import wrapped
from visitseq.figures.panels import why_nothing
from visitseq.figures.small_cells import FlowStep, flow_steps
from visitseq.figures.study import Study
from visitseq.figures.style import BLUE, GREY, VERMILLION, WIDTH, add_page, empty_figure, new_figure

_HEADINGS = {
    "case": ("Cases", VERMILLION),
    "control": ("Controls", BLUE),
    "person": ("Persons", BLUE),
    "person-year": ("Index dates", VERMILLION),
}
_LINE = 0.13  # inches of a line of text
_PADDING = 0.1
_ARROW = 0.22
_GAP = 0.2  # between the flows of two sites
_LEFT, _COLUMN, _BOX = 0.1, WIDTH / 2, 3.1
_CHARACTERS = 56  # of a line in a box


def draw_attrition(study: Study) -> Figure:
    """Draw the flow of every site and cohort, one below the other."""
    synthetic = any(study.synthetic.values())
    if not study.site_cohorts:
        return empty_figure(why_nothing(study), synthetic=synthetic)
    flows = [_read_flows(study, site, cohort) for site, cohort in study.site_cohorts]
    heights = [max(_height(steps) for steps in flow.values()) + _GAP for flow in flows]
    figure = new_figure(WIDTH, sum(heights), synthetic=synthetic)
    axes, y = add_page(figure), 0.0
    for (site, cohort), flow, height in zip(study.site_cohorts, flows, heights, strict=True):
        axes.text(_LEFT, y + _LINE, f"{site}, {cohort}", va="center")
        for column, (group, steps) in enumerate(flow.items()):
            _draw_flow(axes, _LEFT + column * _COLUMN, y + 2 * _LINE, group, steps)
        y += height
    return figure


def _read_flows(study: Study, site: str, cohort: str) -> dict[str, list[FlowStep]]:
    table = pd.read_csv(study.cohort_folder(site, cohort) / "attrition.csv")
    return {
        str(group): flow_steps(
            steps["criterion"].tolist(), steps["left"].tolist(), study.minimum_cell
        )
        for group, steps in table.groupby("group")
    }


def _box_lines(step: FlowStep) -> list[str]:
    """Lines of a box's criteria, each criterion after a dot where steps were joined."""
    dot = "· " if len(step.criteria) > 1 else ""
    texts = [wrapped(dot + criterion, _CHARACTERS) for criterion in step.criteria]
    return [
        line for text in texts for line in text.replace("\n", "\n" + len(dot) * " ").split("\n")
    ]


def _box_height(step: FlowStep) -> float:
    return _LINE * (len(_box_lines(step)) + 1) + _PADDING


def _height(steps: list[FlowStep]) -> float:
    """Inches of a flow: two headings, boxes and arrows."""
    return 4 * _LINE + sum(_box_height(step) + _ARROW for step in steps) - _ARROW


def _draw_flow(axes: Axes, x: float, y: float, group: str, steps: list[FlowStep]) -> None:
    heading, colour = _HEADINGS[group]
    axes.text(x, y + _LINE, heading, color=colour, weight="bold", va="center")
    y += 2 * _LINE
    for step in steps:
        if step.out is not None:
            _draw_arrow(axes, x + _BOX / 2, y, step.out)
            y += _ARROW
        _draw_box(axes, x, y, step, colour)
        y += _box_height(step)


def _draw_arrow(axes: Axes, x: float, y: float, out: str) -> None:
    style = {"arrowstyle": "-|>", "color": GREY, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=(x, y + _ARROW), xytext=(x, y), arrowprops=style)
    axes.text(x + 0.1, y + _ARROW / 2, f"out: {out}", color=GREY, fontsize=7, va="center")


def _draw_box(axes: Axes, x: float, y: float, step: FlowStep, colour: str) -> None:
    lines, height = _box_lines(step), _box_height(step)
    frame = ((x, y), (x + _BOX, y), (x + _BOX, y + height), (x, y + height), (x, y))
    axes.plot(*zip(*frame, strict=True), color=colour, linewidth=0.8, clip_on=False)
    for number, line in enumerate([*lines, step.left]):
        weight = "bold" if number == len(lines) else "normal"
        height_here = y + _PADDING / 2 + (number + 0.5) * _LINE
        axes.text(x + 0.08, height_here, line, fontsize=7, va="center", weight=weight)
