"""Signs of a failing heart: edema, dyspnea, fatigue, each with a visit of its own.

They are a self-exciting process (Hawkes 1971), drawn by its clusters: signs that come by
themselves, then those that they bring on, then those that these bring on. So they gather before a
diagnosis, although each is written down as it comes and nothing hidden drives them.
"""

import numpy as np

from visitseq.simulate.hazard import Bool, Float32, Int
from visitseq.simulate.parameters import RECENT_TICKS, SIGNS, TICKS
from visitseq.simulate.persons import Persons
from visitseq.simulate.ticks import TICK_START, draw_days, in_force_from, tick_of


def sign_rate(persons: Persons, ticks: int = TICKS) -> Float32:
    """Signs a year that come by themselves, in each tick, shape (persons, ticks)."""
    steps = np.zeros((len(persons), ticks + 1), dtype=np.float32)
    row = np.arange(len(persons))
    for cause, effect in SIGNS.causes.items():
        steps[row, in_force_from(persons.onset[cause], ticks)] += effect
    log_rate = np.cumsum(steps[:, :-1], axis=1)
    log_rate += (SIGNS.growth / 10) * (persons.age(TICK_START[None, :ticks]) - 60).astype(
        np.float32
    )
    rate: Float32 = np.float32(SIGNS.rate) * np.exp(log_rate)
    return rate


def simulate_signs(persons: Persons, rng: np.random.Generator) -> tuple[Int, Int]:
    """Person and day of each sign between the person's entry and the end of the record."""
    person, day = draw_days(sign_rate(persons), rng)
    kept = (day >= persons.entry[person]) & (day <= persons.leaves[person])
    return with_offspring(person[kept], day[kept], persons.leaves, rng)


def with_offspring(person: Int, day: Int, last: Int, rng: np.random.Generator) -> tuple[Int, Int]:
    """Add what each sign brings on, generation by generation, up to the day ``last`` of a person.

    A sign's offspring come at least a day after it.
    """
    generations = [(person, day)]
    while len(person):
        parent = np.repeat(np.arange(len(person)), rng.poisson(SIGNS.offspring, len(person)))
        delay = np.ceil(rng.exponential(SIGNS.delay_days, len(parent))).astype(np.int64)
        person, day = person[parent], day[parent] + delay
        kept = day <= last[person]
        person, day = person[kept], day[kept]
        generations.append((person, day))
    return (
        np.concatenate([generation[0] for generation in generations]),
        np.concatenate([generation[1] for generation in generations]),
    )


def recent_signs(person: Int, day: Int, persons: int, ticks: int = TICKS) -> Bool:
    """In which ticks a person's last sign is recent, shape (persons, ticks)."""
    seen = np.zeros((persons, ticks + 1), dtype=np.int16)
    first = tick_of(day) + 1
    np.add.at(seen, (person, np.clip(first, 0, ticks)), 1)
    np.add.at(seen, (person, np.clip(first + RECENT_TICKS, 0, ticks)), -1)
    return np.asarray(np.cumsum(seen[:, :-1], axis=1, dtype=np.int16) > 0)
