"""First events under hazards that change with age.

A hazard is constant within a year of age. The event comes where the cumulative hazard, counted from
the day on which the clock starts, reaches a draw from the standard exponential distribution: exact
inversion, so a person's event depends on one number alone.
"""

import numpy as np
import numpy.typing as npt

from visitseq.simulate.parameters import NEVER, Disease

Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

DAYS_A_YEAR = 365.25
#: Ages (days since birth) at which the hazards change: every birthday from 20 to 100.
AGE_EDGES: Float = DAYS_A_YEAR * np.arange(20, 101, dtype=np.float64)


def log_hazard(
    disease: Disease, birth: Int, female: Bool, onset: dict[str, Int], edges: Float = AGE_EDGES
) -> Float:
    """Log hazard a year in each year of age from 20 to 99, shape (persons, years).

    ``onset`` holds the day on which each cause began, shape (persons,); its effect begins with the
    next birthday. ``edges`` are the birthdays (days since birth) between which the hazards hold,
    shape (years + 1,) or (persons, years + 1).
    """
    decades = (edges[..., :-1] / DAYS_A_YEAR - 60) / 10
    person = np.log(disease.rate) + disease.female * female
    result: Float = disease.growth * decades + person[:, None]
    for cause, effect in disease.causes.items():
        began = (onset[cause] - birth)[:, None] <= edges[..., :-1]
        result += effect * began
    return result


def first_event(
    log_hazards: Float, birth: Int, clock_start: Int, threshold: Float, edges: Float = AGE_EDGES
) -> Int:
    """Day of each person's first event, ``NEVER`` where none comes before the last of ``edges``.

    Parameters
    ----------
    log_hazards
        Log hazard a year in each year of age, shape (persons, years).
    birth, clock_start
        Day of birth and the day from which the hazard counts, shape (persons,).
    threshold
        Draws from the standard exponential distribution, shape (persons,).
    edges
        Birthdays between which the hazards hold, as in :func:`log_hazard`.
    """
    start = (clock_start - birth)[:, None].astype(np.float64)
    begins = np.maximum(edges[..., :-1], start)
    years = np.maximum(edges[..., 1:] - begins, 0.0) / DAYS_A_YEAR
    grown = np.exp(log_hazards) * years
    cumulative = np.cumsum(grown, axis=1)
    step = (cumulative < threshold[:, None]).sum(axis=1)
    happens = step < cumulative.shape[1]
    at = np.minimum(step, cumulative.shape[1] - 1)
    row = np.arange(len(at))
    left = threshold - (cumulative[row, at] - grown[row, at])
    hazard = np.exp(log_hazards[row, at])
    age = np.floor(begins[row, at] + np.where(happens, left / hazard * DAYS_A_YEAR, 0.0))
    return np.where(happens, birth + age.astype(np.int64), NEVER)


def cumulative_hazard(
    log_hazards: Float, birth: Int, since: Int, until: Int, edges: Float
) -> Float:
    """Integral of each person's hazard from the day ``since`` to ``until``, shape (persons,)."""
    begins = np.maximum(edges[..., :-1], (since - birth)[:, None])
    ends = np.minimum(edges[..., 1:], (until - birth)[:, None])
    years = np.maximum(ends - begins, 0.0) / DAYS_A_YEAR
    total: Float = (np.exp(log_hazards) * years).sum(axis=1)
    return total


def edges_around(birth: Int, since: Int, until: Int) -> Float:
    """Birthdays that bound the years of age from one day to another, (persons, years + 1).

    Where few years are wanted they save most of the work of ``AGE_EDGES``, and change nothing.
    """
    youngest, oldest = AGE_EDGES[0], AGE_EDGES[-1]
    first = np.clip(np.floor((since - birth) / DAYS_A_YEAR) * DAYS_A_YEAR, youngest, oldest)
    years = int(np.max((until - since) / DAYS_A_YEAR, initial=0.0)) + 2
    edges: Float = np.minimum(first[:, None] + DAYS_A_YEAR * np.arange(years + 1), oldest)
    return edges
