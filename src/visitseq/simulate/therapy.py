"""Which drug a person is on: therapies that start, escalate and stop.

``visitseq/data/simulator_therapies.csv`` has a row for each step of a therapy: the condition it
treats, the step before it (empty for the first), the share of persons who ever take the step, the
mean days until they do (from the onset of the condition, or from the start of the step before), the
mean days until it is stopped for good (empty: never), the condition that stops it, and how often a
visit of each kind writes the drug down. A step ends the one before it. Who takes which step is
drawn once a person; nothing of it feeds back on the person's diseases.
"""

from dataclasses import dataclass

import numpy as np

from visitseq.code_tables import read_rows
from visitseq.simulate.attendance import Stops
from visitseq.simulate.hazard import Int
from visitseq.simulate.parameters import NEVER
from visitseq.simulate.persons import Persons


@dataclass(frozen=True)
class Course:
    """One step of a therapy in a block of persons: first day and day of the end, (persons,)."""

    name: str
    start: Int
    end: Int

    def rows(self, stops: Stops) -> Int:
        """Rows of the stops at which their person is on this step."""
        start, end = self.start[stops.person], self.end[stops.person]
        return np.flatnonzero((start <= stops.day) & (stops.day < end))


def draw_courses(persons: Persons, rng: np.random.Generator) -> list[Course]:
    """Draw who takes which step of which therapy, and when."""
    courses: dict[str, Course] = {}
    for row in read_rows("simulator_therapies.csv"):
        before = courses.get(row["after"])
        since = persons.onset[row["condition"]] if before is None else before.start
        taken = (rng.random(len(persons)) < float(row["share"])) & (since < NEVER)
        start = _later(since, float(row["delay_days"]), rng)
        if before is not None:
            taken &= start < before.end
            before.end[taken] = start[taken]
        end = np.full(len(persons), NEVER)
        if row["stop_days"]:
            end = _later(start, float(row["stop_days"]), rng)
        if row["stopped_by"]:
            end = np.minimum(end, persons.onset[row["stopped_by"]])
        start = np.where(taken, start, NEVER)
        courses[row["step"]] = Course(row["step"], start, np.maximum(end, start))
    return list(courses.values())


def _later(since: Int, mean_days: float, rng: np.random.Generator) -> Int:
    """Days that follow ``since`` by an exponential wait; ``NEVER`` stays so."""
    wait = np.floor(rng.exponential(mean_days, len(since))).astype(np.int64)
    later: Int = np.minimum(since + wait, NEVER)
    return later
