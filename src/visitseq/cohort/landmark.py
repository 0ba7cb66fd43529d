"""Build a landmark cohort: everybody at risk on each 1 January, and who falls ill within a horizon.

A case-control cohort says how well cases are told from controls. A score is used otherwise: on a
day of the calendar, on everybody who might fall ill (Reps et al., Journal of Big Data 2021,
doi:10.1186/s40537-021-00501-2). So each 1 January is an index date of every person who on that day
is of age, alive, observed, has visits enough, and has had no qualifying run; the label says whether
the first qualifying run begins within the horizon. A person has a row for each such 1 January.

A run of several visits is known by its last one. So a 1 January is used if the horizon, and after
it the months within which a run's visits have to come, end with the site's records or before:
later ones are counted and left out. The records end on the day of the last visit, or with the last
observation period where that is sooner.

What came of a person is in outcomes.parquet: the first of the run's begin, death, the end of the
observation period that holds the index date, and the horizon's end. Of those that fall on the same
day the one that is named first counts. A run that begins after the end of observation is not seen,
and one that begins after death is an error of the records: neither is an onset.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.attrition import Step, attrition_table, describe, number_of
from visitseq.cohort.build import looked_for
from visitseq.cohort.criteria import (
    Check,
    Eligibility,
    age_check,
    birth_check,
    free_check,
    observed_checks,
)
from visitseq.cohort.day_lists import NEVER, Ints
from visitseq.cohort.outcomes import CENSORED, DEATH, FREE, ONSET
from visitseq.cohort.parts import draw_persons
from visitseq.cohort.phenotype import Phenotype, read_phenotype
from visitseq.cohort.read_records import read_records
from visitseq.cohort.records import Bools, Records
from visitseq.cohort.windows import months_to_days
from visitseq.tables import COHORT, OUTCOMES, write_parquet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Landmark(Eligibility):
    """Configuration of a landmark cohort.

    ``horizon_days`` are those, the index date the first of them, in which an onset counts;
    ``recognition_days`` those after it in which the rest of a run may come.
    """

    horizon_days: int
    recognition_days: int

    @classmethod
    def from_configuration(cls, cohort: Mapping[str, Any]) -> "Landmark":
        """Take the criteria from the filled configuration of a cohort of kind landmark."""
        youngest, oldest = cohort["age"]
        several = cohort["qualifying_encounters"] > 1
        return cls(
            age=(youngest, oldest),
            eligibility_days=months_to_days(cohort["eligibility_months"]),
            min_visits=cohort["min_visits"],
            lookback_days=months_to_days(cohort["lookback_months"]),
            horizon_days=months_to_days(cohort["horizon_months"]),
            recognition_days=months_to_days(cohort["qualifying_months"]) if several else 0,
        )


@dataclass
class Flow:
    """What each criterion leaves: index dates of persons (person-years), and persons."""

    persons: int
    criteria: list[str] = field(default_factory=list)
    years: list[int] = field(default_factory=list)
    who: list[Bools] = field(default_factory=list)

    def count(self, number: int, criterion: str, rows: Ints) -> None:
        """Add the ``rows`` that a criterion leaves on one index date to its ``number``."""
        if number == len(self.criteria):
            self.criteria.append(criterion)
            self.years.append(0)
            self.who.append(np.zeros(self.persons, dtype=np.bool_))
        self.years[number] += len(rows)
        self.who[number][rows] = True

    @property
    def steps(self) -> dict[str, list[Step]]:
        """Attrition by person and by person-year."""
        everybody = Step("persons of the site", self.persons)
        counted = list(zip(self.criteria, self.who, self.years, strict=True))
        return {
            "person": [everybody, *(Step(text, int(who.sum())) for text, who, _ in counted)],
            "person-year": [Step(text, years) for text, _, years in counted],
        }


def build_landmark(
    *,
    site: str,
    name: str,
    cohort: Mapping[str, Any],
    phenotype: Path,
    events: Path,
    persons: Path,
    observation_periods: Path,
    codes: Path,
    folder: Path,
    seed: int,
    parts: int,
) -> None:
    """Write cohort.parquet, outcomes.parquet, attrition.csv and onset_before.csv of a cohort.

    onset_before.csv has the person-years that are left out for a run that began before the index
    date and meet all other criteria: days (from the run's begin to the index date), person_years.

    Parameters
    ----------
    site, name
        Names of the site and the cohort, for messages.
    cohort
        The cohort's filled configuration, of kind landmark.
    phenotype
        The phenotype file.
    events, persons, observation_periods, codes
        The site's tables of stage 1.
    folder
        Where the files go.
    seed, parts
        ``run.seed`` and ``run.parts``.

    Raises
    ------
    UserError
        A phenotype file that is not valid.
    """
    disease = read_phenotype(phenotype)
    records = read_records(
        events=events,
        persons=persons,
        observation_periods=observation_periods,
        codes=codes,
        phenotype=disease,
        qualifying_encounters=cohort["qualifying_encounters"],
        qualifying_months=cohort["qualifying_months"],
        care_sites=False,
        seed=seed,
        parts=parts,
    )
    criteria, where = Landmark.from_configuration(cohort), f"Cohort {name} of site {site}"
    rows, index, flow = find_person_years(records, criteria, cohort["persons"], seed)
    at_risk = records.run_start[rows] >= index
    before, rows, index = (index - records.run_start[rows])[~at_risk], rows[at_risk], index[at_risk]
    steps = flow.steps
    logger.info("%s: %s", where, describe(steps["person-year"]))
    outcomes = outcome_table(records, rows, index, criteria.horizon_days)
    onset = outcomes["outcome"].to_numpy() == ONSET
    logger.info("%s: the disease begins within the horizon of %d rows", where, onset.sum())
    if not onset.any():
        logger.warning("%s", _no_onset(where, cohort, disease, pq.read_table(codes)))
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(attrition_table(steps), folder / "attrition.csv")
    _write_csv(_onset_before(before), folder / "onset_before.csv")
    write_parquet(outcomes, folder / "outcomes.parquet")
    write_parquet(_cohort(records, rows, outcomes, onset), folder / "cohort.parquet")


def find_person_years(
    records: Records, criteria: Landmark, persons: int | None, seed: int
) -> tuple[Ints, Ints, Flow]:
    """Find who meets the criteria on which 1 January, but for having no qualifying run yet.

    Whoever has had one is told from the others by ``run_start``, and counted by the last step.

    Parameters
    ----------
    records
        The persons of a site, sorted by subject_id.
    criteria
        The cohort's criteria.
    persons
        How many persons at most, drawn by hash; None for all.
    seed
        Seed of that draw.

    Returns
    -------
    rows, index
        Row of the person and index date, days since 1970-01-01, sorted by both, shape (years,).
    flow
        How many each criterion leaves.
    """
    last_day, flow = last_day_of(records), Flow(len(records))
    checks = [_ended_check(criteria, last_day), birth_check(), age_check(criteria)]
    checks += observed_checks(criteria)
    first_observed = records.period_starts.first()
    found, days = [np.array([], np.int64)], [np.array([], np.int64)]
    for day in _januaries(int(first_observed.min(initial=NEVER)), last_day):
        rows = np.flatnonzero(first_observed <= day)
        flow.count(0, "each 1 January since the person was first observed", rows)
        for number, check in enumerate(checks, start=1):
            rows = rows[check.holds(records, rows, day)]
            flow.count(number, check.criterion, rows)
        found.append(rows)
        days.append(np.full(len(rows), day))
    rows, index = np.concatenate(found), np.concatenate(days)
    if persons is not None:
        drawn = draw_persons(records.subject_id, np.unique(rows), persons, seed)
        rows, index = (values[np.isin(rows, drawn)] for values in (rows, index))
        flow.count(len(flow.criteria), f"drawn, at most {number_of(persons, 'person')}", rows)
    free = free_check(0)
    at_risk = free.holds(records, rows, index)
    flow.count(len(flow.criteria), free.criterion, rows[at_risk])
    order = np.lexsort((index, rows))
    return rows[order], index[order], flow


def last_day_of(records: Records) -> int:
    """Last day of a site's records: of the last visit, or of all observation if that is sooner."""
    ends = records.period_ends[records.period_ends < NEVER]
    observed = int(ends.max()) if len(ends) else NEVER
    return min(int(records.last_visit.max(initial=-NEVER)), observed)


def outcome_table(records: Records, rows: Ints, index: Ints, horizon_days: int) -> pa.Table:
    """What came of each person (row) within so many days of its index date.

    Returns
    -------
    pyarrow.Table
        Schema ``tables.OUTCOMES``. Somebody who is observed on the horizon's last day, and neither
        falls ill nor dies until then, is free.
    """
    until = records.observed_until(rows, index)
    censored = np.where(until - index >= horizon_days - 1, horizon_days, until - index)
    days = np.stack([records.run_start[rows] - index, records.death[rows] - index, censored])
    first = days.argmin(axis=0)  # of the same day the first
    least = np.minimum(days.min(axis=0), horizon_days)
    happened = np.array([ONSET, DEATH, CENSORED])[first]
    columns = {
        "subject_id": records.subject_id[rows],
        "index_time": index.astype("datetime64[D]").astype("datetime64[us]"),
        "days": least,
        "outcome": np.where(least < horizon_days, happened, FREE),
    }
    return pa.table(columns).cast(OUTCOMES)


def _ended_check(criteria: Landmark, last_day: int) -> Check:
    """Check that the horizon ends within the records, and what has to be seen of a run after it."""
    needed = criteria.horizon_days + criteria.recognition_days

    def ended(records: Records, rows: Ints, day: Ints | int) -> Bools:
        return np.broadcast_to(day + needed <= last_day + 1, rows.shape)

    return Check(f"the site's records go on for {needed} days (horizon and a run's visits)", ended)


def _januaries(first_day: int, last_day: int) -> Iterator[int]:
    """Each 1 January from the first day on to the last, days since 1970-01-01."""
    if first_day > last_day:
        return
    first, last = np.array([first_day, last_day]).astype("datetime64[D]").astype("datetime64[Y]")
    days = np.arange(first, last + 1).astype("datetime64[D]").astype(np.int64)
    yield from days[days >= first_day].tolist()


def _onset_before(days: Ints) -> pd.DataFrame:
    """How many person-years have a run that began so many days before."""
    values, counts = np.unique(days, return_counts=True)
    return pd.DataFrame({"days": values, "person_years": counts})


def _cohort(records: Records, rows: Ints, outcomes: pa.Table, onset: Bools) -> pa.Table:
    columns = {
        "set_id": pa.nulls(len(rows), pa.int64()),
        "subject_id": outcomes["subject_id"],
        "index_time": outcomes["index_time"],
        "label": onset,
        "part": records.part[rows],
    }
    return pa.table(columns).cast(COHORT)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _no_onset(where: str, cohort: Mapping[str, Any], phenotype: Phenotype, codes: pa.Table) -> str:
    months = number_of(cohort["horizon_months"], "month")
    return (
        f"{where} has nobody who falls ill within {months} of a 1 January, so that no model can be "
        f"trained on it, nor judged. {looked_for(cohort, phenotype, codes)} Lower "
        "qualifying_encounters, raise horizon_months or persons, or choose another phenotype."
    )
