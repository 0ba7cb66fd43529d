"""What a record holds of some persons before a day: all that the law of its future depends on.

Time is told from the tick in which a row's future begins: its days are moved so that this is tick
0, and no array is longer than the gap. A record that begins after the earlier day counts as known
from its first visit on.
"""

from dataclasses import dataclass, replace

import numpy as np

from visitseq.simulate.attendance import Stops, visit_rates
from visitseq.simulate.hazard import Bool, Float, Float32, Int
from visitseq.simulate.healthy import Healthy
from visitseq.simulate.heart_failure import (
    WINDOW_TICKS,
    Hits,
    count_hits,
    last_ticks,
    windowed_counts,
)
from visitseq.simulate.hospital import hazard_notes
from visitseq.simulate.parameters import SIGNS, TICK_DAYS
from visitseq.simulate.persons import Persons
from visitseq.simulate.setting import Setting
from visitseq.simulate.signs import recent_signs
from visitseq.simulate.ticks import TICK_START, TICK_YEARS, tick_of


@dataclass(frozen=True)
class Record:
    """A block's record without heart failure, as far as its law depends on it.

    Visits without occasion, signs, and codes of the hazard (``code`` of ``HAZARD_CODES``), each
    sorted by person; ``rates`` are an average person's visits without occasion a year, (persons,
    ticks).
    """

    persons: Persons
    rates: Float32
    background: Stops
    signs: Stops
    noted: Stops
    code: Int

    @classmethod
    def of(cls, healthy: Healthy, setting: Setting) -> "Record":
        """The record of a block."""
        noted, code = hazard_notes(healthy.stops, healthy.notes, setting.book)
        average = replace(healthy.persons, attendance=np.ones(len(healthy.persons)))
        rates = visit_rates(average, healthy.recent, setting.preset).sum(axis=0)
        background, signs = _by_person(healthy.background), _by_person(healthy.signs)
        return cls(healthy.persons, rates, background, signs, noted, code)


@dataclass(frozen=True)
class Past:
    """What the record of some persons holds before the day ``until``, row for row.

    All days are moved so that ``until`` lies in tick 0; ``day`` is the later one. ``seen`` and
    ``expected`` are the visits without occasion so far, and how many an average person would have
    had; ``stirred`` is how many signs the signs so far are still to bring on; these have shape
    (persons,). Of the ticks from 0 on: in which a sign so far is still ``recent``, (persons,
    ticks), and what the record so far contributes to ``counts`` and ``last`` tick of the hazard's
    codes, (codes, persons, ticks).
    """

    persons: Persons
    until: Int
    day: Int
    seen: Int
    expected: Float
    stirred: Float
    recent: Bool
    counts: Hits
    last: Hits

    @property
    def ticks(self) -> int:
        """Ticks from that of ``until`` to the latest of ``day``."""
        return int(self.recent.shape[1])


def known_past(record: Record, rows: Int, until: Int, day: Int) -> Past:
    """What the record of the persons ``rows`` of a block holds before the days ``until``."""
    persons, rates = record.persons.take(rows), record.rates[rows]
    until = np.clip(until, persons.entry + 1, day)
    moved = TICK_DAYS * tick_of(until)
    seen, _ = _of_rows(record.background, rows, until, moved)
    signs, _ = _of_rows(record.signs, rows, until, moved)
    noted, which = _of_rows(record.noted, rows, until, moved)
    ticks = int(tick_of(day - moved).max()) + 1
    counts, last = _contributions(noted, record.code[which], len(rows), ticks)
    waited = (until - moved)[signs.person] - signs.day - 1
    still = SIGNS.offspring * np.exp(-waited / SIGNS.delay_days)
    stirred = np.bincount(signs.person, weights=still, minlength=len(rows)).astype(np.float64)
    return Past(
        persons=_moved(persons, moved),
        until=until - moved,
        day=day - moved,
        seen=np.bincount(seen.person, minlength=len(rows)),
        expected=(rates * overlap(persons.entry, until, rates.shape[1])).sum(axis=1),
        stirred=stirred,
        recent=recent_signs(signs.person, signs.day, len(rows), ticks),
        counts=counts,
        last=last,
    )


def _by_person(stops: Stops) -> Stops:
    return stops.take(np.argsort(stops.person, kind="stable"))


def _moved(persons: Persons, days: Int) -> Persons:
    """Move the persons' days back."""
    return replace(
        persons,
        birth=persons.birth - days,
        entry=persons.entry - days,
        leaves=persons.leaves - days,
        onset={name: day - days for name, day in persons.onset.items()},
    )


def _of_rows(stops: Stops, rows: Int, until: Int, moved: Int) -> tuple[Stops, Int]:
    """Stops of the persons ``rows`` before the days ``until``, and which they are.

    ``stops`` are sorted by person. The ``person`` of the result is the place in ``rows``, its days
    are ``moved`` back.
    """
    first = np.searchsorted(stops.person, rows)
    count = np.searchsorted(stops.person, rows, side="right") - first
    row = np.repeat(np.arange(len(rows)), count)
    which = np.arange(len(row)) - np.repeat(np.cumsum(count) - count - first, count)
    before = stops.day[which] < until[row]
    row, which = row[before], which[before]
    return Stops(row, stops.day[which] - moved[row], stops.kind[which]), which


def _contributions(noted: Stops, code: Int, rows: int, ticks: int) -> tuple[Hits, Hits]:
    """Counts and last ticks of the hazard's codes in the windows of ticks 0 to ``ticks`` - 1."""
    tick = tick_of(noted.day) + WINDOW_TICKS
    within = tick >= 0
    shape = (rows, WINDOW_TICKS + ticks)
    hits = count_hits(noted.person[within], tick[within], code[within], shape)
    numbers = np.arange(-WINDOW_TICKS, ticks, dtype=np.int16)
    counts, last = windowed_counts(hits), last_ticks(hits, numbers)
    return counts[..., WINDOW_TICKS:].copy(), last[..., WINDOW_TICKS:].copy()


def overlap(since: Int, until: Int, ticks: int) -> Float:
    """Years of each tick between two days, ``until`` left out, shape (rows, ticks)."""
    start = TICK_START[:ticks]
    first = np.maximum(start, since[:, None])
    last = np.minimum(start + TICK_DAYS, until[:, None])
    years: Float = np.maximum(last - first, 0) * (TICK_YEARS / TICK_DAYS)
    return years
