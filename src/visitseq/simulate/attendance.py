"""The visits of a block of persons: when they come, to which kind of visit, and how long they stay.

Visits that nothing in particular brings about are a Poisson process whose rate is constant within a
tick: what anyone comes for, what each condition adds once it is there, and what a recent sign adds,
times the person's own readiness to attend. On top come visits with an occasion: the first day of
the record, the onset of a condition, a sign. Visits of one kind on one day are one visit. Some
admissions come through the emergency room on the same day. A stay ends before the next visit
begins.
"""

from dataclasses import dataclass

import numpy as np

from visitseq.simulate.hazard import Bool, Float32, Int
from visitseq.simulate.parameters import (
    CONDITIONS,
    EMERGENCY,
    FIRST_DAY,
    INPATIENT,
    LAST_DAY,
    OUTPATIENT,
    SIGNS,
    Preset,
)
from visitseq.simulate.persons import Persons
from visitseq.simulate.ticks import draw_days, in_force_from, tick_of

DAY = 24 * 60  # minutes
DAYS_A_PERSON = 4096  # more than the days of the record
LONGEST_STAY = 45  # nights


@dataclass(frozen=True)
class Stops:
    """Which person comes on which day to which kind of visit, every array of shape (stops,)."""

    person: Int
    day: Int
    kind: Int

    @property
    def key(self) -> Int:
        """One number for each stop, which sorts by person, day and kind."""
        return (self.person * DAYS_A_PERSON + self.day - FIRST_DAY) * 4 + self.kind

    @classmethod
    def from_key(cls, key: Int) -> "Stops":
        """Stops of these keys."""
        person, day = np.divmod(key >> 2, DAYS_A_PERSON)
        return cls(person, day + FIRST_DAY, key & 3)

    def unique(self) -> "Stops":
        """Sort by person, day and kind, and keep one of each."""
        return self.from_key(sorted_unique(self.key))

    def take(self, rows: Int | Bool) -> "Stops":
        """Choose stops."""
        return Stops(self.person[rows], self.day[rows], self.kind[rows])

    def find(self, others: "Stops") -> Int:
        """Place of each of ``others`` among these stops, which are sorted and hold them all."""
        return np.searchsorted(self.key, others.key)


@dataclass(frozen=True)
class Visits:
    """Visits sorted by person and start, every array of shape (visits,).

    ``person`` is the row in the block; ``start`` and ``end`` are minutes since 1970-01-01 00:00.
    """

    person: Int
    kind: Int
    start: Int
    end: Int

    @property
    def day(self) -> Int:
        """Day on which each visit starts, days since 1970-01-01."""
        return self.start // DAY


def sorted_unique(key: Int) -> Int:
    """Sorted values of ``key``, each once."""
    key = np.sort(key)
    unique: Int = key[np.diff(key, prepend=-1) != 0]
    return unique


def join_stops(parts: list[Stops]) -> Stops:
    """All stops of ``parts``, one after the other."""
    columns = zip(*((part.person, part.day, part.kind) for part in parts), strict=True)
    return Stops(*(np.concatenate(column) for column in columns))


def visit_rates(persons: Persons, recent: Bool, preset: Preset) -> Float32:
    """Visits without occasion a year, in each tick, shape (kinds, persons, ticks).

    They depend on the record so far (conditions, recent signs) and the person's own readiness.
    """
    rates = np.zeros((3, len(persons), recent.shape[1] + 1), dtype=np.float32)
    row = np.arange(len(persons))
    for name, disease in CONDITIONS.items():
        begins = in_force_from(persons.onset[name], recent.shape[1])
        added = (disease.outpatient, disease.emergency, disease.inpatient)
        for kind, visits in enumerate(np.multiply(added, preset.sickness)):
            rates[kind, row, begins] += np.float32(visits)
    rates = np.cumsum(rates[:, :, :-1], axis=2)
    rates += np.array(preset.visits, dtype=np.float32)[:, None, None]
    rates[OUTPATIENT] += np.float32(SIGNS.visits) * recent
    rates *= persons.attendance.astype(np.float32)[:, None]
    return rates


