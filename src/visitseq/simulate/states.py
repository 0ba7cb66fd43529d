"""In which states a visit finds the person.

The conditions that have begun, the signs that come before heart failure, the visit that diagnoses
it, the heart failure at the visits after that, age, sex, season, intensive care. A state is a
number between 0 and 1 by which the probabilities of its codes are multiplied.
"""

import numpy as np

from visitseq.simulate.attendance import Visits, warning_signs
from visitseq.simulate.hazard import DAYS_A_YEAR, Bool, Float
from visitseq.simulate.parameters import CONDITIONS, INPATIENT, Preset
from visitseq.simulate.persons import Persons


def diagnosis_visits(persons: Persons, visits: Visits) -> Bool:
    """Which visits diagnose heart failure: a person's first that starts when it is due or later."""
    due = np.flatnonzero(visits.day >= persons.due[visits.person])
    _, first = np.unique(visits.person[due], return_index=True)
    result = np.zeros(len(visits.person), dtype=bool)
    result[due[first]] = True
    return result


def visit_states(
    persons: Persons,
    visits: Visits,
    diagnosis: Bool,
    preset: Preset,
    rng: np.random.Generator,
) -> dict[str, Float]:
    """How far each state holds at each visit, between 0 and 1, shape (visits,)."""
    person, day = visits.person, visits.day
    age = (day - persons.birth[person]) / DAYS_A_YEAR
    month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    failing = _after(diagnosis, visits)
    systolic = persons.systolic[person]
    critical = (visits.kind == INPATIENT) & (rng.random(len(person)) < preset.intensive)
    states = {
        **{name: persons.onset[name][person] <= day for name in CONDITIONS},
        "any": np.ones(len(person)),
        "warning": warning_signs(persons, person, day.astype(np.float64)),
        "diagnosis": diagnosis,
        "heart_failure": failing,
        "systolic_heart_failure": failing & systolic,
        "diastolic_heart_failure": failing & ~systolic,
        "women_over_40": persons.female[person] & (age >= 40),
        "over_50": age >= 50,
        "over_65": age >= 65,
        "autumn": month >= 9,
        "intensive_care": critical,
    }
    return {name: state.astype(np.float64) for name, state in states.items()}


def _after(diagnosis: Bool, visits: Visits) -> Bool:
    """Which visits come after the person's diagnosis; a person's visits are in order of time."""
    number = np.arange(len(diagnosis))
    found = np.full(int(visits.person.max(initial=0)) + 1, len(diagnosis))
    found[visits.person[diagnosis]] = number[diagnosis]
    return np.asarray(number > found[visits.person])
