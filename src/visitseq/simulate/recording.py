"""What is written down at each visit.

Each state in which a visit finds the person leaves the codes of the emission table with their
probabilities; an emission may concern a share of persons only. Drugs follow therapies (therapy.py).
On top come unrelated codes, whose popularity falls like Zipf's law and of which a person returns to
a few favourites, and diseases that are suspected and ruled out. A visit that would stay without
diagnosis, drug and procedure gets one unrelated diagnosis.

Writing down a code with probability p at each of n visits is drawn by the gaps between the visits
that get it, which are geometric: the work grows with what is written, not with what could be.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from visitseq.simulate.attendance import Stops
from visitseq.simulate.codebook import DOMAINS, Codebook, Emission
from visitseq.simulate.hazard import Bool, Int
from visitseq.simulate.parameters import (
    CONDITIONS,
    FAVOURITE_SHARE,
    FAVOURITES,
    INPATIENT,
    RULED_OUT_SHARE,
    THOROUGHNESS,
    ZIPF,
    Preset,
)
from visitseq.simulate.persons import Persons

#: The popularity of unrelated codes is kept in steps of one in so many.
POPULARITY_STEPS = 2**18
#: Domains of the clinical content; the tail has codes of each.
CONTENT = DOMAINS[:3]


@dataclass(frozen=True)
class Notes:
    """Which code is written down at which visit, arrays of shape (notes,)."""

    visit: Int
    code: Int

    @classmethod
    def join(cls, parts: list["Notes"]) -> "Notes":
        """All notes of ``parts``, one after the other."""
        if not parts:
            return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        return cls(
            np.concatenate([part.visit for part in parts]),
            np.concatenate([part.code for part in parts]),
        )

    def moved(self, place: Int) -> "Notes":
        """Number the visits anew: visit i becomes ``place[i]``, and is dropped where that is -1."""
        visit = place[self.visit]
        kept = visit >= 0
        return Notes(visit[kept], self.code[kept])


def note(visit: Int, code: int) -> Notes:
    """One code at each of ``visit``."""
    return Notes(visit, np.full(len(visit), code, dtype=np.int64))


class Recorder:
    """Writes down what the visits of one block leave behind.

    Parameters
    ----------
    book
        The hospital's codes.
    persons
        Number of persons in the block.
    rng
        The block's stream for what is written down.
    """

    def __init__(self, book: Codebook, persons: int, rng: np.random.Generator) -> None:
        self.book = book
        self.rng = rng
        shares = np.array([emission.share for emission in book.emissions], dtype=np.float32)
        self._concerned: Bool = (
            rng.random((len(shares), persons), dtype=np.float32) < shares[:, None]
        )
        self._favourites = [
            popular_ranks(len(tail), persons * FAVOURITES, rng).reshape(persons, FAVOURITES)
            for tail in book.tail
        ]

    def emissions(self, stops: Stops, states: dict[str, Int]) -> Notes:
        """What the ``states`` (each with the rows of the stops in it) leave at the stops."""
        by_kind = {
            name: [rows[stops.kind[rows] == kind] for kind in range(3)]
            for name, rows in states.items()
        }
        parts = []
        for number, emission in enumerate(self.book.emissions):
            if emission.state in by_kind:
                visit = self._hits(emission, by_kind[emission.state])
                if emission.share < 1:
                    visit = visit[self._concerned[number][stops.person[visit]]]
                parts.append(note(visit, emission.code))
        return Notes.join(parts)

    def _hits(self, emission: Emission, by_kind: list[Int]) -> Int:
        chosen = [
            rows[choose(len(rows), float(probability), self.rng)]
            for rows, probability in zip(by_kind, emission.probability, strict=True)
            if probability > 0 and len(rows)
        ]
        return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)

    def tail(self, stops: Stops, notes: Notes, preset: Preset) -> Notes:
        """Unrelated codes; at least one diagnosis where ``notes`` leave a stop without content."""
        size = len(stops.person)
        content = self.book.domain[notes.code] < len(CONTENT)
        least = np.ones(size, dtype=bool)
        least[notes.visit[content]] = False
        parts = []
        spread = self.rng.standard_normal(size, dtype=np.float32) * np.float32(THOROUGHNESS)
        thorough = np.exp(spread - np.float32(THOROUGHNESS**2 / 2))
        for number, means in enumerate(np.array(preset.tail, dtype=np.float32).T):
            count = self.rng.poisson(means[stops.kind] * thorough)
            if number == 0:
                count = np.maximum(count, least)
            visit = np.repeat(np.arange(size), count)
            parts.append(Notes(visit, self._tail_codes(number, stops.person[visit])))
        return Notes.join(parts)

    def _tail_codes(self, number: int, person: Int) -> Int:
        """An unrelated code of one domain for each element of ``person``, favourites preferred."""
        codes = self.book.tail[number]
        ranks = popular_ranks(len(codes), len(person), self.rng)
        own = np.flatnonzero(self.rng.random(len(person), dtype=np.float32) < FAVOURITE_SHARE)
        favourite = self.rng.integers(0, FAVOURITES, len(own))
        ranks[own] = self._favourites[number][person[own], favourite]
        return codes[ranks].astype(np.int64)

    def ruled_out(self, stops: Stops, persons: Persons, heart_failure: bool) -> Notes:
        """Diseases that are suspected and ruled out, each with an observation code beside it.

        ``heart_failure`` says whether it may be among them.
        """
        suspects = [*CONDITIONS, *(["chf"] if heart_failure else [])]
        rows = choose(len(stops.person), RULED_OUT_SHARE, self.rng)
        rows = rows[stops.kind[rows] != INPATIENT]
        which = self.rng.integers(0, len(suspects), len(rows))
        parts = []
        for number, name in enumerate(suspects):
            visit = rows[which == number]
            if name in CONDITIONS:
                visit = visit[persons.onset[name][stops.person[visit]] > stops.day[visit]]
            observed = "suspected_cardiovascular" if name in CARDIOVASCULAR else "suspected_other"
            parts += [note(visit, self.book.row(name)), note(visit, self.book.row(observed))]
        return Notes.join(parts)


CARDIOVASCULAR = ("hypertension", "coronary", "infarction", "atrial_fibrillation", "chf")


def choose(size: int, probability: float, rng: np.random.Generator) -> Int:
    """Rows of ``range(size)``, ascending, each taken with ``probability`` independently."""
    if probability > 1 / 4:
        return np.flatnonzero(rng.random(size, dtype=np.float32) < probability)
    expected = size * probability
    rows = np.cumsum(rng.geometric(probability, int(expected + 4 * expected**0.5) + 8)) - 1
    while rows[-1] < size:
        more = rng.geometric(probability, int(expected**0.5) + 8)
        rows = np.concatenate([rows, rows[-1] + np.cumsum(more)])
    return rows[: np.searchsorted(rows, size)]


def popular_ranks(codes: int, size: int, rng: np.random.Generator) -> Int:
    """Ranks from 0 to ``codes`` - 1, the chance of rank r falling like (r + 1) ** -ZIPF."""
    return _popularity(codes)[rng.integers(0, POPULARITY_STEPS, size, dtype=np.uint32)].astype(
        np.int64
    )


@lru_cache
def _popularity(codes: int) -> npt.NDArray[np.uint16]:
    """The rank at each of ``POPULARITY_STEPS`` equal steps of the cumulated popularity."""
    share = np.cumsum(np.arange(1, codes + 1) ** -ZIPF)
    steps = (np.arange(POPULARITY_STEPS) + 0.5) / POPULARITY_STEPS
    return np.searchsorted(share / share[-1], steps).astype(np.uint16)
