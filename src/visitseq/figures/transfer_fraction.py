"""The figure of how much of the target's training part is needed: the metric by its share.

A panel a direction, task, encoding and model, a line a strategy. The grey band is the source's
model as it is. Under each share stands how many cases (persons, where visits are predicted) that
makes. An arm with too few of them is not estimable, and marked at the foot of its share.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.evaluate.estimate import Estimate
from visitseq.figures.labels import mean_of
from visitseq.figures.legends import add_legend, legend_height
from visitseq.figures.study import Study
from visitseq.figures.style import GREY, PALE, WIDTH, empty_figure, new_figure
from visitseq.figures.transfer_counts import training_counts
from visitseq.figures.transfer_looks import LOOKS, draw_panels, may_draw, panels_height
from visitseq.figures.transfer_results import (
    MAIN_LABELS,
    STRATEGIES,
    ZERO_SHOT,
    Arm,
    TransferResult,
)

BELOW = 0.68  # inches under a plot
SPREAD = 0.14  # between the strategies of a share, of the room that it has
FOOT = 0.035  # height of the mark of an arm that is not estimable, of the axis


def draw_by_fraction(study: Study, results: list[TransferResult]) -> Figure:
    """Draw every model that was trained at a target, by the share of its training part."""
    synthetic = any(study.synthetic.values())
    shown = [result for result in results if result.trained]
    if not shown:
        return empty_figure("no model was trained at a target", synthetic=synthetic)
    height = panels_height(len(shown), BELOW)
    figure = new_figure(WIDTH, height + legend_height(6, WIDTH), synthetic=synthetic)
    draw_panels(figure, shown, BELOW, lambda axes, result: _draw_panel(study, axes, result))
    if any(axes.axison for axes in figure.axes):
        drawn = [own for own in shown if own.zero_shot.may_show(study.minimum_cell)]
        _name_looks(figure.axes[0], drawn)
        title = "Mean over the draws of training rows [95% interval]" + mean_of(study.folds)
        add_legend(figure, 0.1, height, title)
    return figure


def _draw_panel(study: Study, axes: Axes, result: TransferResult) -> None:
    if not may_draw(study, axes, result):
        return
    fractions = sorted({arm.fraction for arm in result.trained})
    _draw_zero_shot(axes, result.zero_shot.means[result.main])
    strategies = list(dict.fromkeys(arm.strategy for arm in result.trained))
    for place, strategy in enumerate(strategies):
        offset = SPREAD * (place - (len(strategies) - 1) / 2)
        arms = [arm for arm in result.trained if arm.strategy == strategy]
        _draw_strategy(axes, fractions, offset, arms, result.main)
    axes.set_xticks(range(len(fractions)), _ticks(study, result, fractions))
    noun = "persons" if result.kind == "next_visit" else "cases"
    axes.set_xlabel(f"Share of the target's training part, and {noun} in it")
    axes.set(xlim=(-0.5, len(fractions) - 0.5), ylabel=MAIN_LABELS[result.kind])
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color=PALE, linewidth=0.4)


def _draw_zero_shot(axes: Axes, estimate: Estimate) -> None:
    if math.isnan(estimate.value):
        return
    look = LOOKS[ZERO_SHOT]
    axes.axhline(estimate.value, color=look.colour, linewidth=0.8)
    if not math.isnan(estimate.low):
        axes.axhspan(estimate.low, estimate.high, color=look.colour, alpha=0.15, linewidth=0)


def _draw_strategy(
    axes: Axes, fractions: Sequence[int], offset: float, arms: Sequence[Arm], metric: str
) -> None:
    look = LOOKS[arms[0].strategy]
    x = np.array([fractions.index(arm.fraction) + offset for arm in arms])
    value, low, high = np.array([arm.means[metric][:3] for arm in arms], dtype=np.float64).T
    axes.errorbar(
        x,
        value,
        yerr=np.nan_to_num(np.stack([value - low, high - value])),
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker,
        linewidth=0.8,
        elinewidth=0.7,
    )
    missing = x[np.isnan(value)]
    if len(missing):
        across = axes.get_xaxis_transform()
        feet = np.full(len(missing), FOOT)
        axes.plot(missing, feet, "x", color=look.colour, transform=across, markersize=3.5)


def _name_looks(axes: Axes, results: Sequence[TransferResult]) -> None:
    """Give the legend what it names: every strategy that is drawn, in order."""
    arms = [arm for result in results for arm in [result.zero_shot, *result.trained]]
    drawn = {arm.strategy for arm in arms}
    for strategy, label in STRATEGIES.items():
        if strategy in drawn:
            look = LOOKS[strategy]
            marker = "" if strategy == ZERO_SHOT else look.marker
            axes.plot([], [], look.dash + marker, color=look.colour, linewidth=0.8, label=label)
    estimates = [(arm.means, result.main) for result in results for arm in result.trained]
    if any(math.isnan(means[main].value) for means, main in estimates):
        axes.plot([], [], "x", color=GREY, markersize=3.5, label="not estimable or undefined")


def _ticks(study: Study, result: TransferResult, fractions: Sequence[int]) -> list[str]:
    """Write each share, and the cases or persons that were trained on."""
    counts = {arm.fraction: arm.training for arm in result.trained if arm.training}
    texts = {f: training_counts(own, study.minimum_cell) for f, own in counts.items()}
    return [f"{fraction}%\n{texts[fraction][1] or texts[fraction][0]}" for fraction in fractions]
