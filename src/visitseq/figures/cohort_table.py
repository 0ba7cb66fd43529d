"""Table 1: who the cases and the controls are, and what their records hold.

Persons are described from cohort.parquet and persons.parquet, at the index date; their visits from
visits.arrow, within the observation window of each task. A visit begins on a day of its own, so a
row's visits are its distinct days, also where a step of the sequence is one code. Numbers of
persons under the study's minimum, and what they could be had from, are not shown, also by
subtraction between the nested windows of two tasks; statistics of a group that small are
suppressed.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from visitseq.encode.sequences import Sequences, read_sequences
from visitseq.figures.cohort_rows import CohortRows, read_cohort_rows
from visitseq.figures.nested_windows import Part, hidden_windows, window_of
from visitseq.figures.small_cells import HIDDEN, SUPPRESSED, may_show, show_count, show_share
from visitseq.figures.study import Setting, Study

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FEMALE = 8532  # OMOP concept
WITHOUT_VISIT = "Without any visit, n (%)"

COLUMNS = ("records", "site", "cohort", "task", "characteristic", "cases", "controls")


def cohort_table(study: Study) -> pd.DataFrame:
    """Table 1 of every site and cohort with an outcome.

    In a landmark cohort cases and controls are index dates after which the disease does and does
    not begin within the horizon.

    Returns
    -------
    pandas.DataFrame
        The columns of ``COLUMNS``: a row a characteristic, as text; ``task`` is empty for what
        does not depend on the observation window.
    """
    lines = []
    for site, cohort in study.outcome_cohorts:
        for task, name, cases, controls in _characteristics(study, site, cohort):
            lines.append((study.records(site), site, cohort, task, name, cases, controls))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _characteristics(study: Study, site: str, cohort: str) -> Iterator[tuple[str, str, str, str]]:
    """Task, characteristic, and its text for cases and controls."""
    rows = read_cohort_rows(study, site, cohort)
    pair = [_of_persons(rows, group, study.minimum_cell) for group in (rows.case, ~rows.case)]
    if cohort not in study.matched and not _in_both_may_show(rows, study.minimum_cell):
        pair[1]["Persons"] = HIDDEN
    yield from (("", name, pair[0][name], pair[1][name]) for name in pair[0])
    settings = _first_settings(study, site, cohort)
    of_cases, of_controls = (_of_tasks(study, settings, is_case) for is_case in (True, False))
    for setting, cases, controls in zip(settings, of_cases, of_controls, strict=True):
        yield from ((setting.task, name, cases[name], controls[name]) for name in cases)


def _in_both_may_show(rows: CohortRows, minimum: int) -> bool:
    """Whether it may be told how many cases were controls before: the whole's attrition does."""
    cases, controls = (np.unique(rows.subject_id[group]) for group in (rows.case, ~rows.case))
    both = len(np.intersect1d(cases, controls))
    return may_show(both, minimum) and may_show(len(cases) - both, minimum)


def _first_settings(study: Study, site: str, cohort: str) -> list[Setting]:
    """The first encoding of each task of a cohort that is run."""
    own = [s for s in study.settings if s.site == site and study.outcomes[s.task] == cohort]
    first = {setting.task: setting for setting in reversed(own)}
    return [first[task] for task in study.onsets if task in first]


def _of_tasks(study: Study, settings: Sequence[Setting], is_case: bool) -> list[dict[str, str]]:
    """Describe the visits of the cases or of the controls in the window of each task."""
    minimum, texts, without = study.minimum_cell, [], []
    for setting in settings:
        visits = read_sequences(study.visits(setting))
        chosen = visits.take(np.flatnonzero(visits.label == is_case))
        number, span = visit_numbers(chosen)
        texts.append(_of_visits(chosen, number, span, minimum))
        without.append(Part(int(np.sum(number == 0)), len(chosen)))
    windows = [window_of(study.onsets[setting.task]) for setting in settings]
    hidden = hidden_windows(windows, without, minimum)
    return [
        {**text, WITHOUT_VISIT: HIDDEN if is_hidden else show_share(*part, minimum)}
        for text, part, is_hidden in zip(texts, without, hidden, strict=True)
    ]


def _of_persons(rows: CohortRows, group: Flags, minimum: int) -> dict[str, str]:
    _, first = np.unique(rows.subject_id[group], return_index=True)
    persons, dates = len(first), int(group.sum())
    female = int(np.sum(rows.sex[group][first] == FEMALE))
    return {
        "Persons": show_count(persons, minimum),
        "Index dates": show_count(dates, minimum) if may_show(dates - persons, minimum) else HIDDEN,
        "Age at the index date, years, mean (SD)": _mean_sd(rows.age[group], minimum),
        "Female, n (%)": show_share(female, persons, minimum),
        "Year of the index date, median [quartiles]": _quartiles(
            rows.year[group], minimum, "{:.0f}"
        ),
    }


def _of_visits(rows: Sequences, number: Floats, span: Floats, minimum: int) -> dict[str, str]:
    seen = number > 0
    codes = float(len(rows.codes)) / max(float(number.sum()), 1.0)
    enough = int(seen.sum()) >= minimum
    return {
        "Visits, mean (SD)": _mean_sd(number, minimum),
        "Codes a visit, mean": f"{codes:.2f}" if enough else SUPPRESSED,
        "Span of the visits, days, median [quartiles]": _quartiles(span[seen], minimum, "{:,.0f}"),
    }


def visit_numbers(sequences: Sequences) -> tuple[Floats, Floats]:
    """Visits of each row, and days from its first to its last visit, shape (rows,) each."""
    rows = np.repeat(np.arange(len(sequences)), sequences.lengths)
    first_step = np.append(True, rows[1:] != rows[:-1])[: len(rows)]
    new_day = first_step | (sequences.days > 0)
    number = np.bincount(rows[new_day], minlength=len(sequences)).astype(np.float64)
    gaps = np.where(first_step, 0.0, sequences.days)
    span = np.bincount(rows, weights=gaps, minlength=len(sequences)).astype(np.float64)
    return number, span


def _mean_sd(values: Floats, minimum: int) -> str:
    known = values[~np.isnan(values)]
    if len(known) < max(minimum, 2):
        return SUPPRESSED
    return f"{known.mean():.1f} ({known.std(ddof=1):.1f})"


def _quartiles(values: Floats, minimum: int, form: str) -> str:
    if len(values) < max(minimum, 1):
        return SUPPRESSED
    low, median, high = (form.format(x) for x in np.quantile(values, [0.25, 0.5, 0.75]))
    return f"{median} [{low}, {high}]"
