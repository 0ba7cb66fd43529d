"""The paper's Fig. 1 from the study's own encoding: an invented patient's visits as vectors.

Above the visits on their way to the index date, which is not to scale; below a column for each step
of the sequence, a visit or a code as the study's first encoding has it, and a row for each code or
group. Where the network that is drawn in schematic_network.py is told the time, its row follows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from visitseq.cohort.windows import months_to_days
from visitseq.figures.drawing import draw_arrow, draw_line, note, tint
from visitseq.figures.invented_patient import LEFT_AFTER, Code, row_of, rows_of, visits_of
from visitseq.figures.labels import wrapped
from visitseq.figures.study import Section, Study
from visitseq.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    VERMILLION,
    WIDTH,
    add_page,
    empty_figure,
    new_figure,
)

COLOURS = {"condition": BLUE, "drug": GREEN, "procedure": ORANGE}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

# Inches: of the steps and the index date from the left, of both parts from the top, of lines.
FIRST, LAST, INDEX = 1.55, 6.15, 6.7
TIMELINE, MATRIX = 0.95, 1.75
CELL, CODE_LINE, REMARK_LINE = 0.17, 0.115, 0.14
REMARK_CHARACTERS = 118


@dataclass(frozen=True)
class _Patient:
    """What is drawn: visits as lists of steps, each of which is a list of codes.

    Attributes
    ----------
    days
        Days from each visit to the index date.
    rows
        Domain of each row of the vectors, by its name.
    vocabulary
        codes or groups: what a row stands for.
    """

    visits: list[list[list[Code]]]
    days: list[int]
    rows: dict[str, str]
    vocabulary: str

    @property
    def places(self) -> list[list[float]]:
        """Inches of each visit's steps from the left."""
        steps = sum(map(len, self.visits))
        pitch = (LAST - FIRST) / (steps + len(self.visits) - 1)
        places, x = [], FIRST + pitch / 2
        for visit in self.visits:
            places.append([x + pitch * number for number in range(len(visit))])
            x += pitch * (len(visit) + 1)
        return places


def draw_schematic_visits(study: Study) -> Figure:
    """Draw the timeline and the vectors."""
    if not study.encodings or not study.onsets:
        missing = "encoding" if study.onsets else "task with an outcome"
        return empty_figure(f"no {missing} was run", synthetic=False)
    name, task = next(iter(study.onsets.items()))
    encoding, network = study.encoding_sections[study.encodings[0]], study.network
    timed = network is not None and study.model_sections[network]["duration"]
    patient = _patient(task, encoding)
    remark = wrapped(_remark(encoding, timed=timed), REMARK_CHARACTERS)
    matrix = CELL * (len(patient.rows) + 1 + 2 * timed)
    height = MATRIX + matrix + 0.35 + REMARK_LINE * (remark.count("\n") + 1)
    figure = new_figure(WIDTH, height, synthetic=False)
    axes = add_page(figure)
    heading = ", ".join(filter(None, [name, study.encodings[0], network]))
    axes.text(0.1, 0, f"An invented patient ({heading})", va="top")
    _draw_timeline(axes, patient)
    _draw_rows(axes, patient)
    _draw_steps(axes, patient, timed=timed)
    note(axes, 0.1, MATRIX + matrix + 0.2, remark, va="top")
    return figure


def _patient(task: Section, encoding: Section) -> _Patient:
    visits = visits_of(encoding["domains"])
    by_code = encoding["sequence"] == "code"
    steps = [[[code] for code in visit] if by_code else [visit] for visit in visits]
    rows = rows_of(visits, encoding["vocabulary"])
    return _Patient(steps, _days_to_index(task)[-len(visits) :], rows, encoding["vocabulary"])


def _remark(encoding: Section, *, timed: bool) -> str:
    by_code = encoding["sequence"] == "code"
    unit = "group of codes" if encoding["vocabulary"] == "groups" else "code"
    sentences = [
        "A column is a step of the sequence: "
        + ("a code; those of a visit come in random order." if by_code else "a visit."),
        f"It has a 1 for each {unit} in it and a 0 for all others that the fold knows.",
    ]
    if encoding["vectors"] == "skipgram":
        sentences.append("The vector of each code that the network begins with is its skip-gram's.")
    if timed:
        sentences.append("Below it the logarithm of the days to the index date, plus 1.")
    return " ".join(sentences)


