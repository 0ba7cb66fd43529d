"""The figure of coverage: what each site's vocabulary holds of the other's, and what hangs on it.

A row a direction, task and encoding. On the left, the share of codes, of events and of the codes of
a patient that the other vocabulary has, both ways; on the right, each zero-shot model's metric on
all patients of the target, and on those of whose codes the source knows many and few.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.figures.dots import draw_dot
from visitseq.figures.labels import mean_of, wrapped
from visitseq.figures.legends import add_legend, legend_height
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Direction, Study
from visitseq.figures.style import (
    BLUE,
    GREY,
    PALE,
    VERMILLION,
    WIDTH,
    Look,
    add_axes,
    empty_figure,
    new_figure,
)
from visitseq.figures.transfer_counts import may_show_arm
from visitseq.figures.transfer_coverage_table import BY, read_coverage
from visitseq.figures.transfer_results import MAIN_LABELS, Arm, TransferResult

WEIGHED = dict(zip(BY, ("{of}", "events of {of}", "a patient's {of}"), strict=True))
WAYS = {
    "target_in_source": "of the target, in the source",
    "source_in_target": "of the source, in the target",
}
LOOKS = {
    "target_in_source": Look(BLUE, "", "o"),
    "source_in_target": Look(VERMILLION, "", "s"),
}
PATIENTS = {
    "all": Look("#000000", "", "D"),
    "high coverage": Look(BLUE, "", "^"),
    "low coverage": Look(VERMILLION, "", "v"),
}
# Inches.
TITLE, BELOW, LINE = 0.5, 0.5, 0.2
SHARES_LEFT, SHARES = 1.35, 1.75
METRIC_LEFT, METRIC = 4.85, 2.0
NAME_CHARACTERS = 22


class _Line(NamedTuple):
    """What is weighed and how, and the shares both ways."""

    name: str
    shares: Mapping[str, Any]


def draw_coverage(study: Study, results: list[TransferResult]) -> Figure:
    """Draw the coverage of every direction, and the metric of those whom it divides."""
    synthetic = any(study.synthetic.values())
    if not results:
        return empty_figure("no fold was run", synthetic=synthetic)
    rows = [list(own) for _, own in groupby(results, key=lambda result: result.direction)]
    lines = [_lines(study, own[0].direction) for own in rows]
    heights = [
        LINE * max(len(shares), len(PATIENTS) * len(own))
        for shares, own in zip(lines, rows, strict=True)
    ]
    tops = [sum(heights[:place]) + place * (TITLE + BELOW) + TITLE for place in range(len(rows))]
    end = tops[-1] + heights[-1] + BELOW
    legend = legend_height(len(WAYS) + len(PATIENTS), WIDTH)
    figure = new_figure(WIDTH, end + legend, synthetic=synthetic)
    for top, height, own, shares in zip(tops, heights, rows, lines, strict=True):
        axes = add_axes(figure, SHARES_LEFT, top, SHARES, height)
        _draw_shares(axes, own[0].direction, shares)
        _draw_metrics(study, add_axes(figure, METRIC_LEFT, top, METRIC, height), own)
    title = "Left: what is known. Right: patients of the target" + mean_of(study.folds)
    add_legend(figure, 0.1, end, title)
    return figure


def _lines(study: Study, direction: Direction) -> list[_Line]:
    return [
        _Line(name.format(of=of), coverage[by])
        for of, coverage in read_coverage(study, direction).items()
        for by, name in WEIGHED.items()
        if by in coverage
    ]


def _draw_shares(axes: Axes, direction: Direction, lines: Sequence[_Line]) -> None:
    for way, look in LOOKS.items():
        known = [(own.shares[way], place) for place, own in enumerate(lines)]
        known = [point for point in known if point[0] is not None]
        share, place = zip(*known, strict=True) if known else ((), ())
        axes.plot(share, place, look.marker, color=look.colour, label=WAYS[way], clip_on=False)
    axes.set_yticks(range(len(lines)), [own.name for own in lines])
    axes.set(xlim=(0, 1), ylim=(len(lines) - 0.5, -0.5), xlabel="Share that the other site knows")
    axes.grid(axis="y", color=PALE, linewidth=0.4)
    axes.tick_params(axis="y", length=0)
    title = f"{direction.arrow}\n{direction.task}, {direction.encoding}"
    axes.set_title(title, x=(0.1 - SHARES_LEFT) / SHARES)


def _draw_metrics(study: Study, axes: Axes, results: Sequence[TransferResult]) -> None:
    """Draw a line for each model and group of patients."""
    for place, result in enumerate(results):
        arms = {arm.patients: arm for arm in result.arms if arm.fraction == 0}
        for offset, (patients, look) in enumerate(PATIENTS.items()):
            axes.plot([], [], look.marker, color=look.colour, label=patients)
            if patients in arms:
                line = place * len(PATIENTS) + offset
                _draw_patients(study, axes, line, result, arms[patients])
    middles = [len(PATIENTS) * place + 1 for place in range(len(results))]
    axes.set_yticks(middles, [wrapped(result.model, NAME_CHARACTERS) for result in results])
    axes.set_ylim(len(PATIENTS) * len(results) - 0.5, -0.5)
    for middle in middles[1:]:
        axes.axhline(middle - 1.5, color=PALE, linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.set_xlabel(f"{MAIN_LABELS[results[0].kind]}, zero-shot")


def _draw_patients(study: Study, axes: Axes, line: int, result: TransferResult, arm: Arm) -> None:
    estimate = arm.means[result.main]
    shown = may_show_arm(result, arm, study.minimum_cell)
    if shown and not math.isnan(estimate.value):
        draw_dot(axes, line, estimate, PATIENTS[arm.patients])
        return
    text, across = "undefined" if shown else SUPPRESSED, axes.get_yaxis_transform()
    said = axes.text(0.5, line, text, transform=across, fontsize=6, color=GREY)
    said.set(ha="center", va="center")
