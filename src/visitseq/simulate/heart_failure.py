"""The hazard of a diagnosis of heart failure: a function of age, sex and the recorded history.

In tick k (14 days), from the record of the 39 ticks (18 months) before it and nothing else,

    log hazard a year = INTERCEPT(d) + GROWTH (age - 60) / 10 + FEMALE [female]
                        + sqrt(1 - d) counts + sqrt(d) order (+ the hospital's own shift)
    counts = sum over codes c of COUNTS[c] log(1 + min(n_c, MOST))
    order  = sum over pairs (a, b) of ORDER[a, b] s_ab + sum over signs c of RECENCY[c] r_c

n_c is in how many visits c was written down; s_ab is +1 where the last b came after the last a, -1
where it came before, 0 where one of them is absent or both came in one tick; r_c is +1 where the
last c lies within 6 ticks, -1 where it is older, 0 where there is none. d is the dial
``order_effect``: at 0 the hazard depends on counts alone, at 1 on order and timing alone.

The codes are those that the paper found in the records of its true positives (JAMIA 2017, table 4:
atrial fibrillation, hypertension, diabetes, kidney disease, anemia, coronary disease, edema,
chronic airway obstruction) with infarction, dyspnea, fatigue, obesity and loop diuretics. The
effects are hazard ratios of the usual size (1.3 to 3 for a disease that three visits write down),
and both ends of the dial spread the hazard about as widely, so with the roots all of it does; the
intercept keeps the share of heart failure at the paper's 1.6%.
"""

import numpy as np
import numpy.typing as npt

from visitseq.simulate.hazard import DAYS_A_YEAR, Float, Float32, Int
from visitseq.simulate.parameters import NEVER, RECENT_TICKS, TICK_DAYS, TICKS
from visitseq.simulate.persons import Persons
from visitseq.simulate.ticks import TICK_START

#: How far back the hazard looks.
WINDOW_TICKS = 39

GROWTH = 0.45
FEMALE = -0.2
#: The intercept at some settings of the dial, with straight lines between them.
INTERCEPT = ((0.0, 0.25, 0.5, 0.75, 1.0), (-7.31, -7.15, -7.1, -6.98, -6.41))
#: More visits than this with a code tell no more than this many.
MOST = 3
COUNTS: dict[str, float] = {
    "obesity": 0.2,
    "hypertension": 0.25,
    "diabetes": 0.35,
    "ckd": 0.45,
    "coronary": 0.4,
    "infarction": 0.6,
    "atrial_fibrillation": 0.5,
    "copd": 0.35,
    "anemia": 0.3,
    "edema": 0.7,
    "dyspnea": 0.7,
    "fatigue": 0.3,
    "furosemide": 0.6,
}
ORDER: dict[tuple[str, str], float] = {
    ("obesity", "hypertension"): 0.8,
    ("hypertension", "diabetes"): 0.8,
    ("hypertension", "coronary"): 1.0,
    ("hypertension", "edema"): 1.3,
    ("diabetes", "dyspnea"): 1.3,
    ("coronary", "atrial_fibrillation"): 1.0,
    ("atrial_fibrillation", "dyspnea"): 1.3,
    ("copd", "edema"): 1.0,
    ("edema", "furosemide"): 1.2,
    ("ckd", "anemia"): 1.0,
}
RECENCY: dict[str, float] = {"edema": 1.0, "dyspnea": 1.0}

HAZARD_CODES = tuple(COUNTS)
Hits = npt.NDArray[np.int16]
#: The last tick with a code where there is none.
ABSENT = np.int16(-9999)


def intercept(order_effect: float) -> float:
    """Log hazard a year of a man of 60 without any of the codes."""
    return float(np.interp(order_effect, *INTERCEPT))


def count_hits(person: Int, tick: Int, group: Int, shape: tuple[int, int]) -> Hits:
    """In how many visits of each tick each of the ``HAZARD_CODES`` stands.

    Parameters
    ----------
    person, tick, group
        Of each visit and code, ``group`` being the code's place in ``HAZARD_CODES``.
    shape
        (persons, ticks).

    Returns
    -------
    numpy.ndarray
        Shape (codes, persons, ticks).
    """
    cells = shape[0] * shape[1]
    at = person * shape[1] + tick
    hits = np.empty((len(HAZARD_CODES), *shape), dtype=np.int16)
    for number in range(len(HAZARD_CODES)):
        chosen = at[group == number]
        hits[number] = np.bincount(chosen, minlength=cells).reshape(shape)
    return hits


