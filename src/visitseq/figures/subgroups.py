"""The figure of subgroups: a model's AUROC in women and men, in age bands and by race.

A panel a site, task and encoding, a line a subgroup; the dashed line is the AUROC on all rows.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.dots import DotPanel, dot_panels, draw_dot, finish_auroc
from visitseq.figures.labels import mean_of
from visitseq.figures.panels import setting_title, why_nothing
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Study
from visitseq.figures.style import BLUE, GREY, Look, empty_figure, say_instead
from visitseq.figures.subgroup_results import OTHER, UNKNOWN, Subgroup, SubgroupResult

LOOK = Look(BLUE, "", "o")


def draw_subgroups(study: Study, results: Sequence[SubgroupResult]) -> Figure:
    """Draw the AUROC in every subgroup of every setting."""
    synthetic = any(study.synthetic.values())
    if not results:
        return empty_figure(why_nothing(study), synthetic=synthetic)
    panels = [_panel(study, own) for own in results]
    return dot_panels(panels, legend=0, synthetic=synthetic)


def _panel(study: Study, own: SubgroupResult) -> DotPanel:
    title = f"{setting_title(own.result.setting)}\n{own.result.name}"
    names = ["all", *(_name(group) for group in own.subgroups)]
    return DotPanel(title, names, lambda axes: _draw_panel(axes, study, own))


def _name(group: Subgroup) -> str:
    named = group.level not in (OTHER, UNKNOWN)
    return group.level if named else f"{group.variable}: {group.level}"


def _draw_panel(axes: Axes, study: Study, own: SubgroupResult) -> None:
    if own.result.smallest_class < study.minimum_cell:
        say_instead(
            axes, f"not drawn: fewer than {study.minimum_cell} cases\nor controls in a test part"
        )
        return
    overall = own.result.means["auroc"]
    draw_dot(axes, 0, overall, LOOK)
    axes.axvline(overall.value, color=GREY, linewidth=0.6, linestyle="--", zorder=0)
    for line, group in enumerate(own.subgroups, start=1):
        if not group.hidden:
            draw_dot(axes, line, group.means["auroc"], LOOK)
    finish_auroc(axes, "AUROC" + mean_of(study.folds))
    _say_what_is_missing(axes, own.subgroups)
    for line, (before, after) in enumerate(pairwise(own.subgroups), start=1):
        if before.variable != after.variable:
            axes.axhline(line + 0.5, color=GREY, linewidth=0.3)


def _say_what_is_missing(axes: Axes, subgroups: list[Subgroup]) -> None:
    """Write at the middle of a line why it has no dot."""
    across = axes.get_yaxis_transform()
    for line, group in enumerate(subgroups, start=1):
        if group.hidden or math.isnan(group.means["auroc"].value):
            text = SUPPRESSED if group.hidden else "undefined"
            shown = axes.text(0.5, line, text, transform=across, fontsize=6, color=GREY)
            shown.set(ha="center", va="center")
