"""Doctor AI's Fig. 1 from a network of the study: what is predicted at every visit.

It is the first recurrent network that predicts next visits, as it was trained in the first fold of
the first site: above unrolled over the visits, with both heads at each, below the inside of its
cell, as in schematic_network.py. A dashed arrow is a way on which dropout acts in training.
"""

import json
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visitseq.figures.drawing import draw_arrow, draw_box
from visitseq.figures.schematic_cells import FRAME, draw_cell
from visitseq.figures.schematic_network import (
    BETWEEN,
    CELL,
    HEADING,
    LABEL,
    MARGIN_BELOW,
    SMALL,
    STEPS,
    UnrolledNetwork,
    draw_omission,
    name_row,
)
from visitseq.figures.study import Setting, Study
from visitseq.figures.style import GREEN, VERMILLION, WIDTH, add_page, empty_figure, new_figure

HEAD_ROW = 0.36  # inches between the heads
HEAD_ASIDE = 0.2  # of each head from the step's middle


def draw_schematic_next_visit(study: Study) -> Figure:
    """Draw the network with its heads, and its cell."""
    found = _first_network(study)
    if found is None:
        return empty_figure("no recurrent network predicted\nthe next visit", synthetic=False)
    setting, name = found
    card = json.loads(study.trained(setting, name, study.folds[0]).read_text("utf-8"))
    network = NextVisitUnrolled(_as_built(card), len(card["known_labels"]))
    figure = new_figure(WIDTH, network.height + 0.5 + FRAME[1] + MARGIN_BELOW, synthetic=False)
    axes = add_page(figure)
    place = f"{setting.site}, {setting.task}, {setting.encoding}, fold {study.folds[0]}"
    axes.text(LABEL, 0, f"A   The network {name}, unrolled ({place})", va="top")
    network.draw(axes)
    axes.text(LABEL, network.height, f"B   Its cell ({network.cell})", va="top")
    draw_cell(axes, 0.5, network.height + 0.32, network.model)
    return figure


class NextVisitUnrolled(UnrolledNetwork):
    """A network that predicts labels and days at each visit, from the heads down to the one-hot."""

    above = HEADING + 2 * HEAD_ROW + 0.15

    def __init__(self, model: Mapping[str, Any], labels: int) -> None:
        super().__init__(model, "visit")
        self.labels = labels

    def draw_head(self, axes: Axes) -> None:
        """Draw the head of the labels and, above it, that of the days, at each visit."""
        model, top = self.model, HEADING + HEAD_ROW / 2
        y = {"d": top, "y": top + HEAD_ROW}
        aside = {"d": HEAD_ASIDE, "y": -HEAD_ASIDE}
        colours = {"d": VERMILLION, "y": GREEN}
        start = self.row(model["layers"] - 1, backwards=False) - CELL[1] / 2
        for step, x in STEPS.items():
            following = "T+1" if step == "T" else str(int(step) + 1)
            for head in ("y", "d"):
                at = x + aside[head]
                draw_arrow(axes, (at, start), (at, y[head] + SMALL[1] / 2), **self.dropped)
                text = rf"$\hat{{{head}}}_{{{following}}}$"
                draw_box(axes, (at, y[head]), SMALL, text, colour=colours[head])
        for row in y.values():
            draw_omission(axes, row, BETWEEN)
        rule = r"\sigma" if model["loss"] == "sigmoid" else r"\mathrm{softmax}"
        loss = f"${rule}(V h_t + b)$, {model['loss']} loss"
        days = r"$\max(0, w \cdot h_t + c)$, squared error x " + f"{model['tradeoff']:g}/2"
        name_row(axes, y["y"], f"labels of the next visit, {self.labels:,}", loss)
        name_row(axes, y["d"], "log days until it", days)
        if model["dropout"]:
            axes.text(
                WIDTH - LABEL,
                0,
                f"dropout {model['dropout']:g} where dashed",
                ha="right",
                va="top",
                fontsize=7,
            )


def _first_network(study: Study) -> tuple[Setting, str] | None:
    """Give the first setting that has a network, and the network; None without a fold."""
    networks = (
        (setting, name)
        for setting in study.next_visit_settings
        for name in study.next_visit_networks(setting)
    )
    return next(networks, None) if study.folds else None


def _as_built(card: Mapping[str, Any]) -> dict[str, Any]:
    """Section of the model, its embedding as wide as the code vectors that it starts from."""
    encoding, model = card["encoding"], dict(card["model"])
    return model if encoding["vectors"] == "none" else {**model, "embedding": encoding["dimension"]}
