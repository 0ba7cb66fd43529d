"""How many cases and controls a result was tested on, as far as these numbers may be shown.

A number of rows is hidden where it is small, and where what the cohort has besides it is: the table
of the cohort would give that away. Where either is hidden, so is their sum.
"""

from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.figures.forecast_results import ForecastResult
from visitseq.figures.model_results import ModelResult
from visitseq.figures.next_visit_results import NextVisitResult
from visitseq.figures.small_cells import HIDDEN, may_show, show_count
from visitseq.figures.study import Setting, Study


class RowsTested(NamedTuple):
    """Rows of the test parts of all folds together, as text."""

    cases: str
    controls: str
    rows: str

    @property
    def words(self) -> str:
        """Write "115 cases, 1,150 controls"."""
        numbers = {"cases": self.cases, "controls": self.controls}
        return ", ".join(
            f"{noun} {HIDDEN}" if number == HIDDEN else f"{number} {noun}"
            for noun, number in numbers.items()
        )


def rows_tested(study: Study, result: ModelResult) -> RowsTested:
    """Count the rows that a result was tested on."""
    cases = sum(int(fold.rows.case.sum()) for fold in result.tested)
    rows = sum(len(fold.rows) for fold in result.tested)
    return show_rows(study, result.setting, rows, cases)


def show_rows(study: Study, setting: Setting, rows: int, cases: int) -> RowsTested:
    """Write numbers of rows and cases of a task with an outcome; a small rest hides one."""
    controls = rows - cases
    folder = study.cohort_folder(setting.site, study.cohort_of(setting.task))
    label = pq.read_table(folder / "cohort.parquet", columns=["label"])["label"]
    all_cases = pc.sum(label).as_py() or 0
    texts = (
        _show(cases, all_cases, study.minimum_cell),
        _show(controls, len(label) - all_cases, study.minimum_cell),
    )
    shown = texts == (f"{cases:,}", f"{controls:,}")
    return RowsTested(*texts, rows=f"{rows:,}" if shown else HIDDEN)


def persons_tested(study: Study, result: ForecastResult | NextVisitResult) -> str:
    """Count the persons of the test parts of all folds, as ``show_persons`` writes them."""
    persons = sum(len(fold.visits.groups.ids) for fold in result.folds)
    return show_persons(study, result.setting, persons)


def show_persons(study: Study, setting: Setting, persons: int) -> str:
    """Write a number of persons of a task that asks for visits; one with a small rest is hidden."""
    forecasts, next_visits = study.forecasts, study.next_visits
    of_forecast = setting.task in forecasts
    cohort = forecasts[setting.task].cohort if of_forecast else next_visits[setting.task]["cohort"]
    folder = study.cohort_folder(setting.site, cohort)
    rows = pq.read_metadata(folder / "cohort.parquet").num_rows
    return _show(persons, rows, study.minimum_cell)


def _show(number: int, of_cohort: int, minimum: int) -> str:
    return show_count(number, minimum) if may_show(of_cohort - number, minimum) else HIDDEN
