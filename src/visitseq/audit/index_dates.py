"""Are the index dates what they are said to be? Recomputed from the events of some rows' persons.

A case's is the first day of its first qualifying run. No control has a run before it is free to
have one, and of a landmark nobody has one before it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from visitseq.audit.findings import Finding
from visitseq.audit.own_visits import OwnVisit, first_run
from visitseq.audit.verdicts import of_count, share, shown_numbers
from visitseq.cohort.windows import months_to_days

Section = Mapping[str, Any]


def index_findings(
    rows: pa.Table, found: Mapping[int, list[OwnVisit]], cohort: Section, minimum: int
) -> list[Finding]:
    """Findings on the index dates of some rows.

    Parameters
    ----------
    rows
        Rows of cohort.parquet.
    found
        Visits of their persons, of the default domains.
    cohort
        The cohort's section, of kind case_control or landmark.
    minimum
        Smallest number of persons that may be shown.
    """
    encounters, within = (
        cohort["qualifying_encounters"],
        months_to_days(cohort["qualifying_months"]),
    )
    runs = {subject: first_run(visits, encounters, within) for subject, visits in found.items()}
    run = [runs.get(subject) for subject in rows["subject_id"].to_pylist()]
    index = rows["index_time"].to_numpy().astype("datetime64[D]").astype(np.int64).tolist()
    label = rows["label"].to_pylist()
    if cohort["kind"] != "case_control":
        ill = sum(own is not None and own < day for own, day in zip(run, index, strict=True))
        return [_landmarks(len(run), ill, minimum)]
    free = cohort["free_days_after_index"]
    cases = [own == day for own, day, case in zip(run, index, label, strict=True) if case]
    controls = [
        own is None or own >= day + free
        for own, day, case in zip(run, index, label, strict=True)
        if not case
    ]
    return [_cases(cases, minimum), _controls(controls, free, minimum)]


def _cases(right: list[bool], minimum: int) -> Finding:
    wrong = len(right) - sum(right)
    return of_count(
        "index_date_of_cases",
        wrong,
        f"{share(wrong, len(right), minimum)} sampled cases have an index date "
        "that is not the first day of their first qualifying run.",
        "Later dates let the disease's own work-up into the window: build the cohort anew.",
        numbers=shown_numbers({"cases": len(right)}, {"wrong": wrong}, minimum),
    )


def _controls(right: list[bool], free: int, minimum: int) -> Finding:
    wrong = len(right) - sum(right)
    return of_count(
        "index_date_of_controls",
        wrong,
        f"{share(wrong, len(right), minimum)} sampled rows of controls have a "
        f"qualifying run before {free} days after the index date.",
        "These controls are cases: build the cohort anew.",
        numbers=shown_numbers({"controls": len(right)}, {"wrong": wrong}, minimum),
    )


def _landmarks(rows: int, ill: int, minimum: int) -> Finding:
    return of_count(
        "free_at_landmark",
        ill,
        f"{share(ill, rows, minimum)} sampled rows have a qualifying run before the landmark.",
        "They have the disease already, and are easy to find: build the cohort anew.",
        numbers=shown_numbers({"rows": rows}, {"ill": ill}, minimum),
    )
