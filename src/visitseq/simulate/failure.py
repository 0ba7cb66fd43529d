"""Heart failure once it is diagnosed: its visits and its codes.

The diagnosis makes a visit of its own, three planned visits follow, and others come at rates that
don't depend on how readily the person attends, so that completing the run of three qualifying
visits tells nothing of the history before.
"""

import numpy as np

from visitseq.simulate.attendance import Stops, join_stops
from visitseq.simulate.hazard import Bool, Float32, Int
from visitseq.simulate.parameters import (
    AFTER_DIAGNOSIS,
    FOUND_IN_HOSPITAL,
    INPATIENT,
    NEVER,
    OUTPATIENT,
    PLANNED_VISITS,
    SYSTOLIC_SHARE,
)
from visitseq.simulate.persons import Persons
from visitseq.simulate.ticks import TICK_START, draw_days


def diagnosis_stops(diagnosis: Int, rng: np.random.Generator) -> Stops:
    """The visit at which each person's heart failure is found."""
    ill = np.flatnonzero(diagnosis < NEVER)
    admitted = rng.random(len(ill)) < FOUND_IN_HOSPITAL
    return Stops(ill, diagnosis[ill], np.where(admitted, INPATIENT, OUTPATIENT))


def planned_stops(diagnosis: Int, rng: np.random.Generator) -> Stops:
    """The planned visits after each diagnosis."""
    ill = np.flatnonzero(diagnosis < NEVER)
    days = [diagnosis[ill] + rng.integers(first, last, len(ill)) for first, last in PLANNED_VISITS]
    person = np.tile(ill, len(days))
    return Stops(person, np.concatenate(days), np.full(len(person), OUTPATIENT))


def further_stops(diagnosis: Int, rng: np.random.Generator) -> Stops:
    """The other visits that heart failure brings."""
    ill = np.flatnonzero(diagnosis < NEVER)
    since: Bool = TICK_START[None, :] > diagnosis[ill, None]
    parts = []
    for kind, visits in enumerate(AFTER_DIAGNOSIS):
        rate: Float32 = np.float32(visits) * since
        person, day = draw_days(rate.astype(np.float32), rng)
        parts.append(Stops(ill[person], day, np.full(len(day), kind)))
    return join_stops(parts)


def failure_states(
    stops: Stops, planned: Int, persons: Persons, diagnosis: Int, rng: np.random.Generator
) -> dict[str, Int]:
    """Rows of the stops in the states of heart failure; ``planned`` are those of planned visits."""
    coronary = persons.onset["coronary"] <= diagnosis
    systolic = rng.random(len(diagnosis)) < np.where(coronary, *SYSTOLIC_SHARE[::-1])
    after = np.flatnonzero(stops.day > diagnosis[stops.person])
    kind = systolic[stops.person[after]]
    return {
        "diagnosis": np.flatnonzero(stops.day == diagnosis[stops.person]),
        "planned_visit": planned,
        "heart_failure": after,
        "systolic_heart_failure": after[kind],
        "diastolic_heart_failure": after[~kind],
    }
