"""The history of a block of persons, and the records that it leaves.

A history is what a process (hospital.py, controls.py) makes: persons, their visits, what each visit
writes down, and the hazard of heart failure behind it. Records are its notes with a time and a
value: what is written down in a stay is spread over it, all else has the time of the visit's start,
and a code stands once in a visit, of several that share a concept the first.
"""

from dataclasses import dataclass

import numpy as np

from visitseq.simulate.attendance import Visits, sorted_unique
from visitseq.simulate.codebook import Codebook
from visitseq.simulate.hazard import Float, Float32, Int
from visitseq.simulate.parameters import INPATIENT, QUANTITIES
from visitseq.simulate.persons import Persons
from visitseq.simulate.recording import Notes

CODE_BITS = 16
MINUTE_BITS = 17  # a stay has less than 2 ** 17 minutes


@dataclass(frozen=True)
class History:
    """One block of persons with all that happened to them and was written down.

    ``exit`` is each person's last day of the record, ``death`` the day of a death that ended it and
    ``diagnosis`` that of heart failure (``NEVER`` where there is none), all of shape (persons,);
    ``log_hazard`` the log hazard a year of that diagnosis in each tick, shape (persons, ticks).
    The visits that ``notes`` refer to are rows of ``visits``.
    """

    persons: Persons
    exit: Int
    death: Int
    diagnosis: Int
    visits: Visits
    notes: Notes
    log_hazard: Float32


@dataclass(frozen=True)
class Records:
    """What was recorded, sorted by person, time, visit and code; arrays of shape (records,).

    ``visit`` and ``code`` are rows of the visits and of the codebook, ``time`` is in minutes since
    1970-01-01 00:00, ``value`` is NaN where nothing was measured.
    """

    visit: Int
    code: Int
    time: Int
    value: Float


def write_records(history: History, book: Codebook, rng: np.random.Generator) -> Records:
    """Give each code of each visit its time and its value."""
    visits, notes = history.visits, history.notes
    key = _once_a_concept(sorted_unique(notes.visit << CODE_BITS | notes.code), book)
    visit, code = key >> CODE_BITS, key & ((1 << CODE_BITS) - 1)
    length = np.where(visits.kind == INPATIENT, visits.end - visits.start, 0)[visit]
    stays = np.flatnonzero(length)
    passed = np.zeros(len(visit), dtype=np.int64)
    passed[stays] = np.floor(rng.random(len(stays)) * length[stays]).astype(np.int64)
    key = np.sort((visit << MINUTE_BITS | passed) << CODE_BITS | code)
    code = key & ((1 << CODE_BITS) - 1)
    visit, passed = np.divmod(key >> CODE_BITS, 1 << MINUTE_BITS)
    return Records(
        visit, code, visits.start[visit] + passed, _values(history, visit, code, book, rng)
    )


def _once_a_concept(key: Int, book: Codebook) -> Int:
    """Of the codes of a visit that the hospital maps to one concept, keep the first.

    ``key`` is sorted by visit and code; so is what is kept.
    """
    code = key & ((1 << CODE_BITS) - 1)
    doubtful = np.flatnonzero(book.shared[code])
    visit = key[doubtful] >> CODE_BITS
    _, first = np.unique(visit << CODE_BITS | book.first_alike[code[doubtful]], return_index=True)
    kept = ~book.shared[code]
    kept[doubtful[first]] = True
    return np.asarray(key[kept])


def _values(
    history: History, visit: Int, code: Int, book: Codebook, rng: np.random.Generator
) -> Float:
    """Measured value of each record, NaN for what is no measurement."""
    onset = {**history.persons.onset, "heart_failure": history.diagnosis}
    result = np.full(len(code), np.nan)
    for name, quantity in QUANTITIES.items():
        own = quantity.between * rng.standard_normal(len(history.persons))
        at = np.flatnonzero(code == book.row(name))
        person = history.visits.person[visit[at]]
        value = quantity.mean + own[person]
        for cause, rise in quantity.rise.items():
            value += rise * (onset[cause][person] <= history.visits.day[visit[at]])
        value += quantity.within * rng.standard_normal(len(at))
        result[at] = np.round(np.maximum(value, quantity.mean / 10), 1)
    return result
