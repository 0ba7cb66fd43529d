"""The record of a block of persons without heart failure.

Conditions, signs, visits, and what they write down. The hazard of heart failure is a function of
this record; it feeds nothing back into it before the diagnosis.
"""

from dataclasses import dataclass

import numpy as np

from visitseq.simulate.attendance import (
    Stops,
    background_stops,
    emergency_stops,
    first_stops,
    join_stops,
    onset_stops,
    sign_stops,
    visit_rates,
)
from visitseq.simulate.codebook import Codebook
from visitseq.simulate.hazard import Bool, Int
from visitseq.simulate.parameters import CONDITIONS, NEVER, SIGN_CODES, Preset
from visitseq.simulate.persons import Persons, death_days, simulate_persons
from visitseq.simulate.recording import Notes, Recorder, note
from visitseq.simulate.setting import Setting, Streams
from visitseq.simulate.signs import recent_signs, simulate_signs
from visitseq.simulate.states import visit_states
from visitseq.simulate.therapy import Course, draw_courses

#: Visits with an occasion, and the code that each writes down for certain, if any.
Certain = list[tuple[Stops, int | None]]


@dataclass(frozen=True)
class Healthy:
    """A block's record without heart failure.

    ``background`` holds the visits without occasion, ``stops`` all visits, sorted and unique, and
    ``notes`` what they write down; ``last`` is each person's last day, ``signs`` are the visits
    with a sign, ``recent`` says in which ticks the last one is recent, ``courses`` are the
    therapies.
    """

    persons: Persons
    last: Int
    signs: Stops
    recent: Bool
    background: Stops
    stops: Stops
    notes: Notes
    courses: list[Course]
    recorder: Recorder


def simulate_healthy(setting: Setting, size: int, streams: Streams) -> Healthy:
    """Simulate the record of ``size`` persons without heart failure."""
    preset, book = setting.preset, setting.book
    persons = simulate_persons(preset, size, streams.life)
    dies = death_days(persons, np.full(size, NEVER), np.arange(size))
    last = np.minimum(persons.leaves, dies)
    signs = observed(
        sign_stops(*simulate_signs(persons, streams.life), streams.coming), persons, last
    )
    courses = draw_courses(persons, streams.life)
    recent = recent_signs(signs.person, signs.day, size)
    rates = visit_rates(persons, recent, preset)
    background = observed(background_stops(rates, streams.coming), persons, last)
    certain = [
        *_first_visits(persons, preset, book),
        *certain_stops(persons, signs, last, book, streams.coming),
    ]
    stops = all_stops(background, certain, preset, streams.coming)
    recorder = Recorder(book, size, streams.writing)
    notes = [note(stops.find(at), code) for at, code in certain if code is not None]
    states = visit_states(stops, persons, recent, courses, preset=preset, rng=streams.writing)
    notes.append(recorder.emissions(stops, states))
    notes.append(recorder.ruled_out(stops, persons, heart_failure=not preset.design_only))
    notes.append(recorder.tail(stops, Notes.join(notes), preset))
    return Healthy(
        persons, last, signs, recent, background, stops, Notes.join(notes), courses, recorder
    )


def observed(stops: Stops, persons: Persons, last: Int) -> Stops:
    """Stops between each person's entry and its last day."""
    day, person = stops.day, stops.person
    return stops.take((day >= persons.entry[person]) & (day <= last[person]))


def certain_stops(
    persons: Persons, signs: Stops, last: Int, book: Codebook, rng: np.random.Generator
) -> Certain:
    """Visits at which a condition is found or a sign seen, and the code that each writes down."""
    certain: Certain = []
    for name in CONDITIONS:
        certain.append((observed(onset_stops(persons, name), persons, last), book.row(name)))
    which = rng.choice(len(SIGN_CODES), len(signs.person), p=[share for _, share in SIGN_CODES])
    for number, (codes, _) in enumerate(SIGN_CODES):
        certain += [(signs.take(which == number), book.row(code)) for code in codes]
    return certain


def all_stops(
    background: Stops, certain: Certain, preset: Preset, rng: np.random.Generator
) -> Stops:
    """All visits, sorted and unique, with the emergency visits through which admissions come."""
    stops = join_stops([background, *(stops for stops, _ in certain)])
    return join_stops([stops, emergency_stops(stops, preset, rng)]).unique()


def _first_visits(persons: Persons, preset: Preset, book: Codebook) -> Certain:
    """The first visit, which writes down the conditions that are there; for some the last day."""
    first = first_stops(persons)
    certain: Certain = [
        (first.take(onset <= persons.entry), book.row(name))
        for name, onset in persons.onset.items()
    ]
    if preset.design_only:
        certain.append((Stops(first.person, persons.leaves, first.kind), None))
    return [(first, None), *certain]
