"""The process of a hospital: from persons to a record with heart failure in it.

First comes the record without heart failure (healthy.py). The hazard of the diagnosis is a function
of that record (heart_failure.py), so it is computed for all of it at once, and the day of the
diagnosis drawn. Who is diagnosed then gets the visits, codes and mortality of heart failure on top,
after that day and nowhere before.
"""

import numpy as np

from visitseq.simulate.attendance import Stops, join_stops, sorted_unique, time_visits
from visitseq.simulate.codebook import Codebook
from visitseq.simulate.failure import (
    diagnosis_stops,
    failure_states,
    further_stops,
    planned_stops,
)
from visitseq.simulate.hazard import Bool, Float32, Int
from visitseq.simulate.healthy import Healthy, observed, simulate_healthy
from visitseq.simulate.heart_failure import (
    HAZARD_CODES,
    count_hits,
    draw_diagnosis,
    log_hazards,
)
from visitseq.simulate.history import History
from visitseq.simulate.parameters import TICKS, Preset
from visitseq.simulate.persons import death_days
from visitseq.simulate.recording import Notes
from visitseq.simulate.setting import Setting, Streams
from visitseq.simulate.states import visit_states
from visitseq.simulate.ticks import tick_of


def simulate_hospital(setting: Setting, size: int, streams: Streams) -> History:
    """Simulate the history of ``size`` persons."""
    healthy = simulate_healthy(setting, size, streams)
    hazard = _log_hazard(healthy, setting)
    threshold = streams.failing.standard_exponential(size)
    diagnosis = draw_diagnosis(hazard, healthy.persons, healthy.last, threshold)
    return _with_heart_failure(healthy, diagnosis, hazard, setting.preset, streams)


def hazard_notes(stops: Stops, notes: Notes, book: Codebook) -> tuple[Stops, Int]:
    """Stops that write down a code of the hazard, and which of ``HAZARD_CODES``, each pair once."""
    group = np.full(len(book.name), -1)
    group[[book.row(name) for name in HAZARD_CODES]] = np.arange(len(HAZARD_CODES))
    at = np.flatnonzero(group[notes.code] >= 0)
    key = sorted_unique(notes.visit[at] * len(HAZARD_CODES) + group[notes.code[at]])
    visit, number = np.divmod(key, len(HAZARD_CODES))
    return stops.take(visit), number


def _log_hazard(healthy: Healthy, setting: Setting) -> Float32:
    """Log hazard of heart failure a year in each tick, shape (persons, ticks)."""
    size, constant = len(healthy.persons), setting.preset.constant_hazard
    if constant is not None:
        return np.full((size, TICKS), np.log(constant), dtype=np.float32)
    stops, number = hazard_notes(healthy.stops, healthy.notes, setting.book)
    hits = count_hits(stops.person, tick_of(stops.day), number, (size, TICKS))
    shift = setting.preset.heart_failure
    return shift + log_hazards(healthy.persons, hits, setting.order_effect)


def _with_heart_failure(
    healthy: Healthy, diagnosis: Int, hazard: Float32, preset: Preset, streams: Streams
) -> History:
    """Add what heart failure brings to who is diagnosed on the day ``diagnosis``, (persons,)."""
    persons, recorder, rng = healthy.persons, healthy.recorder, streams.failing
    death = death_days(persons, diagnosis, np.arange(len(persons)))
    last = np.minimum(persons.leaves, death)
    found = diagnosis_stops(diagnosis, rng)
    planned = observed(planned_stops(diagnosis, rng), persons, last)
    further = observed(further_stops(diagnosis, rng), persons, last)
    kept = healthy.stops.day <= last[healthy.stops.person]
    before = healthy.stops.take(kept)
    stops = join_stops([before, found, planned, further]).unique()
    failing = failure_states(stops, stops.find(planned), persons, diagnosis, rng)
    notes = [
        healthy.notes.moved(_places(kept, stops.find(before))),
        _notes_of_new(stops, before, healthy, preset, rng),
        recorder.emissions(stops, failing),
    ]
    visits, place = time_visits(stops, last, preset, streams.timing)
    return History(persons, last, death, diagnosis, visits, Notes.join(notes).moved(place), hazard)


def _places(kept: Bool, place: Int) -> Int:
    """Place of each of the former stops, -1 where it was not kept."""
    result = np.full(len(kept), -1)
    result[kept] = place
    return result


def _notes_of_new(
    stops: Stops, before: Stops, healthy: Healthy, preset: Preset, rng: np.random.Generator
) -> Notes:
    """What the ``stops`` that were not there ``before`` write down besides heart failure."""
    new = np.setdiff1d(np.arange(len(stops.person)), stops.find(before), assume_unique=True)
    own, recorder = stops.take(new), healthy.recorder
    states = visit_states(
        own, healthy.persons, healthy.recent, healthy.courses, preset=preset, rng=rng
    )
    notes = recorder.emissions(own, states)
    tail = recorder.tail(own, notes, preset)
    return Notes.join([notes, tail]).moved(new)
