"""The figure of calibration at the target: intercept and slope, before and after recalibration.

A row a direction, task with an outcome and encoding, a line a model and strategy; of those trained
at the target, the largest share of its training part. Open: the probabilities as they are. Filled:
after logistic recalibration, fitted to the target's validation part (evaluate/recalibration.py).
"""

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.evaluate.estimate import Estimate
from visitseq.figures.dots import draw_dot
from visitseq.figures.labels import mean_of
from visitseq.figures.legends import add_legend, legend_height
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Study
from visitseq.figures.style import GREY, PALE, WIDTH, add_axes, empty_figure, new_figure
from visitseq.figures.transfer_counts import may_show_arm
from visitseq.figures.transfer_looks import LOOKS
from visitseq.figures.transfer_results import STRATEGIES, Arm, TransferResult

#: Each measure, and its value where the probabilities are right.
RIGHT = {"intercept": 0.0, "slope": 1.0}
STATES = {"calibration": "as it is", "recalibrated": "recalibrated at the target"}
# Inches.
TITLE, BELOW, LINE = 0.5, 0.5, 0.21
LEFTS, PLOT = {"intercept": 2.1, "slope": 4.65}, 2.2
NAME_CHARACTERS = 18
APART = 0.16  # between before and after, of a line
MARGIN = 0.08  # of the axis beyond what it shows
NARROWEST = 0.5  # that the dots are taken to span


def draw_transfer_calibration(study: Study, results: list[TransferResult]) -> Figure:
    """Draw the calibration of every model of a task with an outcome."""
    synthetic = any(study.synthetic.values())
    onsets = [result for result in results if result.kind == "onset"]
    if not onsets:
        reason = "no model of a task with an outcome was moved"
        return empty_figure(reason, synthetic=synthetic)
    rows = [list(own) for _, own in groupby(onsets, key=lambda result: result.direction)]
    heights = [LINE * sum(len(arms_shown(result)) for result in own) for own in rows]
    tops = [sum(heights[:place]) + place * (TITLE + BELOW) + TITLE for place in range(len(rows))]
    end = tops[-1] + heights[-1] + BELOW
    legend = legend_height(len(STATES), WIDTH)
    figure = new_figure(WIDTH, end + legend, synthetic=synthetic)
    for top, height, own in zip(tops, heights, rows, strict=True):
        for measure, left in LEFTS.items():
            axes = add_axes(figure, left, top, PLOT, height)
            _draw_measure(study, axes, own, measure)
    for state, label in STATES.items():
        fill = _fill(state)
        figure.axes[0].plot([], [], "o", color=GREY, fillstyle=fill, label=label)
    add_legend(figure, 0.1, end, "Calibration at the target [95% interval]" + mean_of(study.folds))
    return figure


def arms_shown(result: TransferResult) -> list[Arm]:
    """The zero-shot model, and each strategy at the largest share of the training part."""
    largest = max((arm.fraction for arm in result.trained), default=0)
    return [result.zero_shot, *(arm for arm in result.trained if arm.fraction == largest)]


def _draw_measure(
    study: Study, axes: Axes, results: Sequence[TransferResult], measure: str
) -> None:
    lines = [(result, arm) for result in results for arm in arms_shown(result)]
    shown = [arm for own, arm in lines if may_show_arm(own, arm, study.minimum_cell)]
    _set_limits(axes, measure, shown)
    axes.axvline(RIGHT[measure], color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
    for line, (result, arm) in enumerate(lines):
        if arm in shown:
            _draw_arm(axes, line, arm, measure)
        else:
            _say(axes, line, SUPPRESSED)
        if line and arm is result.zero_shot:
            axes.axhline(line - 0.5, color=PALE, linewidth=0.6)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlabel(f"Calibration {measure} ({RIGHT[measure]:g} is right)")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.tick_params(axis="y", length=0)
    names = [_name(result, arm) for result, arm in lines]
    axes.set_yticks(range(len(lines)), names if measure == "intercept" else [])
    if measure == "intercept":
        direction = results[0].direction
        title = f"{direction.arrow}\n{direction.task}, {direction.encoding}"
        axes.set_title(title, x=(0.1 - LEFTS[measure]) / PLOT)


def _name(result: TransferResult, arm: Arm) -> str:
    """Name the strategy, at the first line of a model the model too."""
    model = result.model
    if len(model) > NAME_CHARACTERS:
        model = f"{model[: NAME_CHARACTERS - 1]}…"
    share = f" {arm.fraction}%" if arm.fraction else ""
    name = f"{STRATEGIES[arm.strategy]}{share}"
    return f"{model}   {name}" if arm is result.zero_shot else name


def _draw_arm(axes: Axes, line: int, arm: Arm, measure: str) -> None:
    estimates = {state: _estimate(arm, state, measure) for state in STATES}
    for state, estimate in estimates.items():
        place = line + (APART if state == "recalibrated" else -APART)
        draw_dot(axes, place, estimate, LOOKS[arm.strategy], filled=_fill(state) == "full")
    if all(math.isnan(estimate.value) for estimate in estimates.values()):
        _say(axes, line, "not estimable" if arm.fraction else "undefined")


def _say(axes: Axes, line: int, text: str) -> None:
    said = axes.text(0.5, line, text, transform=axes.get_yaxis_transform(), fontsize=6)
    said.set(color=GREY, ha="center", va="center")


def _fill(state: str) -> str:
    return "full" if state == "recalibrated" else "none"


def _estimate(arm: Arm, state: str, measure: str) -> Estimate:
    return arm.means[f"{state}_{measure}"]


def _set_limits(axes: Axes, measure: str, arms: Sequence[Arm]) -> None:
    """Show every dot; an interval that reaches far beyond all of them is cut by the axis."""
    estimates = [_estimate(arm, state, measure)[:3] for arm in arms for state in STATES]
    values, *ends = np.array([*estimates, [RIGHT[measure]] * 3], dtype=np.float64).T
    low, high = np.nanmin(values), np.nanmax(values)
    span = max(high - low, NARROWEST)
    low, high = max(low - span, np.nanmin(ends)), min(high + span, np.nanmax(ends))
    axes.set_xlim(low - MARGIN * span, high + MARGIN * span)
