"""The visits of a block of persons: when they come, to which kind of visit, and how long they stay.

Visits of each kind are a Poisson process whose rate is constant within a month: what anyone comes
for, what each condition adds once it is there, the growing signs before heart failure, and the
follow-up after it, times the person's own readiness to attend. Everybody has a visit on the first
day of the record, and heart failure brings a visit that may diagnose it. Some admissions come
through the emergency room on the same day. While a stay lasts nothing else begins.
"""

from dataclasses import dataclass

import numpy as np

from visitseq.simulate.hazard import Float, Int
from visitseq.simulate.parameters import (
    CONDITIONS,
    EMERGENCY,
    FIRST_DAY,
    FOLLOW_UP_DAYS,
    FOLLOW_UP_VISITS,
    HEART_FAILURE,
    INPATIENT,
    LAST_DAY,
    OUTPATIENT,
    WARNING_VISITS,
    Disease,
    Preset,
)
from visitseq.simulate.persons import Persons

DAY = 24 * 60  # minutes
MONTH = 30.4375  # days
LATER = 1 << 20  # days, later than any date
MONTHS = round((LAST_DAY - FIRST_DAY + 1) / MONTH)


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


def warning_signs(persons: Persons, person: Int, day: Float) -> Float:
    """How far the signs of a coming heart failure have grown, between 0 and 1.

    They rise as exp(-(onset - day) / lead) up to the onset and stay at 1 until the diagnosis is
    due; a silent case has none. ``person`` and ``day`` broadcast against each other.
    """
    wait = persons.onset["heart_failure"][person] - day
    grown = np.exp(-np.maximum(wait, 0.0) / persons.lead[person])
    undiagnosed = (day < persons.due[person]) & ~persons.silent[person]
    return np.asarray(np.where(undiagnosed, grown, 0.0))


def simulate_visits(persons: Persons, preset: Preset, rng: np.random.Generator) -> Visits:
    """Draw the visits of a block of persons."""
    rates = _rates(persons, preset)
    drawn = [_poisson(rates[kind], kind, rng) for kind in (OUTPATIENT, EMERGENCY, INPATIENT)]
    person, kind, day = (
        np.concatenate(column) for column in zip(*drawn, _certain(persons), strict=True)
    )
    kept = (day >= persons.entry[person]) & (day <= persons.exit[person])
    person, kind, day = person[kept], kind[kept], day[kept]
    through = (kind == INPATIENT) & (rng.random(len(kind)) < preset.through_emergency)
    person = np.concatenate([person, person[through]])
    day = np.concatenate([day, day[through]])
    kind = np.concatenate([kind, np.full(through.sum(), EMERGENCY)])
    start, end = _times(kind, day, persons.exit[person], preset, rng)
    return _disjoint(Visits(person, kind, start, end))


def _rates(persons: Persons, preset: Preset) -> Float:
    """Visits of each kind a year in each month, shape (kinds, persons, months)."""
    month = FIRST_DAY + MONTH * np.arange(MONTHS, dtype=np.float64)
    everyone = np.arange(len(persons.birth))[:, None]
    rates = np.zeros((3, len(persons.birth), MONTHS))
    for name, disease in {**CONDITIONS, "heart_failure": HEART_FAILURE}.items():
        active = persons.onset[name][:, None] <= month
        rates += _added(disease, preset)[:, None, None] * active
    rates[OUTPATIENT] += WARNING_VISITS * warning_signs(persons, everyone, month)
    since = month - persons.due[:, None]
    rates[OUTPATIENT] += FOLLOW_UP_VISITS * ((since >= 0) & (since < FOLLOW_UP_DAYS))
    rates += np.array(preset.visits)[:, None, None]
    return rates * persons.attendance[:, None]


def _added(disease: Disease, preset: Preset) -> Float:
    """Visits of each kind a year that a disease adds in a hospital of this kind."""
    return np.array([disease.outpatient, disease.emergency, disease.inpatient]) * preset.sickness


def _poisson(rate: Float, kind: int, rng: np.random.Generator) -> tuple[Int, Int, Int]:
    """Person, kind and day of the visits of one kind at ``rate`` a year, (persons, months)."""
    cell = np.repeat(np.arange(rate.size), rng.poisson(rate / 12).ravel())
    day = FIRST_DAY + np.floor((cell % MONTHS + rng.random(len(cell))) * MONTH)
    return cell // MONTHS, np.full(len(cell), kind), day.astype(np.int64)


def _certain(persons: Persons) -> tuple[Int, Int, Int]:
    """Person, kind and day of the first visit, and of the one that would diagnose."""
    everyone = np.arange(len(persons.birth))
    kind = np.where(persons.silent, INPATIENT, OUTPATIENT)
    first = np.full(len(everyone), OUTPATIENT)
    return (
        np.concatenate([everyone, everyone]),
        np.concatenate([first, kind]),
        np.concatenate([persons.entry, persons.due]),
    )


def _times(
    kind: Int, day: Int, last: Int, preset: Preset, rng: np.random.Generator
) -> tuple[Int, Int]:
    """Start and end of each visit in minutes; a stay ends on the person's last day at the latest.

    Outpatients come between 8 and 17 o'clock, emergencies before 18, admissions from 12 to 20.
    """
    size = len(kind)
    earliest = np.array([8, 0, 12])[kind] * 60
    width = np.array([9, 18, 8])[kind] * 60
    start = day * DAY + earliest + np.floor(width * rng.random(size)).astype(np.int64)
    end = start + np.where(kind == OUTPATIENT, 15, 60) * rng.integers(1, 4, size)
    nights = rng.geometric(1 / preset.nights, size)
    until = np.minimum(day + nights, last)
    leaves = until * DAY + rng.integers(8 * 60, 17 * 60, size)
    return start, np.where((kind == INPATIENT) & (until > day), leaves, end)


def _disjoint(visits: Visits) -> Visits:
    """Sort visits; keep one of a kind a day, and none that begins before a stay is over."""
    order = np.lexsort((visits.end, visits.kind, visits.start, visits.person))
    person, kind, start, end = (
        column[order] for column in (visits.person, visits.kind, visits.start, visits.end)
    )
    day = person * LATER + start // DAY  # one scale for all, so that persons don't mix
    _, first = np.unique(day * 3 + kind, return_index=True)
    single = np.zeros(len(person), dtype=bool)
    single[first] = True
    stay_end = np.where((kind == INPATIENT) & single, person * LATER + end // DAY, -1)
    over = np.concatenate([[-1], np.maximum.accumulate(stay_end)[:-1]])
    kept = single & (day > over)
    return Visits(person[kept], kind[kept], start[kept], end[kept])
