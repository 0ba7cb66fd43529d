"""The persons of a block: who they are, what they fall ill with, and how long they are in care.

Conditions are drawn in their causal order over the whole adult life, so that a person may enter the
record with some of them; those are written down at the first visit. Nobody's fate depends on the
hospital's habits: those begin with the visits.
"""

from dataclasses import dataclass, fields

import numpy as np

from visitseq.simulate.hazard import (
    DAYS_A_YEAR,
    Bool,
    Float,
    Int,
    cumulative_hazard,
    first_event,
    log_hazard,
)
from visitseq.simulate.parameters import (
    ATTENDANCE_SHAPE,
    CONDITIONS,
    DEATH,
    FEMALE_SHARE,
    FIRST_DAY,
    HISPANIC_SHARE,
    LAST_DAY,
    NEVER,
    RACES,
    Preset,
)


@dataclass(frozen=True)
class Persons:
    """One block of persons; days since 1970-01-01, every array of shape (persons,).

    ``entry`` and ``leaves`` are the first day of the record and its last if the person lives on,
    ``onset`` the day of onset of each chronic condition (``NEVER`` where it does not come),
    ``attendance`` the factor on the person's visits (mean 1), ``frailty`` the draw that decides on
    the day of death.
    """

    birth: Int
    female: Bool
    race: Int
    hispanic: Bool
    clinic: Int
    attendance: Float
    entry: Int
    leaves: Int
    onset: dict[str, Int]
    frailty: Float

    def __len__(self) -> int:
        """Return the number of persons."""
        return len(self.birth)

    def take(self, rows: Int) -> "Persons":
        """Choose persons, some perhaps several times."""
        columns = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if field.name != "onset"
        }
        return Persons(**columns, onset={name: day[rows] for name, day in self.onset.items()})

    def age(self, day: Int) -> Int:
        """Age in whole years of 365.25 days; ``day`` has shape (persons,) or (persons, days)."""
        born = self.birth.reshape(-1, *[1] * (day.ndim - 1))
        return np.floor((day - born) / DAYS_A_YEAR).astype(np.int64)


def simulate_persons(preset: Preset, size: int, rng: np.random.Generator) -> Persons:
    """Draw ``size`` persons with their conditions and the span of their records."""
    first, second, youngest, oldest = preset.age
    age = youngest + (oldest - youngest) * rng.beta(first, second, size)
    birth = FIRST_DAY - np.floor(age * DAYS_A_YEAR).astype(np.int64)
    female = rng.random(size) < FEMALE_SHARE
    entry, leaves = _span(preset, size, rng)
    return Persons(
        birth=birth,
        female=female,
        race=rng.choice(np.array(list(RACES)), size, p=list(RACES.values())),
        hispanic=rng.random(size) < HISPANIC_SHARE,
        clinic=_clinics(preset.clinics, size, rng),
        attendance=rng.gamma(ATTENDANCE_SHAPE, 1 / ATTENDANCE_SHAPE, size),
        entry=entry,
        leaves=leaves,
        onset=_conditions(birth, female, preset.illness, rng),
        frailty=np.full(size, np.inf) if preset.design_only else rng.standard_exponential(size),
    )


def death_days(persons: Persons, diagnosis: Int, rows: Int) -> Int:
    """Day of death of the persons ``rows``, ``NEVER`` where the record ends first.

    ``diagnosis`` is the day on which heart failure was found, shape (rows,). The same draw decides
    with and without it, so heart failure can only bring a death forward.
    """
    onset = {name: day[rows] for name, day in persons.onset.items()}
    onset["heart_failure"] = diagnosis
    birth = persons.birth[rows]
    hazards = log_hazard(DEATH, birth, persons.female[rows], onset)
    day = first_event(hazards, birth, persons.entry[rows], persons.frailty[rows])
    return np.where(day <= persons.leaves[rows], day, NEVER)


def next_onset(
    name: str, persons: Persons, illness: float, *, since: Int, threshold: Float, edges: Float
) -> Int:
    """Day on which a condition begins in who did not have it at ``since``, shape (persons,).

    ``NEVER`` where that is not before the last of the birthdays ``edges`` (hazard.edges_around).
    """
    hazards = log_hazard(CONDITIONS[name], persons.birth, persons.female, persons.onset, edges)
    return first_event(hazards + illness, persons.birth, since, threshold, edges)


def survival(persons: Persons, since: Int, until: Int, edges: Float) -> Float:
    """Chance of living from ``since`` to ``until`` without heart failure, shape (persons,)."""
    onset = {**persons.onset, "heart_failure": np.full(len(persons), NEVER)}
    hazards = log_hazard(DEATH, persons.birth, persons.female, onset, edges)
    chance: Float = np.exp(-cumulative_hazard(hazards, persons.birth, since, until, edges))
    return chance


def _span(preset: Preset, size: int, rng: np.random.Generator) -> tuple[Int, Int]:
    """First day of each record, and its last day if the person lives on."""
    if preset.design_only:
        return np.full(size, FIRST_DAY), np.full(size, LAST_DAY)
    present = rng.random(size) < preset.present
    joins = np.floor(np.where(present, 120, 4 * DAYS_A_YEAR) * rng.random(size)).astype(np.int64)
    entry = FIRST_DAY + joins
    stays = np.floor(rng.exponential(DAYS_A_YEAR / preset.leaving, size)).astype(np.int64)
    return entry, np.minimum(entry + stays, LAST_DAY)


def _conditions(
    birth: Int, female: Bool, illness: float, rng: np.random.Generator
) -> dict[str, Int]:
    """Day of onset of each chronic condition, the causes before what they cause."""
    onset: dict[str, Int] = {}
    for name, disease in CONDITIONS.items():
        hazards = log_hazard(disease, birth, female, onset) + illness
        onset[name] = first_event(hazards, birth, birth, rng.standard_exponential(len(birth)))
    return onset


def _clinics(clinics: int, size: int, rng: np.random.Generator) -> Int:
    """Each person's clinic, 1 to ``clinics``; the first are the largest."""
    share = 1 / np.sqrt(np.arange(1, clinics + 1))
    return 1 + rng.choice(clinics, size, p=share / share.sum()).astype(np.int64)
