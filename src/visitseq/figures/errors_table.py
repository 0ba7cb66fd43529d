"""Table 4 of the JAMIA paper: who is found, who is missed, and who is taken for a case.

The rows that were tested in any fold fall into four cells, by what came true and by whether the
score reached the threshold that the fold's validation part chose. Of each cell:

    visits                mean number of visits in the window
    days between visits   days from first to last visit / (visits - 1), summed over the rows
    codes a visit         codes / visits, summed over the rows
    share with the code   of the ten codes that most persons of the cell have

with the bootstrap intervals of matched sets, each fold by the draws of all its metrics. The paper
drew 100 of each cell in each fold; here all are taken. Cells and codes of fewer persons than the
study's minimum are not shown. Nor is the other cell of the cases (or of the controls) of a cell so
small: how many they are together is known, and a mean of few persons with its digits gives away how
many they are (4.43 visits are 62 of 14 persons).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from scipy import sparse

from visitseq.encode.sequences import Sequences, count_matrix, read_sequences
from visitseq.evaluate.bootstrap import Groups, resampling_groups
from visitseq.evaluate.drawn_ratios import Terms, estimate_ratios
from visitseq.figures.cohort_table import visit_numbers
from visitseq.figures.labels import interval_text
from visitseq.figures.published import HEADING, heart_failure, published_model
from visitseq.figures.small_cells import HIDDEN, SUPPRESSED, may_show, show_count
from visitseq.figures.study import Setting, Study

Floats = npt.NDArray[np.float64]

#: The paper's name of each cell, whether its rows are cases and whether they are predicted to be.
CELLS = {
    "true positives": ("TP", True, True),
    "false positives": ("FP", False, True),
    "true negatives": ("TN", False, False),
    "false negatives": ("FN", True, False),
}
MEASURES = ("visits", "days between visits", "codes a visit")
WITH_CODE = "share with the code"
TOP_CODES = 10

#: The window of the paper's table, in months.
PAPER_WINDOW = {"observation_months": 12, "prediction_months": 6}

COLUMNS = ["records", "site", "task", "encoding", "model", "folds", "cell", "measure", "code"]
COLUMNS += ["description", "estimate", HEADING]


class TestedRows(NamedTuple):
    """The rows of one fold's test part.

    ``cells`` says of each row (and each of ``CELLS``) whether it is in it, shape (rows, 4);
    ``numbers`` holds visits, days from first to last, codes, shape (rows, 3); ``has`` whether a row
    holds a code, shape (rows, codes).
    """

    fold: int
    subject_id: npt.NDArray[np.int64]
    groups: Groups
    cells: npt.NDArray[np.bool_]
    numbers: Floats
    has: sparse.csc_matrix


def errors_table(study: Study) -> pd.DataFrame:
    """The table of every model that is explained, in the columns of ``COLUMNS``."""
    lines = []
    for setting, model in study.explanations:
        vocabulary = pq.read_table(study.vocabulary(setting)).sort_by("id").to_pandas()
        folds = list(_tested(study, setting, model, len(vocabulary)))
        place = {
            "records": study.records(setting.site),
            **setting._asdict(),
            "model": model,
            "folds": len(folds),
        }
        published = _published(study, setting, model)
        for place_of_cell, cell in enumerate(CELLS):
            for line in _cell_lines(study, folds, place_of_cell, vocabulary):
                printed = published.get((cell, line["measure"]), "")
                lines.append({**place, "cell": cell, **line, HEADING: printed})
    return pd.DataFrame(lines, columns=COLUMNS)


def _tested(study: Study, setting: Setting, model: str, codes: int) -> Iterator[TestedRows]:
    sequences = read_sequences(study.visits(setting))
    for fold in study.folds:
        scored = pq.read_table(
            study.evaluation_folder(setting, model, fold) / "predictions.parquet"
        )
        rows = sequences.take(sequences.rows_of_parts([fold]))  # predictions are in this order
        case, predicted = (
            scored[name].to_numpy() for name in ("boolean_value", "predicted_boolean_value")
        )
        cells = [
            (case == is_case) & (predicted == is_found) for _, is_case, is_found in CELLS.values()
        ]
        yield TestedRows(
            fold=fold,
            subject_id=rows.subject_id,
            groups=resampling_groups(scored["set_id"], scored["subject_id"]),
            cells=np.column_stack(cells),
            numbers=_numbers(rows),
            has=(count_matrix(rows, np.arange(codes, dtype=np.int32)) > 0).tocsc(),
        )


def _numbers(rows: Sequences) -> Floats:
    visits, span = visit_numbers(rows)
    codes = np.diff(rows.code_offsets[rows.visit_offsets])
    return np.column_stack([visits, span, codes]).astype(np.float64)


def _cell_lines(
    study: Study, folds: list[TestedRows], cell: int, vocabulary: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Measures of one of ``CELLS``: their number of persons, how they come, what they have."""
    minimum, persons = study.minimum_cell, [_persons(folds, place) for place in range(len(CELLS))]
    shown, number = _may_show_cell(persons, cell, minimum), show_count(persons[cell], minimum)
    yield _line("persons", number if shown or not may_show(persons[cell], minimum) else HIDDEN)
    codes = _top_codes(folds, cell, persons[cell], minimum) if shown else []
    estimates = estimate_ratios(
        [_terms(rows, cell, codes) for rows in folds], study.draws, study.seed
    )
    for measure, estimate in zip(MEASURES, estimates, strict=False):
        yield _line(measure, interval_text(estimate, 2) if shown else SUPPRESSED)
    for code, estimate in zip(codes, estimates[len(MEASURES) :], strict=True):
        name, description = vocabulary["code"].iloc[code], vocabulary["description"].iloc[code]
        yield _line(WITH_CODE, interval_text(estimate, 3), name, description)


