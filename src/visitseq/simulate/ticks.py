"""The time of the simulation: ticks of 14 days, and events at rates that are constant in each.

Whatever follows the record (rates of visits and signs, the hazard of heart failure) is held
constant within a tick and depends on the record up to the tick's first day: so the law of a
record's future, given its past, is known exactly.
"""

import numpy as np

from visitseq.simulate.hazard import DAYS_A_YEAR, Float32, Int
from visitseq.simulate.parameters import FIRST_DAY, TICK_DAYS, TICKS

#: First day of each tick.
TICK_START: Int = FIRST_DAY + TICK_DAYS * np.arange(TICKS)
TICK_YEARS = TICK_DAYS / DAYS_A_YEAR


def tick_of(day: Int) -> Int:
    """Tick in which each day lies."""
    return (day - FIRST_DAY) // TICK_DAYS


def in_force_from(day: Int, ticks: int = TICKS) -> Int:
    """First tick before which ``day`` lies, between 0 and ``ticks``: where an onset takes effect.

    What began before the record is in force in every tick.
    """
    return np.clip(tick_of(day) + 1, 0, ticks)


def draw_days(rate: Float32, rng: np.random.Generator) -> tuple[Int, Int]:
    """Events of independent Poisson processes.

    Parameters
    ----------
    rate
        Events a year in each tick, shape (persons, ticks).

    Returns
    -------
    person, day
        Of each event, sorted by person and tick, shape (events,).
    """
    cell = np.repeat(np.arange(rate.size), rng.poisson(rate.ravel() * TICK_YEARS))
    person, tick = cell // rate.shape[1], cell % rate.shape[1]
    return person, TICK_START[tick] + rng.integers(0, TICK_DAYS, len(cell))
