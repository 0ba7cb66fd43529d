"""The figure of visit frequency: each model's AUROC over all pairs, and within strata of visits.

A panel a site, task and encoding, a line a model. What is left within strata is what a model knows
besides how often somebody came; the dashed line is a model that knows nothing but that.
"""

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from visitseq.figures.dots import DotPanel, dot_panels, draw_dot, finish_auroc
from visitseq.figures.labels import mean_of
from visitseq.figures.panels import setting_title, why_nothing
from visitseq.figures.strata_results import StrataResult
from visitseq.figures.study import Study
from visitseq.figures.style import BLUE, GREY, VERMILLION, Look, empty_figure, say_instead

ALL, WITHIN = Look(VERMILLION, "", "o"), Look(BLUE, "", "s")

_LEGEND = 0.45  # inches
_SIDESTEP = 0.16  # of a line, between a model's two dots


def draw_strata(study: Study, strata: Sequence[StrataResult]) -> Figure:
    """Draw the two AUROCs of every model."""
    synthetic = any(study.synthetic.values())
    if not strata:
        return empty_figure(why_nothing(study), synthetic=synthetic)
    groups = [list(own) for _, own in groupby(strata, key=lambda own: own.result.setting)]
    panels = [_panel(study, group) for group in groups]
    return dot_panels(panels, legend=_LEGEND, synthetic=synthetic)


def _panel(study: Study, group: list[StrataResult]) -> DotPanel:
    title = setting_title(group[0].result.setting)
    names = [own.result.name for own in group]
    return DotPanel(title, names, lambda axes: _draw_panel(axes, study, group))


def _draw_panel(axes: Axes, study: Study, group: list[StrataResult]) -> None:
    if min(own.result.smallest_class for own in group) < study.minimum_cell:
        say_instead(
            axes, f"not drawn: fewer than {study.minimum_cell} cases\nor controls in a test part"
        )
        return
    for line, own in enumerate(group):
        draw_dot(axes, line - _SIDESTEP, own.result.means["auroc"], ALL, filled=False)
        draw_dot(axes, line + _SIDESTEP, own.within, WITHIN)
    axes.plot([], [], ALL.marker, color=ALL.colour, fillstyle="none", label="all pairs")
    axes.plot([], [], WITHIN.marker, color=WITHIN.colour, label="as many visits")
    for own in group:
        if own.result.model in study.frequency:
            value = own.result.means["auroc"].value
            axes.axvline(value, color=GREY, linewidth=0.8, linestyle="--", label=own.result.model)
    finish_auroc(axes, "AUROC" + mean_of(study.folds))
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.4, 0),
        bbox_transform=axes.transAxes + ScaledTranslation(0, -0.42, axes.figure.dpi_scale_trans),
        ncols=2,
        borderaxespad=0,
        columnspacing=1,
    )
