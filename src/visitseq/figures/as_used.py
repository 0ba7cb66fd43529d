"""The figure of the score as it would be used: a row a site, task and encoding.

Left the AUROC of each model on the case-control sample that it is made for, on the landmark rows,
and, where the study has that, of the same model trained on those. In the middle calibration on the
landmark rows, before and after recalibration, on logarithmic axes: a case-control sample has far
more cases, so raw risks are too high by about as much. Right the decision curve: the net benefit of
acting on the recalibrated risk, beside that of flagging everybody or nobody.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from visitseq.evaluate.as_used_content import (
    CASE_CONTROL,
    LANDMARK,
    RAW,
    RECALIBRATED,
    TRAINED_THERE,
    TREAT_ALL,
)
from visitseq.figures.as_used_results import AS_USED, AsUsed
from visitseq.figures.as_used_table import may_show_place
from visitseq.figures.dots import draw_dot, finish_auroc
from visitseq.figures.labels import interval_text, mean_of
from visitseq.figures.legends import LINE, add_legend, legend_height
from visitseq.figures.rows_tested import show_rows
from visitseq.figures.small_cells import HIDDEN, SUPPRESSED
from visitseq.figures.study import Setting, Study
from visitseq.figures.style import (
    GREY,
    PALE,
    WIDTH,
    Look,
    add_axes,
    empty_figure,
    look_of,
    new_figure,
    say_instead,
)

#: What is drawn of a model on the left, and what a line is called.
LINES = {CASE_CONTROL: "case-control", AS_USED: "as used", TRAINED_THERE: "trained there"}
SMALLEST_RISK = 1e-4  # that the axes of calibration show
# Inches.
TITLE, BELOW, DOT_LINE, SMALLEST = 0.54, 0.5, 0.2, 1.6
LEFT, DOTS = 1.5, 1.3
CURVES, CURVE = (3.4, 5.45), 1.45


def draw_as_used(study: Study, results: list[AsUsed]) -> Figure:
    """Draw every model that was scored on a landmark cohort."""
    synthetic = any(study.synthetic.values())
    shown = [result for result in results if study.first_of(result.model) == result.model]
    if not shown:
        reason = "no case-control model was scored on a landmark cohort"
        return empty_figure(reason, synthetic=synthetic)
    rows = [
        list(own) for _, own in groupby(shown, key=lambda result: (result.setting, result.landmark))
    ]
    heights = [max(SMALLEST, DOT_LINE * len(_lines(own))) for own in rows]
    notes = [LINE * (len(own) + 1) for own in rows]
    steps = [TITLE + height + BELOW + note for height, note in zip(heights, notes, strict=True)]
    end = sum(steps)
    figure = new_figure(WIDTH, end + legend_height(6, WIDTH), synthetic=synthetic)
    for place, (own, height) in enumerate(zip(rows, heights, strict=True)):
        top = sum(steps[:place]) + TITLE
        _draw_row(study, figure, top, height, own)
    _name_curves(study, figure.axes[0], shown)
    add_legend(figure, 0.1, end, "Bars and bands: 95% intervals" + mean_of(study.folds))
    return figure


def _draw_row(
    study: Study, figure: Figure, top: float, height: float, results: Sequence[AsUsed]
) -> None:
    axes = add_axes(figure, LEFT, top, DOTS, height)
    _draw_dots(study, axes, results)
    drawn = [own for own in results if own.may_show(study.minimum_cell) and len(own.curves)]
    size = min(height, CURVE)
    calibration, decision = (add_axes(figure, left, top, CURVE, size) for left in CURVES)
    if not drawn:
        for other in (calibration, decision):
            reason = f"not drawn:\nfewer than {study.minimum_cell} onsets\nin a test part"
            say_instead(other, reason)
    else:
        _draw_calibration(study, calibration, drawn)
        _draw_decision(study, decision, drawn)
    _write_drops(study, axes, height, results)


def _lines(results: Sequence[AsUsed]) -> list[tuple[AsUsed, str]]:
    """Every line of dots, from the top down."""
    return [
        (result, where)
        for result in results
        for where in LINES
        if where != TRAINED_THERE or result.trained_there
    ]


def _draw_dots(study: Study, axes: Axes, results: Sequence[AsUsed]) -> None:
    lines = _lines(results)
    for place, (result, where) in enumerate(lines):
        if not may_show_place(study, result, where):
            said = axes.text(0.5, place, SUPPRESSED, transform=axes.get_yaxis_transform())
            said.set(fontsize=6, color=GREY, ha="center", va="center")
        else:
            look = look_of(study.models, result.model)
            estimate = result.metric(where, "auroc")
            draw_dot(axes, place, estimate, look, filled=where != CASE_CONTROL)
        if place and where == CASE_CONTROL:
            axes.axhline(place - 0.5, color=PALE, linewidth=0.6)
    axes.set_yticks(range(len(lines)), [_name(*line) for line in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    finish_auroc(axes, "AUROC")
    axes.set_title(_title(study, results[0]), x=(0.1 - LEFT) / DOTS)


def _title(study: Study, result: AsUsed) -> str:
    """Say where, what was predicted from what, and on how many rows as used."""
    site, task, encoding = result.setting
    landmark = Setting(site, result.landmark, encoding)
    shown = show_rows(study, landmark, result.total("n"), result.total("onset"))
    counts = HIDDEN if shown.rows == HIDDEN else f"{shown.rows} rows, {shown.cases} onsets"
    return f"{site}\n{task}, {encoding}\nas used: {result.landmark} ({counts})"


def _name(result: AsUsed, where: str) -> str:
    name = LINES[where]
    return f"{result.model}   {name}" if where == CASE_CONTROL else name


def _write_drops(study: Study, axes: Axes, height: float, results: Sequence[AsUsed]) -> None:
    """Write the drop of each model below the dots."""
    for number, result in enumerate(results):
        said = (
            interval_text(result.of_folds("drop", "auroc"), 2)
            if result.may_show(study.minimum_cell)
            else SUPPRESSED
        )
        axes.annotate(
            f"{result.model}: AUROC drop {said}",
            ((0.1 - LEFT) / DOTS, -(BELOW + LINE * number) / height),
            xycoords="axes fraction",
            fontsize=7,
            va="top",
        )


def _draw_calibration(study: Study, axes: Axes, results: Sequence[AsUsed]) -> None:
    lowest, highest = 1.0, 0.0
    for result in results:
        look = look_of(study.models, result.model)
        for state, dash in ((RAW, ":"), (RECALIBRATED, "-")):
            curve = _curve(result, CASE_CONTROL, "calibration", state)
            axes.plot(curve["x"], curve["value"], color=look.colour, linestyle=dash)
            if state == RECALIBRATED:
                _band(axes, curve, look)
            ends = np.maximum(np.concatenate([curve["x"], curve["value"]]), SMALLEST_RISK)
            lowest, highest = min([lowest, *ends]), max([highest, *ends])
    limits = (lowest / 1.5, min(1.0, highest * 1.5))
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    axes.plot(limits, limits, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
    axes.set(xlabel="Predicted risk", ylabel="Observed risk")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=5))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _draw_decision(study: Study, axes: Axes, results: Sequence[AsUsed]) -> None:
    highest = 0.0
    for result in results:
        look = look_of(study.models, result.model)
        for trained_on, dash in ((CASE_CONTROL, "-"), (LANDMARK, "--")):
            curve = _curve(result, trained_on, "decision", RECALIBRATED)
            if len(curve):
                axes.plot(curve["x"], curve["value"], color=look.colour, linestyle=dash)
                highest = max(highest, float(curve["value"].max()))
        _band(axes, _curve(result, CASE_CONTROL, "decision", RECALIBRATED), look)
    everybody = _curve(results[0], "", "decision", TREAT_ALL)
    axes.plot(everybody["x"], everybody["value"], color=GREY, linewidth=0.8)
    highest = max(highest, float(everybody["value"].max()), 1e-4)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlim=(0, 0.3), ylim=(-0.3 * highest, 1.2 * highest))
    axes.set(xlabel="Threshold", ylabel="Net benefit")
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def _curve(result: AsUsed, trained_on: str, curve: str, state: str) -> pd.DataFrame:
    lines = result.curves
    own = (lines["trained_on"] == trained_on) & (lines["curve"] == curve)
    return lines[own & (lines["probability"] == state)]


def _band(axes: Axes, curve: pd.DataFrame, look: Look) -> None:
    axes.fill_between(curve["x"], curve["low"], curve["high"], color=look.colour, alpha=0.15, lw=0)


def _name_curves(study: Study, axes: Axes, results: Sequence[AsUsed]) -> None:
    """Give the legend its entries."""
    for model in dict.fromkeys(result.model for result in results):
        look = look_of(study.models, model)
        axes.plot([], [], look.marker, color=look.colour, linestyle="-", label=model)
    entries: dict[str, dict[str, Any]] = {
        "calibration before recalibration": {"color": GREY, "linestyle": ":"},
        "decision, trained there": {"color": GREY, "linestyle": "--"},
        "everybody flagged": {"color": GREY, "linewidth": 0.8},
    }
    if not any(result.trained_there for result in results):
        del entries["decision, trained there"]
    for label, line in entries.items():
        axes.plot([], [], **line, label=label)
