"""The figure of calibration: observed against predicted risk, a panel a setting, a colour a model.

A fold's rows are cut by predicted risk into bins of equal information, that is with equal sums of
p (1 - p): ten, or as many as leave each bin the study's minimum of cases and of controls in every
fold. (Bins of equally many rows would have hardly a case in most of them where cases are few, and
give away how many.) A point is a bin: its mean prediction, and the share
of cases among its rows with the 95% interval from the bootstrap draws of the metrics. Bins of
several folds are averaged by their rank (the lowest with each other, and so on), because
probabilities of different folds are not pooled.

A single bin is the mean of all rows: it lies near the diagonal whatever the single predictions are
worth, and is not drawn.

Below, on the same axis, the density of the predictions relative to the highest bar. Bars of fewer
rows than the minimum are joined with their neighbours, so that nobody is left out; one that holds
anybody is drawn high enough to be seen.
"""

import math

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.evaluate.ranking import ratio
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.figures.bands import Band, band_over_folds
from visitseq.figures.labels import interval_text, mean_of
from visitseq.figures.model_results import FoldResult, ModelResult
from visitseq.figures.panels import Panel, model_panels, panel_title
from visitseq.figures.small_cells import may_show
from visitseq.figures.study import Study
from visitseq.figures.style import GREY, Look, look_of

Floats = npt.NDArray[np.float64]

BINS = 10
BARS = np.linspace(0, 1, 21)
SEEN = 0.08  # height of the lowest bar
ONE_BIN = " " + "(one bin: not drawn)".replace(" ", "\N{NO-BREAK SPACE}")  # on one line


def draw_calibration(study: Study, results: list[ModelResult]) -> Figure:
    """Draw the calibration of every model."""
    return model_panels(
        study,
        results,
        height=4.3,
        label=lambda result: _label(result, study.minimum_cell),
        draw=_draw_panel,
    )


def bin_number(folds: list[FoldResult], minimum: int) -> int:
    """Into how many bins the rows are cut; every fold has ``minimum`` cases and controls."""
    return next(n for n in range(BINS, 0, -1) if all(_fills(f.rows, n, minimum) for f in folds))


def binned_risk(
    folds: list[FoldResult], draws: int, seed: int, minimum: int
) -> tuple[Floats, Band]:
    """Mean prediction of each bin and the observed risk in it, averaged over the folds.

    Every fold has at least ``minimum`` cases and controls.
    """
    bins = bin_number(folds, minimum)
    predicted = [
        _bin_means(f.rows.probability, np.ones((1, len(f.rows))), f.rows, bins) for f in folds
    ]
    observed = [_observed(f.rows, np.ones((1, len(f.rows))), bins)[0] for f in folds]
    drawn = [
        np.concatenate([_observed(f.rows, w, bins) for w in f.rows.weights(draws, seed, f.fold)])
        for f in folds
    ]
    groups = min(len(fold.rows.groups.ids) for fold in folds)
    return np.mean(np.concatenate(predicted), axis=0), band_over_folds(observed, drawn, groups)


def joined_bars(folds: list[FoldResult], minimum: int, seeds: int = 1) -> tuple[Floats, Floats]:
    """Edges of the bars, and the density of the predictions in each, averaged over the folds.

    Parameters
    ----------
    folds
        Folds with at least ``minimum`` rows together, those of one seed after those of the other.
    minimum
        Smallest number of rows, but 0, in a bar, for each of the seeds.
    seeds
        With how many seeds the model was trained; all are tested on the same rows.

    Returns
    -------
    edges, heights
        Shapes (bars + 1,) and (bars,); the highest bar is 1.
    """
    counts = np.stack([np.histogram(fold.rows.probability, BARS)[0] for fold in folds])
    starts = _join(counts.reshape(seeds, -1, counts.shape[1]).sum(axis=1), minimum)
    edges = BARS[[*starts, len(BARS) - 1]]
    shares = np.add.reduceat(counts / counts.sum(axis=1, keepdims=True), starts, axis=1)
    density = shares.mean(axis=0) / np.diff(edges)
    return edges, np.asarray(density / density.max())


