"""Qualifying runs: when a person comes to have the disease.

A run is k qualifying days, the first days of visits with a qualifying code, of which the last comes
no later than a stated number of days after the first. The person's run starts at the earliest day
that begins one. This holds the restart rule of Choi et al. (JAMIA 2017): where the first two days
lie too far apart, the second becomes the first.
"""

import numpy as np

from visitseq.cohort.day_lists import NEVER, Ints


def first_runs(rows: Ints, days: Ints, encounters: int, within_days: int, persons: int) -> Ints:
    """First day of each person's earliest qualifying run.

    Parameters
    ----------
    rows, days
        Person and first day of each visit with a qualifying code, sorted by both, shape (days,).
    encounters
        How many such visits make a run.
    within_days
        How many days the last of them may begin after the first, this day included.
    persons
        Number of persons.

    Returns
    -------
    start
        Days since 1970-01-01, NEVER for a person without a run, shape (persons,).
    """
    reach = encounters - 1
    first, last = slice(None, max(len(rows) - reach, 0)), slice(reach, None)
    is_run = (rows[first] == rows[last]) & (days[last] - days[first] <= within_days)
    start = np.full(persons, NEVER, dtype=np.int64)
    np.minimum.at(start, rows[first][is_run], days[first][is_run])
    return start
