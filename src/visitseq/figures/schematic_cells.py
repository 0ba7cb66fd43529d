"""The inside of the recurrent cells, as a drawing and as equations.

The symbols are those of ``visitseq.models.reference``: U multiplies the input, here s, and W the
state before. Places are inches from the upper left corner of a cell's frame.
"""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from visitseq.figures.drawing import (
    Point,
    draw_arrow,
    draw_box,
    draw_dot,
    draw_line,
    draw_node,
    note,
)
from visitseq.figures.style import BLUE, GREY, VERMILLION

FRAME = (2.75, 1.85)  # inches
GATE = (0.36, 0.23)
TIMES = "\N{MULTIPLICATION SIGN}"
EQUATION_LINE = 0.27
EQUATIONS, REMARKS = 0.55, 3.05  # inches from the frame's right side

_GATE = r"\sigma(U_{0} s_t + W_{0} h_{{t-1}} + b_{0})"
_NEW = r"\tanh(U_{0} s_t + W_{0} h_{{t-1}} + b_{0})"


def draw_cell(axes: Axes, left: float, top: float, model: Mapping[str, Any]) -> None:
    """Draw the cell of a recurrent model in its frame, its equations at the right."""
    frame = _Frame(axes, left, top)
    draw = {"rnn": _draw_rnn, "gru": _draw_gru, "lstm": _draw_lstm}[model["cell"]]
    draw(frame, model)
    for number, (equation, remark) in enumerate(equations(model)):
        y = top + 0.2 + EQUATION_LINE * number
        x = left + FRAME[0] + EQUATIONS
        axes.text(x, y, f"${equation}$", parse_math=True, va="center_baseline", fontsize=8)
        note(axes, left + FRAME[0] + REMARKS, y, remark, va="center_baseline")

    if model["cell"] != "rnn":
        y = top + 0.2 + EQUATION_LINE * len(equations(model))
        note(axes, left + FRAME[0] + EQUATIONS, y, "products of gate and state: element by element")


