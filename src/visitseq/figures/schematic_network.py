"""The paper's Fig. 2 from a recurrent network of the study: its layers, and its cell.

It is the model that others are compared with, or the first recurrent one. Above it is unrolled over
the steps of a sequence, from the one-hot vectors at the bottom to the score; below is the inside of
its cell. A dashed arrow is a way on which dropout acts in training.
"""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.drawing import draw_arrow, draw_box, note
from visitseq.figures.schematic_cells import FRAME, draw_cell
from visitseq.figures.study import Study
from visitseq.figures.style import (
    BLUE,
    GREEN,
    GREY,
    PINK,
    VERMILLION,
    WIDTH,
    add_page,
    empty_figure,
    new_figure,
)

# Inches: of the steps and of what is left out between them, from the left; of a row.
STEPS = {"1": 2.55, "2": 3.75, "T": 5.65}
BETWEEN, ROW, LABEL = 4.7, 0.5, 0.1
ASIDE = 0.24  # of a direction's cells from the step's middle, where there are two
CELL, SMALL = (0.46, 0.26), (0.36, 0.24)
JOINT = (0.88, 0.1)  # where the states of both directions are laid together
HEADING, HEAD = 0.35, 0.3  # of the first row, and height of the score
MARGIN_BELOW = 0.3


def draw_schematic_network(study: Study) -> Figure:
    """Draw the network and its cell."""
    name = study.network
    if not study.onsets:
        return empty_figure("no task with an outcome was run", synthetic=False)
    if name is None:
        return empty_figure("no recurrent network was run", synthetic=False)
    model = study.model_sections[name]
    sequences = [study.encoding_sections[encoding]["sequence"] for encoding in study.encodings]
    network = UnrolledNetwork(model, (sequences or ["visit"])[0])
    figure = new_figure(WIDTH, network.height + 0.5 + FRAME[1] + MARGIN_BELOW, synthetic=False)
    axes = add_page(figure)
    axes.text(LABEL, 0, f"A   The network {name}, unrolled", va="top")
    network.draw(axes)
    axes.text(LABEL, network.height, f"B   Its cell ({model['cell'].upper()})", va="top")
    draw_cell(axes, 0.5, network.height + 0.32, model)
    return figure