def log_hazards(persons: Persons, hits: Hits, order_effect: float) -> Float32:
    """Log hazard a year in each tick, shape (persons, ticks)."""
    return history_effect(hits, order_effect) + personal_effect(persons, order_effect)


def personal_effect(persons: Persons, order_effect: float, ticks: int = TICKS) -> Float32:
    """What age and sex contribute in each tick, with the intercept, shape (persons, ticks)."""
    age = persons.age(TICK_START[None, :ticks]).astype(np.float32)
    fixed = intercept(order_effect) + FEMALE * persons.female
    result: Float32 = (GROWTH / 10) * (age - 60) + fixed.astype(np.float32)[:, None]
    return result


def history_effect(hits: Hits, order_effect: float) -> Float32:
    """What the recorded history contributes in each tick, shape (persons, ticks)."""
    ticks = np.arange(hits.shape[-1], dtype=np.int16)
    return window_effect(windowed_counts(hits), last_ticks(hits, ticks), ticks, order_effect)


def window_effect(counts: Hits, last: Hits, ticks: Hits, order_effect: float) -> Float32:
    """What a window's counts and last ticks contribute in each of ``ticks``, (persons, ticks)."""
    effect = np.zeros(counts.shape[1:], dtype=np.float32)
    if order_effect < 1:
        for number, weight in enumerate(COUNTS.values()):
            effect += _log_count(counts[number], (1 - order_effect) ** 0.5 * weight)
    if order_effect > 0:
        effect += np.float32(order_effect**0.5) * _order_effect(last, ticks)
    return effect


def windowed_counts(hits: Hits) -> Hits:
    """Visits in the ``WINDOW_TICKS`` before each tick, same shape as ``hits``."""
    before = np.zeros((*hits.shape[:-1], hits.shape[-1] + 1), dtype=np.int16)
    np.cumsum(hits, axis=-1, out=before[..., 1:])
    counts = before[..., :-1].copy()
    counts[..., WINDOW_TICKS:] -= before[..., : -1 - WINDOW_TICKS]
    return counts


def last_ticks(hits: Hits, ticks: Hits) -> Hits:
    """Last tick with a hit in the ``WINDOW_TICKS`` before each tick; ``ABSENT`` without one.

    ``ticks`` numbers the columns of ``hits``; the result has the shape of ``hits``.
    """
    last = np.full(hits.shape, ABSENT)
    seen = np.where(hits > 0, ticks, ABSENT)
    last[..., 1:] = np.maximum.accumulate(seen, axis=-1)[..., :-1]
    last[last < ticks - WINDOW_TICKS] = ABSENT
    return last


def draw_diagnosis(log_hazard: Float32, persons: Persons, last: Int, threshold: Float) -> Int:
    """Day of each person's diagnosis, ``NEVER`` where none comes up to the day ``last``.

    The clock starts with the record; ``threshold`` holds draws from the standard exponential
    distribution, shape (persons,).
    """
    begins = np.maximum(TICK_START[None, :], persons.entry[:, None])
    days = np.maximum(TICK_START[None, :] + TICK_DAYS - begins, 0)
    grown = np.exp(log_hazard.astype(np.float64)) * (days / DAYS_A_YEAR)
    cumulative = np.cumsum(grown, axis=1)
    tick = (cumulative < threshold[:, None]).sum(axis=1)
    row, at = np.arange(len(tick)), np.minimum(tick, TICKS - 1)
    left = threshold - (cumulative[row, at] - grown[row, at])
    with np.errstate(divide="ignore", invalid="ignore"):
        wait = np.where(tick < TICKS, left / grown[row, at] * days[row, at], 0)
    day = begins[row, at] + np.floor(wait).astype(np.int64)
    return np.where((tick < TICKS) & (day <= last), day, NEVER)


def _log_count(counts: Hits, weight: float) -> Float32:
    table = np.float32(weight) * np.log1p(np.arange(MOST + 1), dtype=np.float32)
    return table[np.minimum(counts, MOST)]


def _order_effect(last: Hits, ticks: Hits) -> Float32:
    of_code = dict(zip(HAZARD_CODES, last, strict=True))
    effect = np.zeros(last.shape[1:], dtype=np.float32)
    for (before, after), weight in ORDER.items():
        both = (of_code[before] > ABSENT) & (of_code[after] > ABSENT)
        effect += np.float32(weight) * (np.sign(of_code[after] - of_code[before]) * both)
    for name, weight in RECENCY.items():
        recent = np.where(of_code[name] >= ticks - RECENT_TICKS, 1, -1) * (of_code[name] > ABSENT)
        effect += np.float32(weight) * recent
    return effect
