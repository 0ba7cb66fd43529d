"""Hospitals that test a model: what it must not find, and what it must.

Everybody is enrolled throughout, comes on the first and the last day, and lives on; a diagnosis of
heart failure falls on the first day of a tick, makes visits on its day and 60 and 120 days after
it, coded for certain, and changes nothing else. So a cohort's criteria select nobody by history,
and what a model finds is what the preset put there:

no_signal    the records of a primary-care hospital, the diagnosis independent of everything: no
             model, and no number of visits or codes, can be better than chance.
order_only   everybody has the codes of ``FIRST`` and ``SECOND`` exactly once, on different days,
             and heart failure if ``FIRST`` came first: counts tell nothing, order everything. The
             two days lie 9 to 12 months before every index date, and so inside the windows of 18
             and 0, 12 and 6, 9 and 3 to 9, and 6 to 12 and 6 months of observation and prediction
             (no two days lie in all windows: that of 3 and 6 begins where that of 9 and 9 ends).
counts_only  the log hazard is linear in how often each of 20 codes stands in the 18 months before,
             and visits write them down without noise: a logistic regression on counts is the right
             model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from visitseq.simulate.attendance import Stops, first_stops, join_stops, time_visits
from visitseq.simulate.codebook import Codebook
from visitseq.simulate.hazard import Float, Int
from visitseq.simulate.healthy import simulate_healthy
from visitseq.simulate.heart_failure import Hits, draw_diagnosis, windowed_counts
from visitseq.simulate.history import History
from visitseq.simulate.parameters import LAST_DAY, NEVER, OUTPATIENT, TICK_DAYS, TICKS
from visitseq.simulate.persons import Persons, simulate_persons
from visitseq.simulate.recording import Notes, note
from visitseq.simulate.setting import Setting, Streams
from visitseq.simulate.ticks import TICK_START, draw_days, tick_of

#: Days after the diagnosis on which heart failure is coded.
FAILURE_DAYS = (0, 60, 120)
#: Ticks in which somebody may be diagnosed: 18 months of record before, a year of it after.
DIAGNOSIS_TICKS = (40, (LAST_DAY - 400 - TICK_START[0]) // TICK_DAYS)
NO_HAZARD = -30.0

#: no_signal: hazard of heart failure a year; a few per cent of the persons fall ill.
CONSTANT_HAZARD = 0.0065

#: order_only: the two codes, the share of persons in whom the first comes first, the tick in which
#: all diagnoses lie, and how many days before it the two codes may stand.
FIRST, SECOND = "atrial_fibrillation", "dyspnea"
FIRST_SHARE = 0.06
INDEX_TICK = 120
ORDER_DAYS = (275, 352)

#: counts_only: effects of the codes on the log hazard, the log hazard without any, and the two
#: shape numbers and the factor of the chance that a visit writes down one of them.
EFFECTS = tuple(0.4 - 0.65 * number / 19 for number in range(20))
LOG_HAZARD = -6.0
CODE_CHANCE = (0.4, 0.8, 0.25)

#: order_only and counts_only: visits a year, and unrelated codes among which a visit's is drawn.
VISITS_A_YEAR = 6.0
FILLERS = 40


@dataclass(frozen=True)
class Record:
    """Persons, their visits (sorted, unique) and what these write down, before any diagnosis."""

    persons: Persons
    stops: Stops
    notes: Notes


def simulate_no_signal(setting: Setting, size: int, streams: Streams) -> History:
    """Simulate records in which heart failure comes to anyone at any time."""
    healthy = simulate_healthy(setting, size, streams)
    record = Record(healthy.persons, healthy.stops, healthy.notes)
    return _diagnosed(record, np.full((size, TICKS), np.log(CONSTANT_HAZARD)), setting, streams)


def simulate_order_only(setting: Setting, size: int, streams: Streams) -> History:
    """Simulate records in which the order of two codes decides."""
    persons, book = simulate_persons(setting.preset, size, streams.life), setting.book
    earlier, later = _two_days(size, streams.life)
    ill = streams.life.random(size) < FIRST_SHARE
    everyone, kind = np.arange(size), np.full(size, OUTPATIENT)
    first = Stops(everyone, np.where(ill, earlier, later), kind)
    second = Stops(everyone, np.where(ill, later, earlier), kind)
    stops = join_stops([_plain_stops(persons, streams), first, second]).unique()
    notes = [
        note(stops.find(first), book.row(FIRST)),
        note(stops.find(second), book.row(SECOND)),
        _fillers(stops, book, streams.writing),
    ]
    hazard = np.full((size, TICKS), NO_HAZARD)
    hazard[ill, INDEX_TICK] = np.log(1e3)  # certain: a hazard so high leaves nobody
    return _diagnosed(Record(persons, stops, Notes.join(notes)), hazard, setting, streams)


def simulate_counts_only(setting: Setting, size: int, streams: Streams) -> History:
    """Simulate records in which the counts of twenty codes decide."""
    persons, book = simulate_persons(setting.preset, size, streams.life), setting.book
    stops = _plain_stops(persons, streams)
    first, second, factor = CODE_CHANCE
    hits: Hits = np.zeros((len(EFFECTS), size, TICKS), dtype=np.int16)
    notes = [_fillers(stops, book, streams.writing)]
    for number in range(len(EFFECTS)):
        chance = factor * streams.life.beta(first, second, size)
        visit = np.flatnonzero(streams.writing.random(len(stops.person)) < chance[stops.person])
        np.add.at(hits[number], (stops.person[visit], tick_of(stops.day[visit])), 1)
        notes.append(note(visit, int(book.tail[0][FILLERS + number])))
    effects = np.array(EFFECTS, dtype=np.float32)
    hazard = LOG_HAZARD + np.tensordot(effects, windowed_counts(hits), axes=1)
    return _diagnosed(Record(persons, stops, Notes.join(notes)), hazard, setting, streams)


def _two_days(size: int, rng: np.random.Generator) -> tuple[Int, Int]:
    """Two different days of each person within ``ORDER_DAYS`` before the index tick, in order."""
    latest, earliest = (int(TICK_START[INDEX_TICK]) - days for days in ORDER_DAYS)
    one = rng.integers(earliest, latest + 1, size)
    apart = rng.integers(1, latest - earliest + 1, size)
    other = earliest + (one - earliest + apart) % (latest - earliest + 1)
    return np.minimum(one, other), np.maximum(one, other)


def _plain_stops(persons: Persons, streams: Streams) -> Stops:
    """First and last day of each person, and visits at the same rate for everyone."""
    rate = np.full((len(persons), TICKS), VISITS_A_YEAR, dtype=np.float32)
    person, day = draw_days(rate, streams.coming)
    kept = day <= LAST_DAY
    first = first_stops(persons)
    last = Stops(first.person, persons.leaves, first.kind)
    drawn = Stops(person[kept], day[kept], np.full(kept.sum(), OUTPATIENT))
    return join_stops([first, last, drawn]).unique()


def _fillers(stops: Stops, book: Codebook, rng: np.random.Generator) -> Notes:
    """One unrelated diagnosis at each stop."""
    chosen = rng.integers(0, FILLERS, len(stops.person))
    return Notes(np.arange(len(stops.person)), book.tail[0][chosen].astype(np.int64))


def _diagnosed(record: Record, log_hazard: Float, setting: Setting, streams: Streams) -> History:
    """Draw the diagnoses, on the first day of a tick, and add their visits."""
    persons, stops = record.persons, record.stops
    possible = np.isin(np.arange(TICKS), np.arange(*DIAGNOSIS_TICKS))
    hazard = np.where(possible, log_hazard, NO_HAZARD).astype(np.float32)
    threshold = streams.failing.standard_exponential(len(persons))
    drawn = draw_diagnosis(hazard, persons, persons.leaves, threshold)
    ill = np.flatnonzero(drawn < NEVER)
    diagnosis = np.full(len(persons), NEVER)
    diagnosis[ill] = TICK_START[tick_of(drawn[ill])]
    kind = np.full(len(ill), OUTPATIENT)
    added = [Stops(ill, diagnosis[ill] + days, kind) for days in FAILURE_DAYS]
    every = join_stops([stops, *added]).unique()
    failing = [note(every.find(stop), setting.book.row("chf")) for stop in added]
    notes = Notes.join([record.notes.moved(every.find(stops)), *failing])
    visits, place = time_visits(every, persons.leaves, setting.preset, streams.timing)
    nobody = np.full(len(persons), NEVER)
    return History(persons, persons.leaves, nobody, diagnosis, visits, notes.moved(place), hazard)


#: The process of each control preset.
CONTROLS: dict[str, Callable[[Setting, int, Streams], History]] = {
    "no_signal": simulate_no_signal,
    "order_only": simulate_order_only,
    "counts_only": simulate_counts_only,
}
