"""In which states a visit finds the person.

The conditions in force, the step of each therapy, a recent sign, age, sex, season, intensive care.
A state is the rows of the visits that are in it; its codes are written down with the probabilities
of the emission table.
"""

import numpy as np

from visitseq.simulate.attendance import Stops
from visitseq.simulate.hazard import DAYS_A_YEAR, Bool, Int
from visitseq.simulate.parameters import INPATIENT, Preset
from visitseq.simulate.persons import Persons
from visitseq.simulate.therapy import Course
from visitseq.simulate.ticks import in_force_from, tick_of


def visit_states(
    stops: Stops,
    persons: Persons,
    recent: Bool,
    courses: list[Course],
    *,
    preset: Preset,
    rng: np.random.Generator,
) -> dict[str, Int]:
    """Rows of the stops that are in each state.

    ``recent`` says in which ticks a person's last sign is recent, shape (persons, ticks).
    """
    tick = tick_of(stops.day)
    stays = np.flatnonzero(stops.kind == INPATIENT)
    return {
        **{name: condition_rows(stops, tick, day) for name, day in persons.onset.items()},
        **{course.name: course.rows(stops) for course in courses},
        **_by_age_and_season(stops, persons),
        "any": np.arange(len(tick)),
        "recent_sign": np.flatnonzero(recent[stops.person, tick]),
        "intensive_care": stays[rng.random(len(stays)) < preset.intensive],
    }


def condition_rows(stops: Stops, tick: Int, onset: Int) -> Int:
    """Rows of the stops at which a condition is in force that begins on ``onset``, (persons,)."""
    return np.flatnonzero(in_force_from(onset)[stops.person] <= tick)


def _by_age_and_season(stops: Stops, persons: Persons) -> dict[str, Int]:
    age = (stops.day - persons.birth[stops.person]) / DAYS_A_YEAR
    month = stops.day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    return {
        "women_over_40": np.flatnonzero(persons.female[stops.person] & (age >= 40)),
        "over_50": np.flatnonzero(age >= 50),
        "over_65": np.flatnonzero(age >= 65),
        "autumn": np.flatnonzero(month >= 9),
    }