def _days_to_index(task: Section) -> list[int]:
    observed = months_to_days(task["observation_months"])
    gap = months_to_days(task["prediction_months"])
    return [gap + round(share * observed) for share in LEFT_AFTER]


def _draw_timeline(axes: Axes, patient: _Patient) -> None:
    """Draw the visits with their codes above them and their days below."""
    draw_arrow(axes, (FIRST - 0.2, TIMELINE), (INDEX, TIMELINE), colour=GREY)
    axes.text(INDEX, TIMELINE - 0.22, "index\ndate", ha="center", va="center", fontsize=7)
    note(axes, 0.1, TIMELINE + 0.29, "days to the index date", fontsize=6)
    for number, (steps, places) in enumerate(zip(patient.visits, patient.places, strict=True)):
        x = sum(places) / len(places)
        axes.plot([x], [TIMELINE], "o", color="black", markersize=4)
        codes = [code for step in steps for code in step]
        for line, code in enumerate(reversed(codes)):
            y = TIMELINE - 0.12 - CODE_LINE * line
            axes.text(
                x, y, code.name, color=COLOURS[code.domain], ha="center", va="center", fontsize=6
            )
        name = f"t{number + 1}".translate(SUBSCRIPTS)
        axes.text(x, TIMELINE + 0.15, name, ha="center", va="center", fontsize=7)
        note(axes, x, TIMELINE + 0.29, str(patient.days[number]), fontsize=6, ha="center")
        for place in places:
            draw_line(
                axes, [(x, TIMELINE + 0.38), (place, MATRIX - 0.1)], colour=PALE, linewidth=0.6
            )


def _draw_rows(axes: Axes, patient: _Patient) -> None:
    """Name the rows, in the colour of their domain, which stands before its first."""
    named: set[str] = set()
    for number, (name, domain) in enumerate(patient.rows.items()):
        y = MATRIX + CELL * (number + 0.5)
        words: dict[str, Any] = {"color": COLOURS[domain], "va": "center", "fontsize": 6}
        axes.text(FIRST - 0.1, y, name, ha="right", **words)
        if domain not in named:
            axes.text(0.1, y, f"{domain}s", weight="bold", **words)
        named.add(domain)
    note(axes, FIRST - 0.1, MATRIX + CELL * (len(patient.rows) + 0.5), "⋮", ha="right")


def _draw_steps(axes: Axes, patient: _Patient, *, timed: bool) -> None:
    """Draw the vector of every step, and below it the time where the network is told it."""
    below = MATRIX + CELL * (len(patient.rows) + 2.2)
    for steps, places, days in zip(patient.visits, patient.places, patient.days, strict=True):
        for step, x in zip(steps, places, strict=True):
            present = {row_of(code, patient.vocabulary) for code in step}
            for number, (name, domain) in enumerate(patient.rows.items()):
                y = MATRIX + CELL * (number + 0.5)
                _draw_cell(axes, (x, y), "01"[name in present], COLOURS[domain])
            note(axes, x, MATRIX + CELL * (len(patient.rows) + 0.5), "⋮", ha="center")
            if timed:
                _draw_cell(axes, (x, below), f"{np.log1p(days):.1f}", VERMILLION)
    if timed:
        words: dict[str, Any] = {"color": VERMILLION, "ha": "right", "va": "center", "fontsize": 6}
        axes.text(FIRST - 0.1, below, "log(days + 1)", **words)


def _draw_cell(axes: Axes, centre: tuple[float, float], text: str, colour: str) -> None:
    """Draw an entry of a vector; a 0 is pale."""
    (x, y), half = centre, CELL / 2
    zero = text == "0"
    face, edge = ("white", PALE) if zero else (tint(colour, 0.35), colour)
    corner = (x - 1.2 * half, y - half)
    axes.add_patch(Rectangle(corner, 2.4 * half, CELL, facecolor=face, edgecolor=edge, lw=0.5))
    grey = "#b0b0b0" if zero else "black"
    axes.text(x, y, text, color=grey, ha="center", va="center_baseline", fontsize=6)
