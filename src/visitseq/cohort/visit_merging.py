"""Merge events into visits: a function from arrays to arrays.

The events of a visit id, or without one of a calendar day, are a group, and groups that overlap or
share a day are one visit (``visits.py`` says what counts). Three steps:

1. Runs. Consecutive rows of one person, visit id and day are a run. In a file in the order of time
   a visit is about one run, so that what follows handles far fewer runs than there are rows, and
   the rows are never sorted. In what order a person's rows stand decides nothing.
2. Reach. The runs of each person and visit id are brought together. That gives the recorded stay,
   and how far the group reaches: from its first event to its last or to the recorded end. Each of
   its runs then reaches as far. A run without a visit id, or of a stay that is too long, reaches
   over its own events alone: the runs of a day need not be brought together, they share that day.
3. Visits. The runs are sorted by person and first day. A run begins a new visit where its first day
   comes after the last day that the person's earlier runs reach. That is one running maximum over
   all persons, the days of each lifted above those of the persons before.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visitseq.cohort.day_lists import Ints

Flags = npt.NDArray[np.bool_]

#: Days; a longer recorded stay groups nothing.
LONGEST_STAY = 366

_DAY = 86_400_000_000  # microseconds
_SPAN = 2**29  # more than twice the days that 64 bits of microseconds reach over
_NEVER, _ALWAYS = np.iinfo(np.int64).max, np.iinfo(np.int64).min  # start and end of nothing


@dataclass(frozen=True, eq=False)
class EventRows:
    """Rows of events.

    Parameters
    ----------
    subject_id
        Person, not decreasing, shape (rows,).
    time
        Microseconds since 1970-01-01, shape (rows,).
    visit_id, has_visit_id
        The visit id, and whether there is one, shape (rows,).
    clinical, stay_starts, stay_ends
        Which rows are events that make visits, and the recorded starts and ends of visit ids:
        places among the rows, ascending. Their time is known; the other rows count for nothing.
    """

    subject_id: Ints
    time: Ints
    visit_id: Ints
    has_visit_id: Flags
    clinical: Ints
    stay_starts: Ints
    stay_ends: Ints


@dataclass(frozen=True, eq=False)
class Visits:
    """Merged visits, sorted by person and time.

    Parameters
    ----------
    subject_id, start, end
        Person, first and last moment (microseconds since 1970-01-01), shape (visits,).
    of_event
        Each clinical row's place among the visits, shape (clinical rows,).
    open_ended
        How many visit ids of clinical rows grouped nothing, their stay being too long.
    """

    subject_id: Ints
    start: Ints
    end: Ints
    of_event: Ints
    open_ended: int

    @property
    def first_day(self) -> Ints:
        """Day on which each visit starts, since 1970-01-01, shape (visits,)."""
        return self.start // _DAY


@dataclass(frozen=True, eq=False)
class _Runs:
    """Runs of rows, shape (runs,) each.

    ``start`` and ``end`` are of the clinical rows, ``admitted`` and ``discharged`` of the recorded
    stay; where there is none ``_NEVER`` and ``_ALWAYS``.
    """

    person: Ints
    visit_id: Ints
    has_visit_id: Flags
    start: Ints
    end: Ints
    admitted: Ints
    discharged: Ints


def merge_visits(rows: EventRows) -> Visits:
    """Merge the events of a number of persons into visits."""
    begins = _run_begins(rows)
    first, run = np.flatnonzero(begins), np.cumsum(begins) - 1
    runs = _runs(rows, first, run)
    start, end, open_ended = _reach(runs)
    held = np.flatnonzero(runs.start != _NEVER)
    visit = np.full(len(first), -1)
    visit[held] = _number(runs.person[held], start[held], end[held])
    visits = int(visit.max(initial=-1)) + 1
    subject_id = np.empty(visits, dtype=np.int64)
    subject_id[visit[held]] = rows.subject_id[first[held]]
    return Visits(
        subject_id=subject_id,
        start=_earliest(start[held], visit[held], visits),
        end=_latest(end[held], visit[held], visits),
        of_event=visit[run[rows.clinical]],
        open_ended=open_ended,
    )


def _runs(rows: EventRows, first: Ints, run: Ints) -> _Runs:
    """Gather the runs that begin at the rows ``first``; ``run`` is each row's."""

    def of_runs(bound: Callable[[Ints, Ints, int], Ints], some: Ints) -> Ints:
        return bound(rows.time[some], run[some], len(first))

    return _Runs(
        person=np.cumsum(_begins(rows.subject_id[first])),
        visit_id=rows.visit_id[first],
        has_visit_id=rows.has_visit_id[first],
        start=of_runs(_earliest, rows.clinical),
        end=of_runs(_latest, rows.clinical),
        admitted=of_runs(_earliest, rows.stay_starts),
        discharged=of_runs(_latest, rows.stay_ends),
    )


def _run_begins(rows: EventRows) -> Flags:
    """Whether a run begins at each row."""
    keys = (rows.subject_id, rows.visit_id, rows.has_visit_id, rows.time // _DAY)
    begins: Flags = np.logical_or.reduce([_begins(key) for key in keys])
    return begins


def _begins(values: npt.NDArray[np.generic]) -> Flags:
    """Whether each value is another than the one before; the first one is."""
    begins = np.ones(len(values), dtype=bool)
    begins[1:] = values[1:] != values[:-1]
    return begins


def _earliest(time: Ints, of: Ints, size: int) -> Ints:
    """Earliest time of each of ``size`` runs, groups or visits; ``of`` says whose each time is."""
    earliest = np.full(size, _NEVER)
    np.minimum.at(earliest, of, time)
    return earliest


def _latest(time: Ints, of: Ints, size: int) -> Ints:
    latest = np.full(size, _ALWAYS)
    np.maximum.at(latest, of, time)
    return latest


def _reach(runs: _Runs) -> tuple[Ints, Ints, int]:
    """First and last moment of each run's group, and how many visit ids grouped nothing."""
    named = np.flatnonzero(runs.has_visit_id)
    named = named[np.lexsort((runs.visit_id[named], runs.person[named]))]
    begins = _begins(runs.person[named]) | _begins(runs.visit_id[named])
    group, groups = np.cumsum(begins) - 1, int(begins.sum())
    start = _earliest(runs.start[named], group, groups)
    end = _latest(runs.end[named], group, groups)
    admitted = _earliest(runs.admitted[named], group, groups)
    discharged = _latest(runs.discharged[named], group, groups)
    # A stay without a recorded start or end is not too long, it is shorter than any.
    too_long = discharged // _DAY - admitted // _DAY > LONGEST_STAY
    grouped = ~too_long[group]
    named, group = named[grouped], group[grouped]
    starts, ends = runs.start.copy(), runs.end.copy()
    starts[named] = start[group]
    ends[named] = np.maximum(end, discharged)[group]
    return starts, ends, int(np.count_nonzero(too_long & (start != _NEVER)))


def _number(person: Ints, start: Ints, end: Ints) -> Ints:
    """Number each run's visit, over all persons; ``person`` are numbers, not decreasing."""
    first_day, last_day = (person * _SPAN + moment // _DAY for moment in (start, end))
    order = np.argsort(first_day, kind="stable")
    reached = np.maximum.accumulate(last_day[order])
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = first_day[order][1:] > reached[:-1]
    visit = np.empty(len(order), dtype=np.int64)
    visit[order] = np.cumsum(begins) - 1
    return visit
