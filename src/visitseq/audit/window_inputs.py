"""Do the inputs hold what their windows hold, and nothing else? Compared with the events.

Every code of an input has to be explained by an event of that person in a visit that begins in the
window and ends before the window's end; nothing that is explained may be missing; no visit that
straddles the window's end may be there. Where groups stand in the place of codes the days of the
visits alone are compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from visitseq.audit.findings import Finding
from visitseq.audit.own_visits import OwnVisit
from visitseq.audit.verdicts import of_count
from visitseq.cohort.windows import window_table

#: A day (since 1970-01-01) and a code.
_Entries = set[tuple[int, str]]

_LEAK = "An input holds events from outside its window: encode anew, and find out how it came."


@dataclass(frozen=True, eq=False)
class Inputs:
    """Some rows, as they are encoded and as their persons' events are.

    Attributes
    ----------
    rows
        Rows of cohort.parquet.
    encoded
        The same rows of visits.arrow.
    names
        Names of the codes by their vocabulary ids.
    visits
        Visits of the persons, of the encoding's domains.
    """

    rows: pa.Table
    encoded: pa.RecordBatch
    names: list[str]
    visits: Mapping[int, list[OwnVisit]]


class _Compared(NamedTuple):
    """What a row's input holds against what its events explain, in numbers."""

    entries: int
    unexplained: int
    missing: int
    straddling: int
    straddling_read: int


def input_findings(inputs: Inputs, task: Mapping[str, Any], *, by_code: bool) -> list[Finding]:
    """Findings on the inputs of some rows.

    Parameters
    ----------
    inputs
        The rows.
    task
        Filled section: the windows' lengths and phenotype_codes.
    by_code
        Whether codes are compared, or the days of the visits alone.
    """
    compared = [_Compared(0, 0, 0, 0, 0), *_compare(inputs, task, by_code=by_code)]
    own = _Compared(*(sum(column) for column in zip(*compared, strict=True)))
    what = "codes" if by_code else "days with a visit"
    of_sample = f"in a sample of {len(inputs.rows):,} rows"
    return [
        of_count(
            "input_explained",
            own.unexplained,
            f"{own.unexplained:,} of {own.entries:,} {what} {of_sample} are not explained by an "
            "event of the person in a visit that lies in the window.",
            _LEAK,
            numbers={"entries": own.entries, "unexplained": own.unexplained},
        ),
        of_count(
            "input_complete",
            own.missing,
            f"{own.missing:,} {what} that the events have in the window are missing {of_sample}.",
            "The input leaves out events that the window holds: look at domains and groups.",
            numbers={"entries": own.entries, "missing": own.missing},
            otherwise="warn",
        ),
        of_count(
            "straddling",
            own.straddling_read,
            f"{own.straddling:,} visits reach past the window's end {of_sample}; "
            f"{own.straddling_read:,} of them stand in the input.",
            _LEAK,
            numbers={"straddling": own.straddling, "read": own.straddling_read},
        ),
    ]


def _compare(inputs: Inputs, task: Mapping[str, Any], *, by_code: bool) -> Iterator[_Compared]:
    drops = task["phenotype_codes"] == "drop"
    windows = window_table(inputs.rows, task)
    bounds = [windows[name].cast(pa.int64()).to_pylist() for name in ("window_start", "window_end")]
    subjects = inputs.rows["subject_id"].to_pylist()
    for subject, held, start, end in zip(subjects, _held(inputs), *bounds, strict=True):
        inside = [v for v in inputs.visits.get(subject, []) if start <= v.start < end]
        past = {visit.day for visit in inside if visit.end >= end}
        expected = {
            (visit.day, code)
            for visit in inside
            if visit.day not in past
            for code in visit.codes - (visit.qualifying if drops else set())
        }
        read = {day for day, _ in held}
        own = held
        if not by_code:  # the names of groups are not those of the events
            own, expected = {(day, "") for day in read}, {(day, "") for day, _ in expected}
        extra, lacking = own - expected, expected - own
        yield _Compared(len(own), len(extra), len(lacking), len(past), len(past & read))


def _held(inputs: Inputs) -> Iterator[_Entries]:
    """What each row's input holds."""
    index = inputs.rows["index_time"].to_numpy().astype("datetime64[D]").astype(np.int64)
    columns = (inputs.encoded.column(name).to_pylist() for name in ("visits", "days_to_index"))
    for day, steps, ago in zip(index.tolist(), *columns, strict=True):
        yield {
            (day - int(days), inputs.names[code])
            for days, step in zip(ago, steps, strict=True)
            for code in step
        }
