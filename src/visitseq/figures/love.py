"""The Love plot: how alike cases and controls are before and after matching.

The absolute standardised mean difference of each variable (Austin, Statistics in Medicine
2009;28:3083), with the line at 0.1 under which a difference is commonly called negligible.
"""

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.figures.panels import why_nothing
from visitseq.figures.study import Study
from visitseq.figures.style import (
    BLUE,
    GREY,
    VERMILLION,
    WIDTH,
    add_axes,
    empty_figure,
    new_figure,
    say_instead,
)

NEGLIGIBLE = 0.1

_HEIGHT = 2.5  # inches of a panel

_VARIABLES = {
    "age": "Age",
    "sex": "Sex",
    "visits": "Visits",
    "span_days": "Span of the visits",
    "first_visit": "Date of the first visit",
}


def draw_love(study: Study) -> Figure:
    """Draw the balance of every site and cohort, two in a row."""
    synthetic = any(study.synthetic.values())
    if not study.matched_cohorts:
        return empty_figure(why_nothing(study), synthetic=synthetic)
    columns = min(2, len(study.matched_cohorts))
    rows = -(-len(study.matched_cohorts) // columns)
    figure = new_figure(columns * WIDTH / 2, _HEIGHT * rows, synthetic=synthetic)
    shown = [_shown_differences(study, site, cohort) for site, cohort in study.matched_cohorts]
    limit = _limit([differences for differences in shown if differences is not None])
    for place, (site, cohort) in enumerate(study.matched_cohorts):
        row, column = divmod(place, columns)
        axes = add_axes(figure, column * WIDTH / 2 + 1.3, row * _HEIGHT + 0.4, 2, 1.3)
        axes.set_title(f"{site}\n{cohort}")
        differences = shown[place]
        if differences is None:
            say_instead(axes, f"suppressed: fewer than\n{study.minimum_cell} cases or controls")
        else:
            _draw_panel(axes, differences, limit)
    return figure


def _shown_differences(study: Study, site: str, cohort: str) -> pd.DataFrame | None:
    """Differences of a cohort, none where it is too small to be shown."""
    return None if _is_small(study, site, cohort) else _differences(study, site, cohort)


def _limit(shown: list[pd.DataFrame]) -> float:
    """Largest difference of all cohorts: panels share their axis, so that they can be compared."""
    return float(np.nanmax([NEGLIGIBLE, *(differences.max().max() for differences in shown)]))


def _is_small(study: Study, site: str, cohort: str) -> bool:
    label = pq.read_table(study.cohort_folder(site, cohort) / "cohort.parquet")["label"]
    cases = pc.sum(label).as_py() or 0
    return min(cases, len(label) - cases) < study.minimum_cell


def _differences(study: Study, site: str, cohort: str) -> pd.DataFrame:
    """Absolute standardised difference of each variable (rows) before and after (columns)."""
    table = pd.read_csv(study.cohort_folder(site, cohort) / "balance.csv")
    smd = table[table["measure"] == "smd"]
    wide = smd.pivot_table(index="variable", columns="when", values="value", dropna=False)
    return wide.reindex(index=smd["variable"].unique(), columns=["before", "after"]).abs()


def _draw_panel(axes: Axes, differences: pd.DataFrame, limit: float) -> None:
    places = range(len(differences))
    axes.axvline(0, color=GREY, linewidth=0.6)
    axes.axvline(NEGLIGIBLE, color=GREY, linewidth=0.6, linestyle="--")
    axes.hlines(places, differences.min(axis=1), differences.max(axis=1), GREY, linewidth=0.4)
    for when, label, marker, colour in (
        ("before", "before", "o", VERMILLION),
        ("after", "after matching", "s", BLUE),
    ):
        filled = "full" if when == "after" else "none"
        axes.plot(differences[when], places, marker, color=colour, fillstyle=filled, label=label)
    axes.set_yticks(places, [_VARIABLES.get(name, name) for name in differences.index])
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.set_xlim(-0.05 * limit, 1.05 * limit)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.set_xlabel("Absolute standardised mean difference")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.28), ncols=2)
