"""The paper's Fig. 3 from the study's own tasks: their windows before the index date, to scale."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.cohort.windows import months_to_days
from visitseq.figures.drawing import draw_arrow, draw_line, note, tint
from visitseq.figures.study import Section, Study
from visitseq.figures.style import (
    BLUE,
    GREY,
    VERMILLION,
    WIDTH,
    add_page,
    empty_figure,
    new_figure,
)

# Inches: of the bars from the left, of a row and its bar, above the first row, below the last.
START, INDEX = 1.85, 5.35
ROW, BAR, ABOVE, BELOW = 0.3, 0.18, 0.45, 0.55
DAYS = {"observation": 6.15, "prediction": 6.85}  # right ends of the columns of days
NAME_CHARACTERS = 28
CHARACTER = 0.055


def draw_schematic_windows(study: Study) -> Figure:
    """Draw a bar a task, its windows ending at the index date that all share."""
    if not study.onsets:
        return empty_figure("no task with an outcome was run", synthetic=False)
    figure = new_figure(WIDTH, ABOVE + ROW * len(study.onsets) + BELOW, synthetic=False)
    axes = add_page(figure)
    longest = max(sum(_months(task)) for task in study.onsets.values())
    inches = (INDEX - START) / longest  # of a month
    bottom = ABOVE + ROW * len(study.onsets)
    axes.text(INDEX, ABOVE - 0.3, "index date", ha="center", va="center", fontsize=7)
    for word, left in DAYS.items():
        axes.text(left, ABOVE - 0.1, word, ha="right", va="center", fontsize=6)
    draw_arrow(axes, (INDEX, ABOVE - 0.22), (INDEX, ABOVE - 0.06), colour=GREY)
    draw_line(axes, [(INDEX, ABOVE), (INDEX, bottom)], linewidth=1)
    for place, (name, task) in enumerate(study.onsets.items()):
        _draw_task(axes, ABOVE + ROW * (place + 0.5), name, task, inches)
    _draw_scale(axes, bottom + 0.06, longest, inches)
    return figure


def _months(task: Section) -> tuple[float, float]:
    return task["observation_months"], task["prediction_months"]


def _draw_task(axes: Axes, y: float, name: str, task: Section, inches: float) -> None:
    observed, gap = _months(task)
    end = INDEX - gap * inches
    short = name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"
    axes.text(START - 0.1, y, short, ha="right", va="center", fontsize=7)
    _draw_window(axes, (end - observed * inches, end), y, "observation", BLUE)
    if gap:
        _draw_window(axes, (end, INDEX), y, "prediction", VERMILLION)
    for left, months in zip(DAYS.values(), (observed, gap), strict=True):
        axes.text(left, y, f"{months_to_days(months)} days", ha="right", va="center", fontsize=6)


def _draw_window(axes: Axes, ends: tuple[float, float], y: float, text: str, colour: str) -> None:
    """Draw a window, and its name where there is room for it."""
    (left, right), low, high = ends, y + BAR / 2, y - BAR / 2
    corners = [(left, low), (right, low), (right, high), (left, high)]
    axes.fill(*zip(*corners, strict=True), facecolor=tint(colour), edgecolor=colour, linewidth=0.8)
    if right - left > CHARACTER * len(text):
        axes.text((left + right) / 2, y, text, ha="center", va="center_baseline", fontsize=6)


def _draw_scale(axes: Axes, y: float, longest: float, inches: float) -> None:
    """Draw the months before the index date."""
    draw_line(axes, [(INDEX - longest * inches, y), (INDEX, y)], linewidth=0.6)
    step = next(step for step in (1, 3, 6, 12, 24, 60, 120) if longest / step <= 8)
    for number in range(int(longest / step) + 1):
        x = INDEX - number * step * inches
        draw_line(axes, [(x, y), (x, y + 0.04)], linewidth=0.6)
        axes.text(x, y + 0.11, f"{number * step}", ha="center", va="center", fontsize=6)
    middle = INDEX - longest * inches / 2
    axes.text(middle, y + 0.27, "Months before the index date", ha="center", fontsize=7)
    note(
        axes,
        0.1,
        y + 0.4,
        "A visit is read if it begins and ends within the observation window.",
        fontsize=6,
    )
