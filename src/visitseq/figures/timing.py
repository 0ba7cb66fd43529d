"""Seconds: the paper's Table 3 (to score one patient) and Fig. 6 (to train, by patients).

Ours are of the machine that the study was run on; the paper's are of an Intel Xeon E5-2697 with a
Tesla K80. Neither can be had again to the byte, so the files are named as timings.
"""

from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visitseq.figures.labels import wrapped
from visitseq.figures.legends import add_legend, legend_height
from visitseq.figures.panels import setting_title
from visitseq.figures.published import HEADING, SOURCE, heart_failure, published_model
from visitseq.figures.study import Setting, Study
from visitseq.figures.style import (
    PUBLISHED_GREYS,
    WIDTH,
    add_axes,
    empty_figure,
    look_of,
    new_figure,
)

#: Columns of the table, by how patients were scored.
WAYS = {"one": "seconds a patient, one by one", "batch": "seconds a patient, in a batch"}

# Inches.
TITLE, PLOT, PLOT_WIDTH, LEFT, BELOW = 0.56, 1.9, 2.7, 0.65, 0.5


def scoring_table(study: Study) -> pd.DataFrame:
    """A row a site, task, encoding and model: median [quartiles] of the seconds a patient."""
    lines = [
        {
            "records": study.records(setting.site),
            **setting._asdict(),
            "model": model,
            **_quartiles(pd.read_csv(study.scoring_times(setting, model))),
            HEADING: _published_seconds(study, model),
        }
        for setting in study.settings
        for model in study.timed(setting)
        if study.folds
    ]
    columns = ["records", "site", "task", "encoding", "model", *WAYS.values(), HEADING]
    return pd.DataFrame(lines, columns=columns)


def _quartiles(times: pd.DataFrame) -> dict[str, str]:
    """Text of each way; empty where the test part has no rows."""
    return {
        WAYS[str(line.way)]: f"{line.median:.2g} [{line.low:.2g}, {line.high:.2g}]"
        for line in times.itertuples()
    }


def _published_seconds(study: Study, model: str) -> str:
    name = published_model(study.model_sections[model])
    seconds = heart_failure()["table3"]["seconds_a_patient"]
    # The table does not say which of the paper's two GRUs it is of.
    return f"{seconds[name.split()[0]]:g}" if name else ""


def draw_training_times(study: Study) -> Figure:
    """Draw seconds against patients, of the first task; a panel a site and encoding."""
    synthetic = any(study.synthetic.values())
    times = {
        (setting, model): _read_training_times(study, setting, model)
        for setting in study.settings
        for model in study.timed(setting)
        if setting.task == next(iter(study.onsets))
        and study.training_times(setting, model).is_file()
    }
    panels = [list(keys) for _, keys in groupby(times, key=lambda key: key[0])]
    if not panels:
        return empty_figure("no network's training was timed", synthetic=synthetic)
    row = TITLE + PLOT + BELOW
    ours = row * -(-len(panels) // 2)
    width = WIDTH / 2 * min(2, len(panels))
    legend = legend_height(len({model for _, model in times}), width)
    figure = new_figure(width, ours + legend + row + 0.4, synthetic=synthetic)
    for place, keys in enumerate(panels):
        down, across = divmod(place, 2)
        left = across * WIDTH / 2 + LEFT
        axes = add_axes(figure, left, down * row + TITLE, PLOT_WIDTH, PLOT)
        for setting, model in keys:
            _draw_times(study, axes, model, times[setting, model])
        _set_axes(axes, setting_title(keys[0][0]))
    add_legend(figure, LEFT, ours, "One training of 10 epochs, fold 0")
    _draw_published(figure, ours + legend)
    return figure


def _read_training_times(study: Study, setting: Setting, model: str) -> pd.DataFrame:
    """Patients, hidden size and seconds; a number of patients too small to be shown is left out."""
    times = pd.read_csv(study.training_times(setting, model))
    return times[times["patients"] >= study.minimum_cell]


def _draw_times(study: Study, axes: Axes, model: str, times: pd.DataFrame) -> None:
    look = look_of(study.models, model)
    hidden = "".join(f", hidden {size}" for size in times["hidden"].unique())
    axes.plot(
        times["patients"],
        times["seconds"],
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker,
        label=wrapped(model + hidden, 40),
    )


def _set_axes(axes: Axes, title: str) -> None:
    axes.set(title=title, xlabel="Patients trained on", ylabel="Seconds")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(_thousands)
    axes.yaxis.set_major_formatter(_thousands)


def _thousands(number: float, _: float) -> str:
    return f"{number:,g}"


def _draw_published(figure: Figure, top: float) -> None:
    """Draw the paper's curves as far as they could be read off its figure."""
    content: dict[str, Any] = heart_failure()["fig6"]
    axes = add_axes(figure, LEFT, top + TITLE, PLOT_WIDTH, PLOT)
    for (name, seconds), dash, grey in zip(
        content["seconds"].items(), ("-", "--"), PUBLISHED_GREYS[:0:-1], strict=True
    ):
        points = [
            (x, y) for x, y in zip(content["patients"], seconds, strict=True) if y is not None
        ]
        axes.plot(
            *np.array(points).T,
            color=grey,
            linestyle=dash,
            marker="o",
            label=name.partition(",")[0],
        )
    _set_axes(
        axes,
        f"{HEADING.capitalize()}: {SOURCE}, Fig. 6\nGRU with duration, {content['epochs']} epochs",
    )
    add_legend(figure, LEFT, top + TITLE + PLOT + BELOW, "", axes=axes)
