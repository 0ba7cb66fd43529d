"""Seconds and memory of the stages by the number of persons: measured, written and drawn."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import stages
from bare_sort import sort_all, sort_clinical
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from own_process import Cost, cost_of, typical

from visitseq.figures.style import (
    GREY,
    PALE,
    WIDTH,
    add_axes,
    house_style,
    look_of,
    new_figure,
)

STAGES = ("ingest", "cohort", "encode")
CLINICAL, ALL = "DuckDB sorts the clinical rows", "DuckDB sorts all rows"
WORK = {
    "ingest": stages.ingest,
    CLINICAL: sort_clinical,
    ALL: sort_all,
    "cohort": stages.cohort,
    "encode": stages.encode,
}
LIMIT_GB = 4
TICKS_GB = (0.25, 0.5, 1, 2, LIMIT_GB)

# Inches.
TOP, PLOT, PLOT_WIDTH, LEFT, BELOW = 0.25, 2.1, 2.7, 0.6, 0.95


@dataclass(frozen=True)
class Measured:
    """A hospital of so many persons: its rows, and what each piece of work cost."""

    persons: int
    visits: int
    clinical: int
    events: int
    costs: dict[str, Cost]
    to_clinical: float
    to_all: float


def measure(folder: Path, persons: int, rounds: int, *, shuffled: bool) -> Measured:
    """Simulate a hospital, let everything take turns on it, and delete it.

    The speed of ingest over that of a sort is the median of the rounds' ratios.
    """
    folder.mkdir(parents=True)
    try:
        cost_of(stages.simulate, folder, persons, threads=2)
        if shuffled:
            cost_of(stages.shuffle, folder, threads=2)
        rounds_costs = [_round(folder) for _ in range(rounds)]
        return Measured(
            persons,
            stages.rows_of(folder / "omop" / "visit_occurrence.parquet"),
            stages.clinical_rows(folder),
            stages.rows_of(folder / "site" / "events.parquet"),
            {name: typical([costs[name] for costs in rounds_costs]) for name in WORK},
            median(costs[CLINICAL].seconds / costs["ingest"].seconds for costs in rounds_costs),
            median(costs[ALL].seconds / costs["ingest"].seconds for costs in rounds_costs),
        )
    finally:
        shutil.rmtree(folder)


def _round(folder: Path) -> dict[str, Cost]:
    costs = {}
    for name, work in WORK.items():
        costs[name] = cost_of(work, folder, threads=stages.THREADS.get(name, 2))
        print(f"{folder.name}: {name}: {costs[name]}", flush=True)
    return costs


def table(measured: list[Measured]) -> list[str]:
    """Lines of Markdown: a row a number of persons and piece of work."""
    lines = [
        "| persons | clinical rows | | seconds | of the processor | million rows a second "
        "| peak GB |",
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for size in measured:
        for name, cost in size.costs.items():
            rows = size.events if name == ALL else size.clinical
            lines.append(
                f"| {size.persons:,} | {size.clinical:,} | {name} | {cost.seconds:.1f} "
                f"| {cost.processor:.1f} | {rows / cost.seconds / 1e6:.2f} "
                f"| {cost.gigabytes:.2f} |"
            )
    return lines


def ratios(measured: list[Measured]) -> list[str]:
    """Lines of Markdown: ingest beside the two sorts, and the largest stage."""
    lines = [
        "| persons | visits | rows that ingest writes | ingest's speed over the sort of the "
        "clinical rows | over the sort of all rows | largest stage, GB |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for size in measured:
        largest = max(size.costs[name].gigabytes for name in STAGES)
        lines.append(
            f"| {size.persons:,} | {size.visits:,} | {size.events:,} | {size.to_clinical:.2f} "
            f"| {size.to_all:.2f} | {largest:.2f} |"
        )
    return lines


def draw(measured: list[Measured], path: Path) -> None:
    """Draw seconds and peak memory against persons, both on logarithmic axes, as SVG."""
    with house_style():
        figure = new_figure(WIDTH, TOP + PLOT + BELOW, synthetic=True)
        right = LEFT + PLOT_WIDTH + LEFT
        left_axes = add_axes(figure, LEFT, TOP, PLOT_WIDTH, PLOT)
        right_axes = add_axes(figure, right, TOP, PLOT_WIDTH, PLOT)
        _plot(left_axes, measured, "seconds")
        left_axes.set(title="Time", ylabel="Seconds")
        _plot(right_axes, measured, "gigabytes")
        right_axes.set(
            title="Peak memory of each process", ylabel="GB", yticks=TICKS_GB, ylim=(0.2, 6)
        )
        right_axes.axhline(LIMIT_GB, color=PALE, zorder=0)
        right_axes.annotate(
            f"{LIMIT_GB} GB",
            (1, LIMIT_GB),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            color=GREY,
            fontsize=7,
        )
        handles, labels = left_axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=3)
        figure.savefig(path, metadata={"Date": None})


def _plot(axes: Axes, measured: list[Measured], figure: str) -> None:
    persons = [size.persons for size in measured]
    for name in WORK:
        look = look_of(tuple(WORK), name)
        axes.plot(
            persons,
            [getattr(size.costs[name], figure) for size in measured],
            color=look.colour,
            linestyle=look.dash,
            marker=look.marker,
            label=name,
        )
    axes.set(xscale="log", yscale="log", xlabel="Persons", xticks=persons)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axis.set_minor_formatter(NullFormatter())
