"""What the cohort needs to know of each person, as arrays with a row a person.

Days are whole days since 1970-01-01. Everything that depends on an index date is a method that
takes the persons' rows and the index day, one for all or one each, so that the same definition
serves cases, candidates and the pool.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from visitseq.cohort.day_lists import BEGINNING, DayLists, Ints
from visitseq.cohort.windows import completed_years

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

#: An unknown sex or care site: a value of its own that no id has.
UNKNOWN = int(np.iinfo(np.int64).min)

DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Records:
    """Persons of a site, shape (persons,) each.

    Parameters
    ----------
    subject_id, part
        Who it is, and the part of the site.
    sex
        Concept id; UNKNOWN where it is null.
    birth, death
        Days; NEVER where they are not known.
    first_qualifying, run_start
        First day of the first visit with a qualifying code, and of the first qualifying run;
        NEVER where there is none.
    visits
        First days of each person's visits.
    period_starts, period_ends
        Observation periods: the first days, and for each of them the last day.
    site_changes, sites
        The days from which (exclusive) a care site is the person's, and for each of them the site.
    """

    subject_id: Ints
    part: npt.NDArray[np.int32]
    sex: Ints
    birth: Ints
    death: Ints
    first_qualifying: Ints
    run_start: Ints
    visits: DayLists
    period_starts: DayLists
    period_ends: Ints
    site_changes: DayLists
    sites: Ints

    def __len__(self) -> int:
        return len(self.subject_id)

    @cached_property
    def first_visit(self) -> Ints:
        """First day of each person's first visit, NEVER without one."""
        return self.visits.first()

    @cached_property
    def last_visit(self) -> Ints:
        """First day of each person's last visit, BEGINNING without one."""
        return self.visits.last()

    def take(self, rows: Ints) -> "Records":
        """Return the persons ``rows``, in that order."""
        periods, period_source = self.period_starts.take(rows)
        changes, change_source = self.site_changes.take(rows)
        return Records(
            subject_id=self.subject_id[rows],
            part=self.part[rows],
            sex=self.sex[rows],
            birth=self.birth[rows],
            death=self.death[rows],
            first_qualifying=self.first_qualifying[rows],
            run_start=self.run_start[rows],
            visits=self.visits.take(rows)[0],
            period_starts=periods,
            period_ends=self.period_ends[period_source],
            site_changes=changes,
            sites=self.sites[change_source],
        )

    def age(self, rows: Ints, day: Ints) -> Ints:
        """Completed years on ``day``; negative where the birth is not known."""
        birth = self.birth[rows].astype("datetime64[D]")
        return completed_years(birth, day.astype("datetime64[D]"))

    def exact_age(self, rows: Ints, day: Ints | int) -> Floats:
        """Years between birth and ``day``, with their fraction."""
        return (day - self.birth[rows]) / DAYS_A_YEAR

    def observed_days(self, rows: Ints, day: Ints | int) -> Ints:
        """Days from the start of the observation period that holds ``day``; -1 where none does."""
        if len(self.period_ends) == 0:
            return np.full(np.broadcast(rows, day).shape, -1, dtype=np.int64)
        position, exists = self.period_starts.last_before(rows, day + 1)
        inside = exists & (self.period_ends[position] >= day)
        return np.where(inside, day - self.period_starts.days[position], -1)

    def observed_until(self, rows: Ints, day: Ints | int) -> Ints:
        """Last day of the observation period that holds ``day``, which has to be observed."""
        position, _ = self.period_starts.last_before(rows, day + 1)
        return self.period_ends[position]

    def visits_within(self, rows: Ints, day: Ints | int, length: int) -> tuple[Ints, Ints]:
        """Visits that begin in the ``length`` days before ``day``: how many, and their span.

        The span is the days from the first of them to the last, 0 where there are fewer than two.
        """
        first = self.visits.position(rows, day - length)
        end = self.visits.position(rows, day)
        count = end - first
        several = count > 1
        span = np.zeros(len(count), dtype=np.int64)
        span[several] = self.visits.days[end[several] - 1] - self.visits.days[first[several]]
        return count, span

    def has_visits(self, rows: Ints, day: Ints | int, length: int, least: int) -> Bools:
        """Whether at least ``least`` visits begin in the ``length`` days before ``day``.

        That is, whether the one that comes ``least`` visits before ``day`` is late enough: half
        the searches of ``visits_within``.
        """
        position = self.visits.position(rows, day) - least
        exists = position >= self.visits.offsets[rows]
        return exists & (self.visits.days[np.where(exists, position, 0)] >= day - length)

    def site_at(self, rows: Ints, day: Ints | int) -> Ints:
        """Each person's care site at ``day``; UNKNOWN where there is none."""
        if len(self.sites) == 0:
            return np.full(np.broadcast(rows, day).shape, UNKNOWN, dtype=np.int64)
        position, exists = self.site_changes.last_before(rows, day)
        return np.where(exists, self.sites[position], UNKNOWN)


def fixed_sites(rows: Ints, sites: Ints) -> tuple[Ints, Ints, Ints]:
    """Site changes (row, day, site) of persons whose care site is their own at all times."""
    return rows, np.full(len(rows), BEGINNING, dtype=np.int64), sites
