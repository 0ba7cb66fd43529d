"""What is written down at each visit.

Each state of a visit leaves the codes of the emission table with their probabilities, for the share
of persons whom they concern. On top come unrelated codes: their popularity falls like Zipf's law,
and a person returns to a few favourites. A code stands once in a visit; a visit that would stay
without diagnosis, drug and procedure gets one unrelated diagnosis. What is written down in a stay
is spread over it, else it has the time of the visit's start.
"""

from dataclasses import dataclass

import numpy as np

from visitseq.simulate.attendance import Visits
from visitseq.simulate.codebook import CODED_DOMAINS, Codebook
from visitseq.simulate.hazard import Float, Int
from visitseq.simulate.parameters import (
    BLOCK,
    FAVOURITE_SHARE,
    FAVOURITES,
    INPATIENT,
    QUANTITIES,
    ZIPF,
    Preset,
)


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


def record_visits(
    visits: Visits,
    states: dict[str, Float],
    book: Codebook,
    preset: Preset,
    rng: np.random.Generator,
) -> Records:
    """Draw what a block's visits leave behind, given their states."""
    known = _known(states, visits, book, rng)
    visit, code = _once(*_with_tail(known, visits, book, preset, rng), len(book.name))
    value = _values(states, visits.person, (visit, code), book, rng)
    length = np.where(visits.kind == INPATIENT, visits.end - visits.start, 0)
    passed = np.floor(rng.random(len(visit)) * length[visit]).astype(np.int64)
    time = visits.start[visit] + passed
    order = np.lexsort((code, visit, time, visits.person[visit]))
    return Records(visit[order], code[order], time[order], value[order])


def _known(
    states: dict[str, Float], visits: Visits, book: Codebook, rng: np.random.Generator
) -> tuple[Int, Int]:
    """Visit and code of what the states leave behind, with repetitions."""
    visit, code = [], []
    for emission in book.emissions:
        concerned = rng.random(BLOCK) < emission.share
        state = states[emission.state]
        at = np.flatnonzero((state > 0) & concerned[visits.person])
        probability = state[at] * emission.probability[visits.kind[at]]
        hit = at[rng.random(len(at)) < probability]
        visit.append(hit)
        code.append(np.full(len(hit), emission.code))
    return np.concatenate(visit), np.concatenate(code)


def _with_tail(
    known: tuple[Int, Int],
    visits: Visits,
    book: Codebook,
    preset: Preset,
    rng: np.random.Generator,
) -> tuple[Int, Int]:
    """Add the unrelated codes, one diagnosis at least where a visit has no content yet."""
    size = len(visits.person)
    content = np.isin(book.domain, CODED_DOMAINS)[known[1]]
    least = np.bincount(known[0][content], minlength=size) == 0
    parts = [known]
    for codes, means in zip(book.tail, np.array(preset.tail).T, strict=True):
        count = np.maximum(rng.poisson(means[visits.kind]), least)
        visit = np.repeat(np.arange(size), count)
        parts.append((visit, codes[_tail_ranks(visits.person[visit], len(codes), rng)]))
        least = np.zeros(size, dtype=bool)  # the diagnoses come first and see to it
    visits_, codes_ = (np.concatenate(column) for column in zip(*parts, strict=True))
    return visits_, codes_


def _tail_ranks(person: Int, codes: int, rng: np.random.Generator) -> Int:
    """Ranks of unrelated codes, one for each element of ``person``, favourites preferred."""
    popularity = np.cumsum(np.arange(1, codes + 1) ** -ZIPF)
    popularity /= popularity[-1]
    favourites = np.searchsorted(popularity, rng.random((BLOCK, FAVOURITES)), side="right")
    own = favourites[person, rng.integers(0, FAVOURITES, len(person))]
    other = np.searchsorted(popularity, rng.random(len(person)), side="right")
    return np.where(rng.random(len(person)) < FAVOURITE_SHARE, own, other)


def _once(visit: Int, code: Int, codes: int) -> tuple[Int, Int]:
    """Each code once a visit, sorted by visit and code."""
    key = np.sort(visit * codes + code)
    key = key[np.diff(key, prepend=-1) > 0]
    return key // codes, key % codes


def _values(
    states: dict[str, Float],
    person: Int,
    records: tuple[Int, Int],
    book: Codebook,
    rng: np.random.Generator,
) -> Float:
    """Measured value of each record (visit, code), NaN for what is no measurement."""
    visit, code = records
    result = np.full(len(code), np.nan)
    for name, quantity in QUANTITIES.items():
        own = quantity.between * rng.standard_normal(BLOCK)
        at = np.flatnonzero(code == book.name.index(name))
        value = quantity.mean + own[person[visit[at]]]
        for state, rise in quantity.rise.items():
            value += rise * states[state][visit[at]]
        value += quantity.within * rng.standard_normal(len(at))
        result[at] = np.round(np.maximum(value, quantity.mean / 10), 1)
    return result
