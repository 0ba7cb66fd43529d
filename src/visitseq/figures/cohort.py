"""Table 1 as a figure: a block a cohort, a pair of columns (cases, controls) a site."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.panels import why_nothing
from visitseq.figures.study import Study
from visitseq.figures.style import GREY, add_page, empty_figure, new_figure

_LINE = 0.19  # inches
_LABELS, _COLUMN = 2.55, 1.12
_LEFT = 0.08
_SITES_A_BLOCK = 2


def draw_cohort(study: Study, table: pd.DataFrame) -> Figure:
    """Draw ``table``, as ``cohort_table`` makes it."""
    synthetic = any(study.synthetic.values())
    if table.empty:
        return empty_figure(why_nothing(study), synthetic=synthetic)
    blocks = [
        _without_repetition(of_cohort[of_cohort["site"].isin(sites)])
        for _, of_cohort in table.groupby("cohort", sort=False)
        for sites in _in_pairs(list(study.synthetic))
    ]
    width = _LABELS + 2 * _COLUMN * min(len(study.synthetic), _SITES_A_BLOCK)
    height = _LINE * sum(_lines(block) + 1 for block in blocks)
    figure = new_figure(width, height, synthetic=synthetic)
    axes, y = add_page(figure), 0.0
    for block in blocks:
        _draw_block(axes, y, block)
        y += _LINE * (_lines(block) + 1)
    return figure


def _without_repetition(block: pd.DataFrame) -> pd.DataFrame:
    """Leave the index dates out where there are everywhere as many as persons."""
    persons, dates = (block[block["characteristic"] == name] for name in ("Persons", "Index dates"))
    columns = ["cases", "controls"]
    same = persons[columns].to_numpy().tolist() == dates[columns].to_numpy().tolist()
    return block.drop(dates.index) if same else block


def _in_pairs(sites: list[str]) -> list[list[str]]:
    return [sites[start : start + _SITES_A_BLOCK] for start in range(0, len(sites), _SITES_A_BLOCK)]


def _lines(block: pd.DataFrame) -> int:
    """Lines of a block: two of heading, those of its characteristics."""
    of_one_site = block[block["site"] == block["site"].iloc[0]]
    return 2 + sum(1 for _ in _layout(of_one_site))


def _layout(of_site: pd.DataFrame) -> Iterator[tuple[str, pd.Series | None]]:
    """Lines below the heading: a label, and the row whose values stand beside it, if any."""
    for task, rows in of_site.groupby("task", sort=False):
        if task:
            yield f"In the window of {task!s}", None
        for _, row in rows.iterrows():
            yield f"   {row['characteristic']}", row


def _draw_block(axes: Axes, y: float, block: pd.DataFrame) -> None:
    """Draw the characteristics of one cohort at up to two sites, from the height ``y`` down."""
    _write(axes, _LEFT, y, block["cohort"].iloc[0], weight="bold")
    for place, (site, of_site) in enumerate(block.groupby("site", sort=False)):
        x = _LABELS + 2 * _COLUMN * place
        head = f"{site} ({of_site['records'].iloc[0]})"
        _write(axes, x + _COLUMN, y, head, weight="bold", ha="center")
        _draw_site(axes, x, y + _LINE, of_site, labels=place == 0)
    rule = [_LEFT, axes.get_xlim()[1] - _LEFT / 2]
    for line in (2, _lines(block)):
        axes.plot(rule, [y + line * _LINE] * 2, color=GREY, linewidth=0.6)


def _draw_site(axes: Axes, x: float, y: float, of_site: pd.DataFrame, *, labels: bool) -> None:
    """Draw a site's pair of columns, and the labels of the lines beside the first site."""
    centres = {"cases": x + 0.5 * _COLUMN, "controls": x + 1.5 * _COLUMN}
    for column, centre in centres.items():
        _write(axes, centre, y, column.capitalize(), ha="center")
    for line, (label, row) in enumerate(_layout(of_site), start=1):
        if labels:
            _write(
                axes, _LEFT, y + line * _LINE, label, style="italic" if row is None else "normal"
            )
        if row is not None:
            for column, centre in centres.items():
                _write(axes, centre, y + line * _LINE, row[column], ha="center")


def _write(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    """Write ``text`` in the line that begins at the height ``y``."""
    axes.text(x, y + _LINE / 2, text, va="center", fontsize=7.5, **look)
