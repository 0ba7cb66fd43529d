"""What is written on a figure, and whether any of it overlaps or leaves the page."""

import io
from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text

from visitseq.figures.style import house_style


def shown_words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]


def overlaps(figure: Figure) -> list[tuple[str, ...]]:
    """Pairs of texts that overlap, and texts that leave the page alone."""
    with house_style():
        figure.savefig(io.BytesIO(), format="png")
        texts = set(figure.findobj(Text)) - _undrawn(figure)
        shown = [text for text in texts if text.get_text().strip() and text.get_visible()]
        boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    page = figure.bbox.padded(1)
    outside: list[tuple[str, ...]] = [
        (text,) for text, box in boxes if not (page.contains(*box.min) and page.contains(*box.max))
    ]
    return outside + [
        (first, second)
        for (first, a), (second, b) in combinations(boxes, 2)
        if a.padded(-1).overlaps(b.padded(-1))
    ]


def _undrawn(figure: Figure) -> set[Text]:
    """Tick labels beyond the limits of their axis: they exist, but are not drawn."""
    hidden = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not low <= tick.get_loc() <= high:
                hidden |= {tick.label1, tick.label2}
    return hidden
