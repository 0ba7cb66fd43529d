"""First events under hazards that change with age.

Time is cut into half-years of age, and a hazard is constant within one. The event comes where the
cumulative hazard, counted from the day on which the clock starts, reaches a draw from the standard
exponential distribution: exact inversion, so a person's event depends on one number alone.
"""

import numpy as np
import numpy.typing as npt

from visitseq.simulate.parameters import NEVER, Disease

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

STEP_YEARS = 0.5
DAYS_A_YEAR = 365.25
#: Ages (days since birth) at which the hazards change: every half-year from 20 to 100.
AGE_EDGES: Float = np.arange(20, 100 + STEP_YEARS, STEP_YEARS) * DAYS_A_YEAR


def log_hazard(
    disease: Disease, birth: Int, female: Bool, liability: Float, onset: dict[str, Int]
) -> Float:
    """Log hazard a year in each half-year of age, shape (persons, half-years).

    ``onset`` holds the day on which each cause began, shape (persons,); its effect begins with the
    first half-year that starts no earlier.
    """
    decades = (AGE_EDGES[:-1] / DAYS_A_YEAR - 60) / 10
    person = disease.female * female + disease.frailty * liability
    result: Float = np.log(disease.rate) + disease.growth * decades + person[:, None]
    for cause, effect in disease.causes.items():
        began = (onset[cause] - birth)[:, None] <= AGE_EDGES[:-1]
        result += effect * began
    return result


def first_event(log_hazards: Float, birth: Int, clock_start: Int, threshold: Float) -> Int:
    """Day of each person's first event, ``NEVER`` where none comes before age 100.

    Parameters
    ----------
    log_hazards
        Log hazard a year in each half-year of age, shape (persons, half-years).
    birth, clock_start
        Day of birth and the day from which the hazard counts, shape (persons,).
    threshold
        Draws from the standard exponential distribution, shape (persons,).
    """
    start = (clock_start - birth)[:, None].astype(np.float64)
    begins = np.maximum(AGE_EDGES[:-1], start)
    years = np.maximum(AGE_EDGES[1:] - begins, 0.0) / DAYS_A_YEAR
    hazards = np.exp(log_hazards)
    cumulative = np.cumsum(hazards * years, axis=1)
    step = (cumulative < threshold[:, None]).sum(axis=1)
    happens = step < cumulative.shape[1]
    at = np.minimum(step, cumulative.shape[1] - 1)[:, None]
    left = threshold - np.take_along_axis(cumulative - hazards * years, at, axis=1)[:, 0]
    wait = left / np.take_along_axis(hazards, at, axis=1)[:, 0] * DAYS_A_YEAR
    age = np.floor(np.take_along_axis(begins, at, axis=1)[:, 0] + np.where(happens, wait, 0.0))
    return np.where(happens, birth + age.astype(np.int64), NEVER)
