"""The visits of some persons, found in their events a second time and in another way.

What a visit is stands in ``visitseq.cohort.visits``. There SQL finds them; here each person's
events are walked through one by one. Nothing of the cohort's or the encodings' code is called, so
that a mistake in either is not made twice. Which events qualify is the phenotype's own question.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.cohort.phenotype import IS_QUALIFYING, Phenotype, register_phenotype
from visitseq.engine import connect

_DAY = 86_400_000_000  # microseconds
_LONGEST_STAY = 366  # days
#: subject_id, microseconds since 1970, code, visit_id, whether it qualifies
_Event = tuple[int, int, str, int | None, bool]

_EVENTS = f"""
SELECT subject_id, epoch_us(time) AS time, code, visit_id, {IS_QUALIFYING} AS qualifies
FROM read_parquet($events)
WHERE subject_id IN (SELECT id FROM chosen) AND time IS NOT NULL
ORDER BY subject_id, time
"""


@dataclass
class OwnVisit:
    """A visit: its first and last moment (microseconds since 1970), and its codes.

    ``qualifying`` are those of its codes of which an event qualifies.
    """

    start: int
    end: int
    codes: set[str] = field(default_factory=set)
    qualifying: set[str] = field(default_factory=set)

    @property
    def day(self) -> int:
        """First day, days since 1970-01-01."""
        return self.start // _DAY

    def join(self, other: "OwnVisit") -> None:
        """Take in a visit that overlaps this one or shares a day with it."""
        self.end = max(self.end, other.end)
        self.codes |= other.codes
        self.qualifying |= other.qualifying


def own_visits(
    events: Path,
    codes: pa.Table,
    phenotype: Phenotype,
    domains: Sequence[str],
    subjects: npt.NDArray[np.int64],
) -> dict[int, list[OwnVisit]]:
    """Visits of ``subjects``, each person's in the order of time.

    Parameters
    ----------
    events, codes
        File events.parquet and table of codes.parquet.
    phenotype
        Says which codes qualify.
    domains
        Domains whose events make visits.
    subjects
        Persons, shape (persons,).
    """
    with connect() as connection:
        register_phenotype(connection, phenotype, codes)
        connection.register("chosen", pa.table({"id": subjects}))
        found = connection.execute(_EVENTS, {"events": str(events)}).fetchall()
    return {
        subject: _visits(list(own), set(domains)) for subject, own in groupby(found, itemgetter(0))
    }


def first_run(visits: Iterable[OwnVisit], encounters: int, within_days: int) -> int | None:
    """First day of the first qualifying run, days since 1970-01-01; None without one."""
    days = [visit.day for visit in visits if visit.qualifying]
    for place, day in enumerate(days):
        last = place + encounters - 1
        if last < len(days) and days[last] - day <= within_days:
            return day
    return None


def _visits(events: Sequence[_Event], domains: set[str]) -> list[OwnVisit]:
    ends = _recorded_ends(events)
    groups: dict[tuple[str, int], OwnVisit] = {}
    for _, time, code, visit_id, qualifies in events:
        if code.partition("/")[0] not in domains:
            continue
        if visit_id is None or (visit_id in ends and ends[visit_id] is None):
            group = groups.setdefault(("day", time // _DAY), OwnVisit(time, time))
        else:
            end = ends.get(visit_id) or time
            group = groups.setdefault(("visit", visit_id), OwnVisit(time, max(time, end)))
        group.end = max(group.end, time)
        group.codes.add(code)
        if qualifies:
            group.qualifying.add(code)
    visits: list[OwnVisit] = []
    for group in sorted(groups.values(), key=lambda group: group.start):
        if visits and group.day <= visits[-1].end // _DAY:
            visits[-1].join(group)
        else:
            visits.append(group)
    return visits


def _recorded_ends(events: Sequence[_Event]) -> dict[int, int | None]:
    """Recorded end of each visit id that has one; None where the stay is too long to be a visit."""
    began: dict[int, int] = {}
    ended: dict[int, int | None] = {}
    for _, time, code, visit_id, _ in events:
        if visit_id is not None and code.startswith("visit/"):
            began.setdefault(visit_id, time)
        elif visit_id is not None and code.startswith("visit_end/"):
            ended[visit_id] = time  # events are in the order of time: the last one stays
    for visit_id, end in ended.items():
        if end is not None and end // _DAY - began.get(visit_id, end) // _DAY > _LONGEST_STAY:
            ended[visit_id] = None
    return ended
