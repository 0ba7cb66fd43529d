"""The figure of ROC curves: a panel a site, task and encoding, a curve a model.

Curves of several folds are averaged vertically: at each false positive rate, the mean of the
folds' true positive rates (Fawcett, Pattern Recognition Letters 2006;27:861, section 8). The band
is the pointwise 95% interval from the bootstrap draws of the metrics: draw d of the mean is the
mean of the folds' draws d.
"""

from itertools import groupby

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from visitseq.evaluate.ranking import ratio, roc_curve
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.figures.bands import Band, band_over_folds
from visitseq.figures.labels import interval_text, mean_of
from visitseq.figures.model_results import FoldResult, ModelResult
from visitseq.figures.panels import Panel, model_panels, panel_title
from visitseq.figures.study import Study
from visitseq.figures.style import GREY, Look, look_of

Floats = npt.NDArray[np.float64]

#: The oracle that is drawn; the other knows what no model could.
CEILING = "oracle"
CEILING_LOOK = Look(GREY, "--", "")
CEILING_WIDTH = 0.8
GRID = np.linspace(0, 1, 201)  # false positive rates


def draw_roc(study: Study, results: list[ModelResult], ceilings: list[ModelResult]) -> Figure:
    """Draw the ROC curves of every model, and the oracle's as the ceiling where there is one."""
    oracles = {ceiling.setting: ceiling for ceiling in ceilings if ceiling.model == CEILING}
    shown = []
    for setting, models in groupby(results, key=lambda result: result.setting):
        shown += [*models, *([oracles[setting]] if setting in oracles else [])]
    return model_panels(study, shown, height=3.45, label=_label, draw=_draw_panel)


def mean_roc(folds: list[FoldResult], draws: int, seed: int) -> Band:
    """Mean true positive rate over the folds at each point of ``GRID``; all have both classes."""
    values = [_sensitivities(fold.rows, np.ones((1, len(fold.rows))))[0] for fold in folds]
    drawn = [
        np.concatenate([_sensitivities(f.rows, w) for w in f.rows.weights(draws, seed, f.fold)])
        for f in folds
    ]
    return band_over_folds(values, drawn, min(len(fold.rows.groups.ids) for fold in folds))


def _sensitivities(rows: ScoredRows, weights: Floats) -> Floats:
    """True positive rate at each point of ``GRID``, shape (draws, points); NaN without a class."""
    positives, negatives = roc_curve(rows, weights)
    true_rate = ratio(positives, positives[:, -1:])
    false_rate = ratio(negatives, negatives[:, -1:])
    # Where the curve rises straight up, interp takes its upper end.
    curves = np.stack([np.interp(GRID, x, y) for x, y in zip(false_rate, true_rate, strict=True)])
    curves[negatives[:, -1] == 0] = np.nan
    return curves


def _label(result: ModelResult) -> str:
    name = "ceiling (oracle)" if result.model == CEILING else result.name
    return f"{name}  {interval_text(result.means['auroc'], digits=3)}"


def _draw_panel(study: Study, panel: Panel) -> None:
    axes = panel.axes(0.55, 0, 2.8, 2.8)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (1, 2)))
    drawn = panel.may_draw(axes, study.minimum_cell)
    for result, label in zip(panel.results, panel.labels, strict=True):
        look = CEILING_LOOK if result.model == CEILING else look_of(study.models, result.model)
        (line,) = axes.plot([], [], color=look.colour, linestyle=look.dash, label=label)
        if result.model == CEILING:
            line.set_linewidth(CEILING_WIDTH)
        if drawn:
            _draw_curve(axes, line, mean_roc(result.folds, study.draws, study.seed))
    axes.set(
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        xlabel="False positive rate",
        ylabel="True positive rate",
        title=panel_title(study, panel.results[0]),
    )
    panel.legend(axes, 0.55, 3.3, "AUROC [95% interval]" + mean_of(study.folds))


def _draw_curve(axes: Axes, line: Line2D, band: Band) -> None:
    # From (0, 0) on: a curve that rises at once has its first step drawn.
    line.set_data(np.append(0.0, GRID), np.append(0.0, band.value))
    axes.fill_between(GRID, band.low, band.high, color=line.get_color(), alpha=0.12, linewidth=0)
