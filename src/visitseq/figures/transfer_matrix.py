"""The figure of all directions: a row where a model was trained, a column where it is tested.

A panel a task, encoding and model, in each cell the metric of the model as it is (zero-shot) and
its interval. On the diagonal, framed, is the home evaluation of stage 5. A darker cell is a higher
value. A cell of a direction that was not run says so.
"""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.figures.drawing import tint
from visitseq.figures.labels import mean_of
from visitseq.figures.model_results import ModelResult
from visitseq.figures.next_visit_results import NextVisitResult
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Setting, Study
from visitseq.figures.style import BLUE, GREY, PALE, WIDTH, add_axes, empty_figure, new_figure
from visitseq.figures.transfer_counts import may_show_arm
from visitseq.figures.transfer_results import MAIN, MAIN_LABELS, TransferResult

# Inches.
TITLE, HEADS, ROW, BELOW, GAP = 0.42, 0.36, 0.4, 0.2, 0.16
NOTE = 0.25
CHARACTER = 0.062
NARROWEST, WIDEST = 0.72, 1.6
#: How dark a cell of the lowest and the highest value is.
LIGHT, DARK = 0.08, 0.55
NOT_RUN = "not run"

Cells = dict[tuple[str, str], Estimate]
Home = ModelResult | NextVisitResult


def draw_matrix(study: Study, home: Sequence[Home], results: list[TransferResult]) -> Figure:
    """Draw a panel for every task, encoding and model that is moved.

    Parameters
    ----------
    home
        What each model is worth where it was trained.
    """
    synthetic = any(study.synthetic.values())
    if not results:
        return empty_figure("no fold was run", synthetic=synthetic)
    kinds = {(r.direction.task, r.direction.encoding, r.model): r.kind for r in results}
    sources = [*study.synthetic, *_carried(study, results)]
    cell = _cell_width([*sources, *study.synthetic])
    titles = [
        f"{task}, {encoding}\n{name}: {MAIN_LABELS[kind]}"
        for (task, encoding, name), kind in kinds.items()
    ]
    words = max(len(line) for title in titles for line in title.split("\n"))
    panel = max(cell * (len(study.synthetic) + 1), CHARACTER * words) + GAP
    columns = max(1, int(WIDTH // panel))
    height = TITLE + HEADS + ROW * len(sources) + BELOW
    rows = -(-len(kinds) // columns)
    width = max(WIDTH, panel * columns)
    figure = new_figure(width, rows * height + NOTE, synthetic=synthetic)
    for place, model in enumerate(kinds):
        row, column = divmod(place, columns)
        size = (cell * (len(study.synthetic) + 1), HEADS + ROW * len(sources))
        axes = add_axes(figure, column * panel + GAP / 2, row * height + TITLE, *size)
        axes.set_title(titles[place])
        cells = matrix_cells(study, home, results, model)
        _draw_cells(axes, sources, list(study.synthetic), cells)
    note = "Zero-shot [95% interval]" + mean_of(study.folds) + "; framed: where it was trained"
    figure.text(GAP / 2 / width, 0.08 / figure.get_size_inches()[1], note, fontsize=7, color=GREY)
    return figure


def matrix_cells(
    study: Study,
    home: Sequence[Home],
    results: Sequence[TransferResult],
    model: tuple[str, str, str],
) -> Cells:
    """Estimate by source and target of a task, encoding and model."""
    task, encoding, name = model
    cells: Cells = {}
    for result in results:
        if (result.direction.task, result.direction.encoding, result.model) == model:
            arm, place = result.zero_shot, (result.direction.source, result.direction.target)
            shown = may_show_arm(result, arm, study.minimum_cell)
            cells[place] = arm.means[result.main] if shown else undefined(SUPPRESSED)
    for own in home:
        site = own.setting.site
        if own.setting == Setting(site, task, encoding) and own.model == name:
            shown = _smallest(own) >= study.minimum_cell
            cells[site, site] = (
                own.means[MAIN[study.task_kinds[task]]] if shown else undefined(SUPPRESSED)
            )
    return cells


def _smallest(own: Home) -> int:
    if isinstance(own, ModelResult):
        return own.smallest_class
    return min(len(fold.visits.groups.ids) for fold in own.folds)


def _carried(study: Study, results: Sequence[TransferResult]) -> list[str]:
    """The models that came without a site, in the study's order."""
    sources = dict.fromkeys(result.direction.source for result in results)
    return [source for source in sources if source not in study.synthetic]


def _cell_width(names: Sequence[str]) -> float:
    return min(WIDEST, max(NARROWEST, CHARACTER * max(map(len, names)) + 0.1))


def _draw_cells(axes: Axes, sources: Sequence[str], targets: Sequence[str], cells: Cells) -> None:
    """Draw on axes whose units are cells; the names are left of column 0 and above row 0."""
    axes.set(xlim=(-1, len(targets)), ylim=(len(sources), -HEADS / ROW), xticks=[], yticks=[])
    axes.set_axis_off()
    axes.text(-1, -HEADS / ROW / 2, "tested →\ntrained ↓", fontsize=6, color=GREY, va="center")
    known = [e.value for e in cells.values() if not math.isnan(e.value)]
    for column, target in enumerate(targets):
        axes.text(column + 0.5, -HEADS / ROW / 2, _short(target), ha="center", va="center")
    for row, source in enumerate(sources):
        axes.text(-1, row + 0.5, _short(source), va="center")
        for column, target in enumerate(targets):
            estimate = cells.get((source, target), undefined(NOT_RUN))
            _draw_cell(axes, (column, row), estimate, known)
    for row, source in enumerate(sources):
        if source in targets:
            corner = (targets.index(source), row)
            axes.add_patch(
                Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=1, clip_on=False)
            )


def _short(name: str) -> str:
    longest = int((WIDEST - 0.1) / CHARACTER)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _draw_cell(
    axes: Axes, corner: tuple[int, int], estimate: Estimate, known: Sequence[float]
) -> None:
    """Write an estimate and its interval, or why there is none, on a shade of its value."""
    x, y = corner
    if math.isnan(estimate.value):
        said = estimate.reason if estimate.reason in (NOT_RUN, SUPPRESSED) else "undefined"
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=PALE, linewidth=0.6))
        axes.text(x + 0.5, y + 0.5, said, ha="center", va="center", fontsize=6, color=GREY)
        return
    span = max(known) - min(known)
    place = (estimate.value - min(known)) / span if span else 0.0
    shade = tint(BLUE, LIGHT + place * (DARK - LIGHT))
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=shade, edgecolor="white", linewidth=0.6))
    axes.text(x + 0.5, y + 0.34, f"{estimate.value:z.3f}", ha="center", va="center", fontsize=8)
    axes.text(x + 0.5, y + 0.72, _interval(estimate), ha="center", va="center", fontsize=6)


def _interval(estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return "no interval"
    return f"[{estimate.low:z.3f}, {estimate.high:z.3f}]"
