"""The persons of a block: who they are, what they fall ill with, and when.

Conditions are drawn in their causal order over the whole adult life, so that a person may enter the
record with some of them. The clocks of heart failure and of death start with the record. Nobody's
fate depends on the hospital's habits: those begin with the visits.
"""

from dataclasses import dataclass

import numpy as np

from visitseq.simulate.hazard import DAYS_A_YEAR, Bool, Float, Int, first_event, log_hazard
from visitseq.simulate.parameters import (
    ATTENDANCE_SPREAD,
    BLOCK,
    CONDITIONS,
    DEATH,
    DELAY_DAYS,
    FIRST_DAY,
    HEART_FAILURE,
    HISPANIC_SHARE,
    LAST_DAY,
    NEVER,
    RACES,
    SILENT_SHARE,
    SYSTOLIC_SHARE,
    WARNING_DAYS,
    WARNING_SPREAD,
    Preset,
)


@dataclass(frozen=True)
class Persons:
    """One block of persons; days since 1970-01-01, every array of shape (persons,).

    ``entry`` and ``exit`` are the first and last day of the record, ``death`` the day of a death
    that ends it, ``onset`` the day of onset of each condition and of heart failure (``NEVER`` where
    it does not come, heart failure also where it comes after the exit), ``due`` the day from which
    a visit would diagnose heart failure, ``silent`` whether no sign precedes it, ``lead`` the days
    in which the signs grow by a factor e, ``systolic`` the kind of heart failure.
    """

    birth: Int
    female: Bool
    race: Int
    hispanic: Bool
    clinic: Int
    liability: Float
    attendance: Float
    entry: Int
    exit: Int
    death: Int
    onset: dict[str, Int]
    due: Int
    silent: Bool
    lead: Float
    systolic: Bool


def simulate_persons(preset: Preset, rng: np.random.Generator) -> Persons:
    """Draw one block of persons with their diseases and the span of their records."""
    size = BLOCK
    age = 20 + 64 * rng.beta(*preset.age, size)
    birth = FIRST_DAY - np.floor(age * DAYS_A_YEAR).astype(np.int64)
    female = rng.random(size) < 0.54
    liability = preset.liability + rng.standard_normal(size)
    entry, leaves = _span(preset, rng)
    onset = _conditions(birth, female, liability, rng)
    onset["heart_failure"] = first_event(
        log_hazard(HEART_FAILURE, birth, female, liability, onset),
        birth,
        entry,
        rng.standard_exponential(size),
    )
    dies = first_event(
        log_hazard(DEATH, birth, female, liability, onset),
        birth,
        entry,
        rng.standard_exponential(size),
    )
    last = np.minimum(leaves, dies)
    onset["heart_failure"] = np.where(onset["heart_failure"] <= last, onset["heart_failure"], NEVER)
    silent = rng.random(size) < SILENT_SHARE
    delay = np.where(silent, 0.0, np.floor(rng.exponential(DELAY_DAYS, size))).astype(np.int64)
    systolic_share = np.where(onset["coronary"] <= onset["heart_failure"], *SYSTOLIC_SHARE[::-1])
    return Persons(
        birth=birth,
        female=female,
        race=rng.choice(np.array(list(RACES)), size, p=list(RACES.values())),
        hispanic=rng.random(size) < HISPANIC_SHARE,
        clinic=_clinics(preset.clinics, rng),
        liability=liability,
        attendance=np.exp(ATTENDANCE_SPREAD * rng.standard_normal(size)),
        entry=entry,
        exit=last,
        death=np.where(dies <= leaves, dies, NEVER),
        onset=onset,
        due=onset["heart_failure"] + delay,
        silent=silent,
        lead=WARNING_DAYS * np.exp(WARNING_SPREAD * rng.standard_normal(size)),
        systolic=rng.random(size) < systolic_share,
    )


def _span(preset: Preset, rng: np.random.Generator) -> tuple[Int, Int]:
    """First day of each record, and its last day if the person lives on."""
    present = rng.random(BLOCK) < preset.present
    joins = np.floor(np.where(present, 120, 4 * DAYS_A_YEAR) * rng.random(BLOCK)).astype(np.int64)
    entry = FIRST_DAY + joins
    stays = np.floor(rng.exponential(DAYS_A_YEAR / preset.leaving, BLOCK)).astype(np.int64)
    return entry, np.minimum(entry + stays, LAST_DAY)


def _conditions(
    birth: Int, female: Bool, liability: Float, rng: np.random.Generator
) -> dict[str, Int]:
    """Day of onset of each chronic condition, the causes before what they cause."""
    onset: dict[str, Int] = {}
    for name, disease in CONDITIONS.items():
        hazards = log_hazard(disease, birth, female, liability, onset)
        onset[name] = first_event(hazards, birth, birth, rng.standard_exponential(BLOCK))
    return onset


def _clinics(clinics: int, rng: np.random.Generator) -> Int:
    """Each person's clinic, 1 to ``clinics``; the first are the largest."""
    size = 1 / np.sqrt(np.arange(1, clinics + 1))
    return 1 + rng.choice(clinics, BLOCK, p=size / size.sum()).astype(np.int64)