def equations(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Equations of a model's cell in TeX, each with what it is."""
    match model["cell"]:
        case "rnn":
            function = {"tanh": r"\tanh", "relu": r"\mathrm{relu}"}[model["nonlinearity"]]
            return [(rf"h_t = {function}(U s_t + W h_{{t-1}} + b)", "state")]
        case "gru":
            after = model["reset"] == "after"
            memory = r"r_t (W_h h_{t-1} + c_h)" if after else r"W_h (r_t h_{t-1})"
            return [
                (r"r_t = " + _GATE.format("r"), "reset gate"),
                (r"z_t = " + _GATE.format("z"), "update gate"),
                (rf"\tilde{{h}}_t = \tanh(U_h s_t + {memory} + b_h)", "new"),
                (r"h_t = z_t h_{t-1} + (1 - z_t)\, \tilde{h}_t", "state"),
            ]
        case _:
            return [
                (r"f_t = " + _GATE.format("f"), "forget gate"),
                (r"i_t = " + _GATE.format("i"), "input gate"),
                (r"\tilde{c}_t = " + _NEW.format("c"), "new"),
                (r"c_t = f_t c_{t-1} + i_t \tilde{c}_t", "cell state"),
                (r"o_t = " + _GATE.format("o"), "output gate"),
                (r"h_t = o_t \tanh(c_t)", "state"),
            ]


class _Frame:
    """A cell's frame on a page; its parts are placed from its upper left corner."""

    def __init__(self, axes: Axes, left: float, top: float) -> None:
        self.axes, self.left, self.top = axes, left, top
        middle = (left + FRAME[0] / 2, top + FRAME[1] / 2)
        draw_box(axes, middle, FRAME, colour=GREY, filled=False)

    def at(self, point: Point) -> Point:
        return self.left + point[0], self.top + point[1]

    def gate(self, x: float, y: float, text: str, colour: str = BLUE, width: float = 1) -> None:
        size = (GATE[0] * width, GATE[1])
        draw_box(self.axes, self.at((x, y)), size, text, colour=colour)

    def node(self, x: float, y: float, text: str) -> None:
        draw_node(self.axes, self.at((x, y)), text)

    def arrow(self, *points: Point) -> None:
        draw_arrow(self.axes, *(self.at(point) for point in points))

    def line(self, *points: Point) -> None:
        draw_line(self.axes, [self.at(point) for point in points])

    def dots(self, *points: Point) -> None:
        """Say where lines are joined."""
        for point in points:
            draw_dot(self.axes, self.at(point))

    def name(self, x: float, y: float, text: str) -> None:
        place = self.at((x, y))
        self.axes.text(*place, text, ha="center", va="center", fontsize=8, parse_math=True)


def _draw_rnn(frame: _Frame, model: Mapping[str, Any]) -> None:
    right, bottom = FRAME
    frame.name(-0.25, 0.6, "$h_{t-1}$")
    frame.name(right + 0.22, 0.6, "$h_t$")
    frame.name(1.4, bottom + 0.15, "$s_t$")
    frame.gate(1.4, 0.6, model["nonlinearity"], VERMILLION, 1.3)
    frame.arrow((-0.05, 0.6), (1.16, 0.6))
    frame.arrow((1.4, bottom), (1.4, 0.72))
    frame.arrow((1.64, 0.6), (right + 0.08, 0.6))


def _draw_gru(frame: _Frame, model: Mapping[str, Any]) -> None:
    right, bottom = FRAME
    frame.name(-0.25, 0.35, "$h_{t-1}$")
    frame.name(right + 0.22, 0.35, "$h_t$")
    frame.name(0.5, bottom + 0.15, "$s_t$")
    # The state's way, and what is made of it, of the new and of the update gate.
    frame.arrow((-0.05, 0.35), (1.2, 0.35))
    frame.gate(1.85, 0.35, r"$z_t h_{t-1} + (1 - z_t)\, \tilde{h}_t$", VERMILLION, 3.6)
    frame.arrow((2.5, 0.35), (right + 0.08, 0.35))
    # Two rails below the gates, of the state before and of the input.
    frame.line((0.2, 0.35), (0.2, 1.42), (2.2, 1.42))
    frame.line((0.5, bottom), (0.5, 1.62), (2.3, 1.62))
    for x, text in ((0.8, "$r_t$"), (2.25, "$z_t$")):
        frame.gate(x, 1.12, text)
        frame.arrow((x - 0.05, 1.42), (x - 0.05, 1.235))
        frame.arrow((x + 0.05, 1.62), (x + 0.05, 1.235))
    frame.gate(1.6, 1.12, r"$\tilde{h}_t$", VERMILLION)
    frame.arrow((1.6, 1.62), (1.6, 1.235))
    frame.arrow((1.6, 1.005), (1.6, 0.465))
    frame.arrow((2.25, 1.005), (2.25, 0.465))
    # What the new sees of the state before.
    frame.arrow((0.8, 1.005), (0.8, 0.84))
    frame.node(0.8, 0.75, TIMES)
    x = 0.45 if model["reset"] == "after" else 1.1
    frame.gate(x, 0.75, "$W_h$", GREY, 0.65)
    if model["reset"] == "after":
        frame.line((0.2, 0.75), (0.335, 0.75))
        frame.arrow((0.565, 0.75), (0.71, 0.75))
        frame.arrow((0.89, 0.75), (1.1, 0.75), (1.1, 1.12), (1.42, 1.12))
    else:
        frame.arrow((0.2, 0.75), (0.71, 0.75))
        frame.line((0.89, 0.75), (0.985, 0.75))
        frame.arrow((1.1, 0.865), (1.1, 1.12), (1.42, 1.12))
    frame.dots((0.2, 0.35), (0.2, 0.75), (0.75, 1.42), (0.85, 1.62), (1.6, 1.62))


def _draw_lstm(frame: _Frame, model: Mapping[str, Any]) -> None:
    right, bottom = FRAME
    for y, state in ((0.3, "c"), (1.5, "h")):
        frame.name(-0.25, y, f"${state}_{{t-1}}$")
        frame.name(right + 0.22, y, f"${state}_t$")
    frame.name(0.25, bottom + 0.15, "$s_t$")
    # The cell state's way.
    frame.arrow((-0.05, 0.3), (0.51, 0.3))
    frame.node(0.6, 0.3, TIMES)
    frame.arrow((0.69, 0.3), (1.21, 0.3))
    frame.node(1.3, 0.3, "+")
    frame.arrow((1.39, 0.3), (right + 0.08, 0.3))
    # The gates above the rail of input and state before.
    frame.line((-0.05, 1.5), (1.95, 1.5))
    frame.line((0.25, bottom), (0.25, 1.5))
    gates = {0.6: "$f_t$", 1.05: "$i_t$", 1.55: r"$\tilde{c}_t$", 1.95: "$o_t$"}
    for x, text in gates.items():
        frame.gate(x, 1.15, text, VERMILLION if "tilde" in text else BLUE)
        frame.arrow((x, 1.5), (x, 1.265))
    frame.arrow((0.6, 1.035), (0.6, 0.39))
    frame.node(1.3, 0.75, TIMES)
    frame.arrow((1.05, 1.035), (1.05, 0.75), (1.21, 0.75))
    frame.arrow((1.55, 1.035), (1.55, 0.75), (1.39, 0.75))
    frame.arrow((1.3, 0.66), (1.3, 0.39))
    # What is shown of the cell state.
    frame.arrow((2.35, 0.3), (2.35, 0.435))
    frame.gate(2.35, 0.55, "tanh", VERMILLION, 1.1)
    frame.arrow((2.35, 0.665), (2.35, 0.81))
    frame.node(2.35, 0.9, TIMES)
    frame.arrow((1.95, 1.035), (1.95, 0.9), (2.26, 0.9))
    frame.arrow((2.35, 0.99), (2.35, 1.5), (right + 0.08, 1.5))
    frame.dots((0.25, 1.5), (0.6, 1.5), (1.05, 1.5), (1.55, 1.5), (2.35, 0.3))
