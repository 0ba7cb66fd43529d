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


def log_hazard(disease: Disease, birth: Int, female: Bool, onset: dict[str, Int]) -> Float:
    """Log hazard a year in each year of age from 20 to 99, shape (persons, years).

    ``onset`` holds the day on which each cause began, shape (persons,); its effect begins with the
    next birthday.
    """
    decades = (AGE_EDGES[:-1] / DAYS_A_YEAR - 60) / 10
    person = np.log(disease.rate) + disease.female * female
    result: Float = disease.growth * decades + person[:, None]
    for cause, effect in disease.causes.items():
        began = (onset[cause] - birth)[:, None] <= AGE_EDGES[:-1]
        result += effect * began
    return result


def first_event(log_hazards: Float, birth: Int, clock_start: Int, threshold: Float) -> Int:
    """Day of each person's first event, ``NEVER`` where none comes before age 100.

    Parameters
    ----------
    log_hazards
        Log hazard a year in each year of age, shape (persons, years).
    birth, clock_start
        Day of birth and the day from which the hazard counts, shape (persons,).
    threshold
        Draws from the standard exponential distribution, shape (persons,).
    """
    start = (clock_start - birth)[:, None].astype(np.float64)
    begins = np.maximum(AGE_EDGES[:-1], start)
    years = np.maximum(AGE_EDGES[1:] - begins, 0.0) / DAYS_A_YEAR
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