def _may_show_cell(persons: list[int], cell: int, minimum: int) -> bool:
    """Whether neither a cell nor the other cell of its cases (or controls) is too small."""
    is_case = [case for _, case, _ in CELLS.values()]
    return all(
        may_show(number, minimum)
        for number, case in zip(persons, is_case, strict=True)
        if case == is_case[cell]
    )


def _line(measure: str, estimate: str, code: str = "", description: str = "") -> dict[str, str]:
    return {"measure": measure, "code": code, "description": description, "estimate": estimate}


def _persons(folds: list[TestedRows], cell: int) -> int:
    """Persons of a cell; nobody is in the test parts of two folds."""
    return sum(len(np.unique(rows.subject_id[rows.cells[:, cell]])) for rows in folds)


def _top_codes(folds: list[TestedRows], cell: int, persons: int, minimum: int) -> list[int]:
    """Codes that most persons of a cell have, of those that may be shown; ties by id."""
    with_code = np.sum([_persons_with(rows, cell) for rows in folds], axis=0)
    ranked = np.argsort(-with_code, kind="stable").tolist()
    numbers = [(code, int(with_code[code])) for code in ranked]
    shown = [c for c, n in numbers if n and may_show(n, minimum) and may_show(persons - n, minimum)]
    return shown[:TOP_CODES]


def _persons_with(rows: TestedRows, cell: int) -> npt.NDArray[np.int64]:
    """Persons of a cell who have each code, shape (codes,)."""
    inside = np.flatnonzero(rows.cells[:, cell])
    of_row, code = rows.has[inside].nonzero()
    pairs = np.unique(np.column_stack([code, rows.subject_id[inside][of_row]]), axis=0)
    return np.bincount(pairs[:, 0].astype(np.int64), minlength=rows.has.shape[1])


def _terms(rows: TestedRows, cell: int, codes: list[int]) -> Terms:
    """Numerators and denominators of ``MEASURES`` and of the shares with ``codes``."""
    inside = rows.cells[:, [cell]].astype(np.float64)
    visits, span, held = rows.numbers.T[:, :, None]
    has = rows.has[:, codes].toarray()
    numerators = np.hstack([visits, span, held, has])
    denominators = np.hstack([np.ones_like(visits), np.maximum(visits - 1, 0), visits])
    denominators = np.hstack([denominators, np.ones((len(visits), len(codes)))])
    return Terms(rows.fold, rows.groups, inside * numerators, inside * denominators)


def _published(study: Study, setting: Setting, model: str) -> dict[tuple[str, str], str]:
    """What the paper printed of each cell and measure, if it did so of this model and window."""
    is_papers = published_model(study.model_sections[model]) == "GRU w/ duration"
    task = study.onsets[setting.task]
    if not is_papers or any(task[name] != months for name, months in PAPER_WINDOW.items()):
        return {}
    rows = heart_failure()["table4"]["rows"]
    return {
        (cell, measure): f"{value:g}"
        for cell, (short, *_) in CELLS.items()
        for measure, value in zip(MEASURES, rows[short], strict=True)
    }
