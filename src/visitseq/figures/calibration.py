"""The figure of calibration: observed against predicted risk, a panel a setting, a colour a model.

A fold's rows are cut by predicted risk into bins of equal information, that is with equal sums of
p (1 - p): ten, or as many as leave each bin the study's minimum of cases and of controls in every
fold. (Bins of equally many rows would have hardly a case in most of them where cases are few, and
give away how many.) A point is a bin: its mean prediction, and the share
of cases among its rows with the 95% interval from the bootstrap draws of the metrics. Bins of
several folds are averaged by their rank (the lowest with each other, and so on), because
probabilities of different folds are not pooled.

Below, the distribution of the predictions, as heights relative to the highest bar. Bars of fewer
persons than the minimum are not drawn.
"""

import math

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.evaluate.ranking import ratio
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.figures.bands import Band, band_over_folds
from visitseq.figures.labels import interval_text, mean_of
from visitseq.figures.model_results import FoldResult, ModelResult
from visitseq.figures.panels import Panel, model_panels, setting_title
from visitseq.figures.small_cells import may_show
from visitseq.figures.study import Study
from visitseq.figures.style import GREY, Look, look_of

Floats = npt.NDArray[np.float64]

BINS = 10
BARS = np.linspace(0, 1, 21)


def draw_calibration(study: Study, results: list[ModelResult]) -> Figure:
    """Draw the calibration of every model."""
    return model_panels(study, results, height=4.7, label=_label, draw=_draw_panel)


def binned_risk(
    folds: list[FoldResult], draws: int, seed: int, minimum: int
) -> tuple[Floats, Band]:
    """Mean prediction of each bin and the observed risk in it, averaged over the folds.

    Every fold has at least ``minimum`` cases and controls.
    """
    bins = next(n for n in range(BINS, 0, -1) if all(_fills(f.rows, n, minimum) for f in folds))
    predicted = [_bin_means(f.rows.score, np.ones((1, len(f.rows))), f.rows, bins) for f in folds]
    observed = [_observed(f.rows, np.ones((1, len(f.rows))), bins)[0] for f in folds]
    drawn = [
        np.concatenate([_observed(f.rows, w, bins) for w in f.rows.weights(draws, seed, f.fold)])
        for f in folds
    ]
    groups = min(len(fold.rows.groups.ids) for fold in folds)
    return np.mean(np.concatenate(predicted), axis=0), band_over_folds(observed, drawn, groups)


def bar_heights(folds: list[FoldResult], minimum: int) -> Floats:
    """Share of the predictions in each bar, averaged over folds, the highest 1; 0 if too small."""
    counts = np.stack([np.histogram(fold.rows.score, BARS)[0] for fold in folds])
    shown = np.array([may_show(int(count), minimum) for count in counts.sum(axis=0)])
    shares = np.mean(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), axis=0) * shown
    return np.asarray(shares / max(shares.max(), np.finfo(np.float64).tiny))


def _bin_starts(rows: ScoredRows, bins: int) -> npt.NDArray[np.int64]:
    """First row of each bin, the bins by falling score, shape (bins,)."""
    information = rows.score * (1 - rows.score)
    reached = np.cumsum(information) - information / 2
    edges = np.arange(bins) * information.sum() / bins
    return np.asarray(np.searchsorted(reached, edges), dtype=np.int64)


def _fills(rows: ScoredRows, bins: int, minimum: int) -> bool:
    """Whether each of so many bins would hold ``minimum`` cases and controls."""
    bin_of_row = np.searchsorted(_bin_starts(rows, bins), np.arange(len(rows)), side="right") - 1
    cases = np.bincount(bin_of_row[rows.case], minlength=bins)
    controls = np.bincount(bin_of_row[~rows.case], minlength=bins)
    return bool(min(cases.min(), controls.min()) >= minimum)


def _observed(rows: ScoredRows, weights: Floats, bins: int) -> Floats:
    return _bin_means(rows.case.astype(np.float64), weights, rows, bins)


def _bin_means(values: Floats, weights: Floats, rows: ScoredRows, bins: int) -> Floats:
    """Weighted mean of ``values`` in each bin, shape (draws, bins)."""
    starts = _bin_starts(rows, bins)
    totals = np.add.reduceat(weights, starts, axis=1)
    return ratio(np.add.reduceat(weights * values, starts, axis=1), totals)


def _label(result: ModelResult) -> str:
    slope, intercept = (
        interval_text(result.means[metric], digits=2)
        for metric in ("calibration_slope", "calibration_intercept")
    )
    return f"{result.model}  {slope}; {intercept}"


def _draw_panel(study: Study, panel: Panel) -> None:
    axes = panel.axes(0.55, 0.4, 2.8, 2.8)
    bars = panel.axes(0.55, 3.65, 2.8, 0.4)
    drawn, highest = panel.may_draw(axes, study.minimum_cell), 0.0
    for result, label in zip(panel.results, panel.labels, strict=True):
        look = look_of(study.models, result.model)
        axes.plot([], [], color=look.colour, marker=look.marker, linestyle="", label=label)
        if drawn:
            binned = binned_risk(result.folds, study.draws, study.seed, study.minimum_cell)
            _draw_points(axes, look, *binned)
            _draw_bars(bars, look, bar_heights(result.folds, study.minimum_cell))
            highest = max(highest, _highest(*binned))
    _finish(axes, bars, math.ceil(highest * 10) / 10 or 1)
    axes.set_title(setting_title(panel.results[0].setting))
    panel.legend(axes, 0.55, 4.55, "Slope; intercept [95% intervals]" + mean_of(study.folds))


def _draw_bars(bars: Axes, look: Look, heights: Floats) -> None:
    bars.stairs(np.where(heights > 0, heights, np.nan), BARS, color=look.colour)


def _draw_points(axes: Axes, look: Look, predicted: Floats, observed: Band) -> None:
    axes.vlines(predicted, observed.low, observed.high, color=look.colour, linewidth=0.8)
    axes.plot(predicted, observed.value, look.marker, color=look.colour)
    axes.plot(predicted, observed.value, color=look.colour, linestyle=look.dash, linewidth=0.6)


def _highest(predicted: Floats, observed: Band) -> float:
    """Highest risk that a model's points and intervals reach."""
    return float(np.nanmax(np.concatenate([predicted, observed.value, observed.high])))


def _finish(axes: Axes, bars: Axes, limit: float) -> None:
    """Give both plots their axes: the points reach up to ``limit``, the bars always to 1."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (1, 2)))
    axes.set(xlim=(0, limit), ylim=(0, limit), xlabel="Predicted risk", ylabel="Observed risk")
    bars.set(xlim=(0, 1), ylim=(0, 1.1), yticks=[], xlabel="Distribution of the predicted risk")
    bars.spines["left"].set_visible(False)
