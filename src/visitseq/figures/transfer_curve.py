"""The figure of what pre-training is worth (Doctor AI's Fig. 3): the test metric by epoch.

A panel a direction, task, encoding and model that is trained in epochs: fine-tuned from the
source's weights, which are epoch 0, against training from scratch, on all of the target's training
part (or the largest share that was run). A line is the mean over the draws and folds, as far as all
of them were trained, its band their range; a dot on a line's band is the epoch that validation
chose, in each draw and fold. Below, what the paper printed, in a panel of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.figures.legends import add_legend, legend_height
from visitseq.figures.published import HEADING
from visitseq.figures.published_next_visit import SOURCE, doctor_ai
from visitseq.figures.study import Study
from visitseq.figures.style import (
    MARGIN,
    PALE,
    PUBLISHED_GREYS,
    WIDTH,
    add_axes,
    new_figure,
)
from visitseq.figures.transfer_looks import (
    LEFT,
    LOOKS,
    PLOT,
    PLOT_WIDTH,
    TITLE,
    draw_panels,
    may_draw,
    panels_height,
)
from visitseq.figures.transfer_results import MAIN_LABELS, STRATEGIES, TransferResult

BELOW = 0.5  # inches under a plot
PUBLISHED_STRATEGIES = {"pre-trained": "fine_tuned", "from scratch": "scratch"}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """The test metric of a strategy by epoch.

    Attributes
    ----------
    epochs
        The epochs that any draw has, shape (epochs,).
    mean
        Mean over draws and folds, NaN where one of them was not trained so long, shape (epochs,).
    low, high
        The lowest and highest of those that were, shape (epochs,).
    chosen
        Epoch and test metric of each draw and fold at the epoch that validation chose, shape
        (draws x folds, 2).
    """

    strategy: str
    fraction: int
    epochs: Floats
    mean: Floats
    low: Floats
    high: Floats
    chosen: Floats


def draw_curve(study: Study, results: list[TransferResult]) -> Figure:
    """Draw the curves of every model that was trained in epochs, and what the paper printed."""
    found = [(result, read_curves(study, result)) for result in results]
    curves = {id(result): own for result, own in found if own}
    shown = [result for result, own in found if own]
    ours = panels_height(len(shown), BELOW) if shown else TITLE
    legend = legend_height(2, WIDTH) if shown else 0.0
    figure = new_figure(
        WIDTH, ours + legend + TITLE + PLOT + BELOW, synthetic=any(study.synthetic.values())
    )
    draw_panels(
        figure,
        shown,
        BELOW,
        lambda axes, result: _draw_panel(study, axes, result, curves[id(result)]),
    )
    if any(axes.lines for axes in figure.axes):
        of = "draws and folds" if len(study.folds) > 1 else "draws"
        title = f"Mean and range over the {of}; dots: the epoch that validation chose in each"
        add_legend(figure, 0.1, ours, title)
    if not shown:
        note = "no model that is trained in epochs was moved"
        figure.text(0.08 / WIDTH, 1 - MARGIN / figure.get_size_inches()[1], note, va="top")
    _draw_published(figure, ours + legend)
    return figure


def read_curves(study: Study, result: TransferResult) -> list[Curve]:
    """Curves of the strategies that were trained in epochs, at the largest share of each."""
    folders = [study.transfer_folder(result.direction, result.model, f) for f in study.folds]
    tables = [pd.read_csv(folder / "curve.csv").assign(fold=f) for f, folder in enumerate(folders)]
    # A fold without a trained arm has a header alone, whose columns have no types.
    table = pd.concat([own for own in tables if len(own)] or tables)
    table = table[table["metric"] == result.main]
    strategies = [strategy for strategy in STRATEGIES if strategy in set(table["strategy"])]
    return [_curve(strategy, table[table["strategy"] == strategy]) for strategy in strategies]


def _curve(strategy: str, table: pd.DataFrame) -> Curve:
    fraction = table["fraction"].max()
    table = table[table["fraction"] == fraction]
    by_draw = table.pivot(index="epoch", columns=["fold", "draw"], values="test")
    return Curve(
        strategy=strategy,
        fraction=int(fraction),
        epochs=by_draw.index.to_numpy(),
        mean=by_draw.mean(axis=1, skipna=False).to_numpy(),
        low=by_draw.min(axis=1).to_numpy(),
        high=by_draw.max(axis=1).to_numpy(),
        chosen=table.loc[table["chosen"], ["epoch", "test"]].to_numpy(dtype=np.float64),
    )


def _draw_panel(study: Study, axes: Axes, result: TransferResult, curves: Sequence[Curve]) -> None:
    if not may_draw(study, axes, result):
        return
    for curve in curves:
        look = LOOKS[curve.strategy]
        label = STRATEGIES[curve.strategy]
        axes.plot(curve.epochs, curve.mean, look.dash, color=look.colour, label=label)
        axes.fill_between(
            curve.epochs, curve.low, curve.high, color=look.colour, alpha=0.12, linewidth=0
        )
        axes.plot(*curve.chosen.T, look.marker, color=look.colour, markersize=3.5)
    shares = sorted({curve.fraction for curve in curves})
    share = " and ".join(f"{fraction}%" for fraction in shares)
    axes.set(xlabel=f"Epoch ({share} of the training part)", ylabel=MAIN_LABELS[result.kind])
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.set_xlim(left=-0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color=PALE, linewidth=0.4)


def _draw_published(figure: Figure, top: float) -> None:
    """Draw the paper's two curves as read off its figure."""
    content = doctor_ai()["fig3"]
    axes = add_axes(figure, LEFT, top + TITLE, PLOT_WIDTH, PLOT)
    for name, strategy in PUBLISHED_STRATEGIES.items():
        look, grey = LOOKS[strategy], PUBLISHED_GREYS[2 if strategy == "fine_tuned" else 1]
        epochs, values = np.array(content["recall_at_30"][name]).T
        axes.plot(
            epochs,
            values,
            color=grey,
            linestyle=look.dash,
            marker=look.marker,
            markersize=2.5,
            label=name,
        )
    title = f"{HEADING.capitalize()}: {SOURCE}, Fig. 3\nMIMIC-II, digitised"
    axes.set_title(title, x=(0.08 - LEFT) / PLOT_WIDTH)
    axes.set(xlabel="Epoch", ylabel="Recall at 30")
    _finish(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.04, 0.5), borderaxespad=0)