class UnrolledNetwork:
    """A recurrent classifier as rows of boxes, from the score down to the one-hot vectors."""

    #: Inches of what stands above the cells.
    above = HEADING + HEAD + 0.15

    def __init__(self, model: Mapping[str, Any], step: str) -> None:
        self.model, self.step = model, step
        self.cell = model["cell"].upper()
        self.two_ways = bool(model["bidirectional"])
        # A layer's rows, and where there are two the joint above them.
        self.layer = ROW * 2 + 0.3 if self.two_ways else ROW
        self.inputs: float = self.above + ROW + self.layer * model["layers"]
        self.height = self.inputs + ROW + 0.45

    def row(self, layer: int, *, backwards: bool) -> float:
        """Inches of a layer's cells (0 is the first) from the top; those backwards are above."""
        return self.inputs - self.layer * layer - ROW * (1 + backwards) - 0.05

    def x(self, place: float, *, backwards: bool) -> float:
        """Inches of a direction's cell at a step from the left."""
        return place + (ASIDE * (1 if backwards else -1) if self.two_ways else 0)

    @property
    def dropped(self) -> dict[str, Any]:
        """The line of a way on which dropout acts."""
        return {"linestyle": (0, (3, 2))} if self.model["dropout"] else {}

    def draw(self, axes: Axes) -> None:
        """Draw all rows."""
        self._draw_inputs(axes)
        for layer in range(self.model["layers"]):
            for backwards in (False, True)[: 1 + self.two_ways]:
                self._draw_cells(axes, layer, backwards=backwards)
            self._draw_ways_up(axes, layer)
        self.draw_head(axes)

    def _draw_inputs(self, axes: Axes) -> None:
        """Draw one-hot vectors, and their embeddings with the time beside them."""
        model, y = self.model, self.inputs
        embedded = r"$e_t = \tanh(U x_t + b)$" if model["embed"] == "tanh" else "$e_t = U x_t$"
        time = ", $d_t$ = log(days + 1)" if model["duration"] else ""
        name_row(axes, y + ROW, f"{self.step}, one-hot", "a place for each known code")
        name_row(axes, y, f"embedding, {model['embedding']}", embedded + time)
        aside = 0.2 if model["duration"] else 0.0
        for step, x in STEPS.items():
            draw_box(axes, (x, y + ROW), SMALL, f"$x_{step}$", colour=GREEN)
            draw_arrow(axes, (x, y + ROW - SMALL[1] / 2), (x, y + 0.17))
            draw_box(axes, (x, y), (2 * aside + 0.46, 0.34), colour=GREY, filled=False)
            draw_box(axes, (x - aside, y), SMALL, f"$e_{step}$", colour=GREEN)
            if model["duration"]:
                draw_box(axes, (x + aside, y), SMALL, f"$d_{step}$", colour=VERMILLION)
            note(axes, x + aside + 0.26, y, f"$s_{step}$", parse_math=True, color="black")
        for row in (y, y + ROW):
            draw_omission(axes, row, BETWEEN)

    def _draw_cells(self, axes: Axes, layer: int, *, backwards: bool) -> None:
        """Draw a layer's cells in one direction, and their states' way from step to step."""
        model, y = self.model, self.row(layer, backwards=backwards)
        number = f" {layer + 1}" if model["layers"] > 1 else ""
        way = " backwards" if backwards else " forwards" if self.two_ways else ""
        name_row(axes, y, f"{self.cell}{number}{way}, {model['hidden']}", "")
        places = [self.x(place, backwards=backwards) for place in STEPS.values()]
        for x in places:
            draw_box(axes, (x, y), CELL, self.cell, colour=PINK if backwards else BLUE)
        omitted = self.x(BETWEEN, backwards=backwards)
        draw_omission(axes, y, omitted)
        half = CELL[0] / 2
        ends = [
            (places[0] + half, places[1] - half),
            (places[1] + half, omitted - 0.13),
            (omitted + 0.13, places[2] - half),
        ]
        for left, right in ends:
            points = ((left, y), (right, y))
            draw_arrow(axes, *(points[::-1] if backwards else points))

    def _draw_ways_up(self, axes: Axes, layer: int) -> None:
        """Draw what a layer's cells get from below: the inputs, or the layer before."""
        directions = (False, True)[: 1 + self.two_ways]
        joint = self.row(layer, backwards=False) + ROW - 0.1
        if layer and self.two_ways:
            note(axes, LABEL, joint, "both states, side by side", fontsize=6)
        for place in STEPS.values():
            for backwards in directions:
                x = self.x(place, backwards=backwards)
                end = self.row(layer, backwards=backwards) + CELL[1] / 2
                if layer == 0:
                    draw_arrow(axes, (x, self.inputs - 0.17), (x, end))
                    continue
                start = self.row(layer - 1, backwards=backwards) - CELL[1] / 2
                if self.two_ways:
                    draw_arrow(axes, (x, start), (x, joint + JOINT[1] / 2))
                    start = joint - JOINT[1] / 2
                draw_arrow(axes, (x, start), (x, end), **self.dropped)
            if layer and self.two_ways:
                draw_box(axes, (place, joint), JOINT, colour=GREY, filled=False)

    def draw_head(self, axes: Axes) -> None:
        """Draw the score from the last state of each direction of the last layer."""
        x, y, last = STEPS["T"], HEADING + HEAD / 2, self.model["layers"] - 1
        draw_box(axes, (x, y), (1.15, HEAD), r"$\sigma(w \cdot h_T + b)$", colour=GREY)
        up = self.x(x, backwards=False)
        start = self.row(last, backwards=False) - CELL[1] / 2
        draw_arrow(axes, (up, start), (up, y + HEAD / 2), **self.dropped)
        if self.two_ways:
            up = self.x(STEPS["1"], backwards=True)
            start = self.row(last, backwards=True) - CELL[1] / 2
            draw_arrow(axes, (up, start), (up, y), (x - 0.575, y), **self.dropped)
        note(axes, x + 0.62, y, "probability\nof a case")
        rate = self.model["dropout"]
        name_row(axes, y, "score", f"dropout {rate:g} where dashed" if rate else "")


def name_row(axes: Axes, y: float, text: str, remark: str) -> None:
    """Name a row, with a remark below the name."""
    axes.text(LABEL, y - (0.07 if remark else 0), text, va="center", fontsize=7)
    if remark:
        note(axes, LABEL, y + 0.07, remark, fontsize=6, parse_math=True)


def draw_omission(axes: Axes, y: float, x: float) -> None:
    """Say that steps are left out."""
    axes.text(x, y, "…", ha="center", va="center_baseline", fontsize=9)
