"""How the strategies look in the figures of transfer, and the grid of panels that these share."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.study import Study
from visitseq.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    WIDTH,
    Look,
    add_axes,
    say_instead,
)
from visitseq.figures.transfer_results import TransferResult

LOOKS = {
    "zero_shot": Look(GREY, "-", "D"),
    "last_layer": Look(GREEN, "-.", "^"),
    "fine_tuned": Look(BLUE, "-", "o"),
    "scratch": Look(VERMILLION, "--", "s"),
}
COLUMNS = 2
# Inches.
LEFT, PLOT_WIDTH, PLOT, TITLE = 0.62, 2.75, 1.75, 0.46


def panels_height(number: int, below: float) -> float:
    """Inches of ``number`` panels, each with ``below`` inches under its plot."""
    return -(-number // COLUMNS) * (TITLE + PLOT + below)


def draw_panels(
    figure: Figure,
    results: Sequence[TransferResult],
    below: float,
    draw: Callable[[Axes, TransferResult], None],
) -> None:
    """Draw a panel for each result, two in a row."""
    for place, result in enumerate(results):
        row, column = divmod(place, COLUMNS)
        left, top = column * WIDTH / COLUMNS + LEFT, row * (TITLE + PLOT + below) + TITLE
        axes = add_axes(figure, left, top, PLOT_WIDTH, PLOT)
        axes.set_title(result.title, x=(0.08 - LEFT) / PLOT_WIDTH)
        draw(axes, result)


def may_draw(study: Study, axes: Axes, result: TransferResult) -> bool:
    """Whether every test part has enough persons to be shown; ``axes`` say if not."""
    if result.zero_shot.may_show(study.minimum_cell):
        return True
    few = "persons" if result.kind == "next_visit" else "cases\nor controls"
    say_instead(axes, f"not drawn: fewer than {study.minimum_cell} {few} in a test part")
    return False