def _join(counts: npt.NDArray[np.int64], minimum: int) -> list[int]:
    """First place of each bar, joined from the highest on until it holds 0 or enough.

    ``counts`` has the shape (seeds, bars); a bar holds enough where it does for every seed.
    """
    starts, end = [], counts.shape[1]
    for place in reversed(range(counts.shape[1])):
        if _all_may_show(counts[:, place:end], minimum):
            starts.append(place)
            end = place
    if end:
        # What is left at the lower end joins as many of the bars above it as it takes.
        while starts and not _all_may_show(counts[:, : starts[-1]], minimum):
            starts.pop()
        starts.append(0)
    return starts[::-1]


def _all_may_show(counts: npt.NDArray[np.int64], minimum: int) -> bool:
    return all(may_show(int(held), minimum) for held in counts.sum(axis=1))


def _bin_starts(rows: ScoredRows, bins: int) -> npt.NDArray[np.int64]:
    """First row of each bin, the bins by falling score, shape (bins,)."""
    information = rows.probability * (1 - rows.probability)
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


def _label(result: ModelResult, minimum: int) -> str:
    slope, intercept = (
        interval_text(result.means[metric], digits=2)
        for metric in ("calibration_slope", "calibration_intercept")
    )
    alone = result.smallest_class >= minimum and bin_number(result.folds, minimum) == 1
    return f"{result.name}  {slope}; {intercept}" + (ONE_BIN if alone else "")


def _draw_panel(study: Study, panel: Panel) -> None:
    axes = panel.axes(0.55, 0, 2.8, 2.8)
    bars = panel.axes(0.55, 3.25, 2.8, 0.4)
    drawn, highest = panel.may_draw(axes, study.minimum_cell), 0.0
    for result, label in zip(panel.results, panel.labels, strict=True):
        look = look_of(study.models, result.model)
        axes.plot([], [], color=look.colour, marker=look.marker, linestyle="", label=label)
        if drawn:
            highest = max(highest, _draw_model(study, axes, bars, result, look))
    _finish(axes, bars, math.ceil(highest * 10) / 10 or 1)
    axes.set_title(panel_title(study, panel.results[0]))
    panel.legend(axes, 0.55, 4.15, "Slope; intercept [95% intervals]" + mean_of(study.folds))


def _draw_model(study: Study, axes: Axes, bars: Axes, result: ModelResult, look: Look) -> float:
    """Draw a model's points and bars; return the highest risk that they reach."""
    edges, heights = joined_bars(result.folds, study.minimum_cell, result.seeds)
    seen = np.where(heights > 0, np.maximum(heights, SEEN), np.nan)
    bars.stairs(seen, edges, color=look.colour)
    highest = float(edges[1:][heights > 0].max())
    predicted, observed = binned_risk(result.folds, study.draws, study.seed, study.minimum_cell)
    if len(predicted) > 1:
        _draw_points(axes, look, predicted, observed)
        highest = max(highest, float(np.nanmax([*predicted, *observed.value, *observed.high])))
    return highest


def _draw_points(axes: Axes, look: Look, predicted: Floats, observed: Band) -> None:
    axes.vlines(predicted, observed.low, observed.high, color=look.colour, linewidth=0.8)
    axes.plot(predicted, observed.value, look.marker, color=look.colour)
    axes.plot(predicted, observed.value, color=look.colour, linestyle=look.dash, linewidth=0.6)


def _finish(axes: Axes, bars: Axes, limit: float) -> None:
    """Give both plots the same axis of predicted risk, from 0 to ``limit``."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (1, 2)))
    axes.set(xlim=(0, limit), ylim=(0, limit), xlabel="Predicted risk", ylabel="Observed risk")
    bars.set(xlim=(0, limit), ylim=(0, 1.1), yticks=[], xlabel="Distribution of the predicted risk")
    bars.spines["left"].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis, bars.xaxis):
        # Few and short labels (no 0.025), so that none comes near its neighbour or the page's edge.
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