def background_stops(rates: Float32, rng: np.random.Generator) -> Stops:
    """Draw the visits without occasion at ``rates``, shape (kinds, persons, ticks)."""
    total = rates.sum(axis=0)
    person, day = draw_days(total, rng)
    tick = tick_of(day)
    which = rng.random(len(person), dtype=np.float32) * total[person, tick]
    outpatient = rates[OUTPATIENT][person, tick]
    emergency = outpatient + rates[EMERGENCY][person, tick]
    kind = np.where(which < outpatient, OUTPATIENT, np.where(which < emergency, 1, 2))
    return Stops(person, day, kind.astype(np.int64))


def first_stops(persons: Persons) -> Stops:
    """The first visit of each person."""
    return Stops(np.arange(len(persons)), persons.entry, np.full(len(persons), OUTPATIENT))


def onset_stops(persons: Persons, name: str) -> Stops:
    """The visits at which a condition is found that begins after the first visit."""
    day = persons.onset[name]
    person = np.flatnonzero((day > persons.entry) & (day <= persons.leaves))
    return Stops(person, day[person], np.full(len(person), CONDITIONS[name].found))


def sign_stops(person: Int, day: Int, rng: np.random.Generator) -> Stops:
    """The visit of each sign."""
    emergency = rng.random(len(person)) < SIGNS.emergency
    return Stops(person, day, np.where(emergency, EMERGENCY, OUTPATIENT))


def emergency_stops(stops: Stops, preset: Preset, rng: np.random.Generator) -> Stops:
    """The visits to the emergency room through which some of the admissions come."""
    admissions = np.flatnonzero(stops.kind == INPATIENT)
    through = admissions[rng.random(len(admissions)) < preset.through_emergency]
    return Stops(stops.person[through], stops.day[through], np.full(len(through), EMERGENCY))


def time_visits(
    stops: Stops, last: Int, preset: Preset, rng: np.random.Generator
) -> tuple[Visits, Int]:
    """Give unique, sorted stops their times.

    Outpatients come between 8 and 17 o'clock, emergencies before 18, admissions from 18 to 22.

    Parameters
    ----------
    stops
        Sorted by person, day and kind, each once.
    last
        Each person's last day, shape (persons,).
    preset
        The hospital, for the length of its stays.
    rng
        The block's stream for the visits.

    Returns
    -------
    visits, place
        The visits, and which of them each stop became.
    """
    size = len(stops.person)
    earliest, width = np.array([8, 0, 18])[stops.kind] * 60, np.array([9, 18, 4])[stops.kind] * 60
    minute = earliest + np.floor(width * rng.random(size)).astype(np.int64)
    order = np.argsort((stops.key >> 2) * DAY + minute, kind="stable")
    day, start = stops.day[order], (stops.day * DAY + minute)[order]
    person, kind = stops.person[order], stops.kind[order]
    end = start + np.where(kind == OUTPATIENT, 15, 60) * np.where(
        kind == INPATIENT, 1, rng.integers(1, 4, size)
    )
    stay = np.floor(rng.exponential(preset.nights, size)).astype(np.int64) + 1
    until = np.minimum(day + np.minimum(stay, LONGEST_STAY), last[person])
    until = np.minimum(until, _day_before_next(person, day))
    leaves = until * DAY + rng.integers(8 * 60, 17 * 60, size)
    place = np.empty(size, dtype=np.int64)
    place[order] = np.arange(size)
    stays = (kind == INPATIENT) & (until > day)
    return Visits(person, kind, start, np.where(stays, leaves, end)), place


def _day_before_next(person: Int, day: Int) -> Int:
    """Day before the person's next visit begins, late where there is none."""
    result = np.full(len(day), LAST_DAY + LONGEST_STAY)
    same = person[1:] == person[:-1]
    result[:-1][same] = day[1:][same] - 1
    return result
