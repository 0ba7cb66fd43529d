"""From the tables of stage 1 to the arrays of :class:`visitseq.cohort.records.Records`.

The visits are merged and searched for qualifying codes a block of persons at a time; what is kept
of them is the first day of each.
"""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.care_sites import commonest_sites
from visitseq.cohort.day_lists import NEVER, DayLists, Ints
from visitseq.cohort.event_blocks import event_blocks
from visitseq.cohort.parts import assign_parts
from visitseq.cohort.phenotype import Phenotype, register_phenotype
from visitseq.cohort.qualifying_runs import first_runs
from visitseq.cohort.qualifying_visits import qualifying_visits
from visitseq.cohort.records import UNKNOWN, Records, fixed_sites
from visitseq.cohort.visits import visit_blocks
from visitseq.cohort.windows import months_to_days
from visitseq.engine import connect

logger = logging.getLogger(__name__)

_SITE = "care_site/"  # what the code of a care site begins with


def read_records(
    *,
    events: Path,
    persons: Path,
    observation_periods: Path,
    codes: Path,
    phenotype: Phenotype,
    qualifying_encounters: int,
    qualifying_months: float,
    care_sites: bool,
    seed: int,
    parts: int,
) -> Records:
    """Read a site's persons with their visits, qualifying runs, observed time and care sites.

    Parameters
    ----------
    events, persons, observation_periods, codes
        The tables of stage 1. Where the site has no observation periods, a person counts as
        observed from the first event on.
    phenotype
        What a qualifying code is.
    qualifying_encounters, qualifying_months
        How many visits make a qualifying run, and within which time.
    care_sites
        Whether care sites are needed; otherwise they are not read.
    seed, parts
        The seed of the run and the number of parts of the site.
    """
    table = pq.read_table(persons).sort_by("subject_id")
    subject_id = _integers(table["subject_id"])
    visits, qualifying = _read_visits(events, subject_id, pq.read_table(codes), phenotype)
    period_starts, period_ends = _observed(observation_periods, table, subject_id)
    site_changes, sites = _sites(events, table, subject_id) if care_sites else _no_sites(subject_id)
    every, within_days = 1, months_to_days(qualifying_months)
    return Records(
        subject_id=subject_id,
        part=assign_parts(subject_id, seed, parts),
        sex=_integers(table["sex"], UNKNOWN),
        birth=_days(table["birth_date"], NEVER),
        death=_days(table["death_date"], NEVER),
        first_qualifying=first_runs(*qualifying, every, 0, len(subject_id)),
        run_start=first_runs(*qualifying, qualifying_encounters, within_days, len(subject_id)),
        visits=visits,
        period_starts=period_starts,
        period_ends=period_ends,
        site_changes=site_changes,
        sites=sites,
    )


def _read_visits(
    events: Path, subject_id: Ints, codes: pa.Table, phenotype: Phenotype
) -> tuple[DayLists, tuple[Ints, Ints]]:
    """First days of each person's visits; person (row) and day of those with a qualifying code."""
    lengths, open_ended = np.zeros(len(subject_id), dtype=np.int64), 0
    days, rows, qualifying = ([np.array([], dtype)] for dtype in (np.int32, np.int64, np.int64))
    with connect() as connection:
        register_phenotype(connection, phenotype, codes)
        for block in visit_blocks(events):
            visits, qualifies = block.visits, qualifying_visits(connection, block)
            persons, counts = np.unique(visits.subject_id, return_counts=True)
            lengths[_rows_of(persons, subject_id)] = counts
            days.append(visits.first_day.astype(np.int32))
            rows.append(_rows_of(visits.subject_id[qualifies], subject_id))
            qualifying.append(visits.first_day[qualifies])
            open_ended += visits.open_ended
    visit_days, qualifying_days = np.concatenate(days), np.concatenate(qualifying)
    logger.info(
        "%d visits with an event (those without a visit id by day, overlapping ones joined), %d of "
        "them with a qualifying code; %d open-ended visit ids grouped nothing",
        len(visit_days),
        len(qualifying_days),
        open_ended,
    )
    lists = DayLists.from_lengths(lengths, visit_days)
    return lists, (np.concatenate(rows), qualifying_days)


def _observed(path: Path, persons: pa.Table, subject_id: Ints) -> tuple[DayLists, Ints]:
    """First days of each person's observation periods, and the last day of each."""
    periods = pq.read_table(path).sort_by([("subject_id", "ascending"), ("start", "ascending")])
    if len(periods):
        rows = _rows_of(_integers(periods["subject_id"]), subject_id)
        starts, ends = _days(periods["start"]), _days(periods["end"])
    else:
        logger.info("the site has no observation periods: observed from the first event on")
        first = _days(persons["first_event"], NEVER)
        rows = np.flatnonzero(first < NEVER)
        starts, ends = first[rows], np.full(len(rows), NEVER, dtype=np.int64)
    return DayLists.from_pairs(rows, starts, len(subject_id)), ends


def _sites(events: Path, persons: pa.Table, subject_id: Ints) -> tuple[DayLists, Ints]:
    """Days from which a person has a care site, and the sites: the own one, else the commonest."""
    own = _integers(persons["care_site"], UNKNOWN)
    known = np.flatnonzero(own != UNKNOWN)
    changes = [fixed_sites(known, own[known])]
    for block in event_blocks(events, subject_id[own == UNKNOWN]):
        subjects, *site_days = _site_days(block)
        changes.append(commonest_sites(_rows_of(subjects, subject_id), *site_days))
    row, day, site = (np.concatenate(columns) for columns in zip(*changes, strict=True))
    order = np.lexsort((day, row))
    return DayLists.from_pairs(row[order], day[order], len(subject_id)), site[order]


def _site_days(events: pa.Table) -> list[Ints]:
    """Person, day, care site and number of visits there that day, sorted by the first three."""
    code = events["code"].combine_chunks()
    names = code.dictionary.to_pylist()
    sites = [int(name.split("/")[1]) if name.startswith(_SITE) else UNKNOWN for name in names]
    site = np.array([*sites, UNKNOWN], np.int64)[code.indices.fill_null(len(names)).to_numpy()]
    is_visit = (site != UNKNOWN) & events["time"].is_valid().to_numpy()
    visits = events.filter(pa.array(is_visit))
    keys = {"subject_id": visits["subject_id"], "day": _days(visits["time"])}
    table = pa.table({**keys, "site": site[is_visit]})
    counted = table.group_by(table.column_names, use_threads=False).aggregate([([], "count_all")])
    counted = counted.sort_by([(name, "ascending") for name in table.column_names])
    return [_integers(counted[name]) for name in (*table.column_names, "count_all")]


def _no_sites(subject_id: Ints) -> tuple[DayLists, Ints]:
    nothing = np.array([], dtype=np.int64)
    return DayLists.from_pairs(nothing, nothing, len(subject_id)), nothing


def _rows_of(subjects: Ints, subject_id: Ints) -> Ints:
    """Rows of ``subjects`` among the sorted ``subject_id``, all of which have to be there."""
    subjects = np.asarray(subjects, dtype=np.int64)
    rows = np.searchsorted(subject_id, subjects)
    if np.any(rows == np.searchsorted(subject_id, subjects, side="right")):
        raise ValueError("a table of stage 1 names persons that persons.parquet does not hold")
    return rows


def _integers(column: pa.ChunkedArray, missing: int | None = None) -> Ints:
    filled = column if missing is None else column.cast(pa.int64()).fill_null(missing)
    return np.asarray(filled.to_numpy(), dtype=np.int64)


def _days(column: pa.ChunkedArray, missing: int | None = None) -> Ints:
    """Days since 1970-01-01 of dates or times; ``missing`` stands for null."""
    days = column.to_numpy().astype("datetime64[D]")
    known = ~np.isnat(days)
    if missing is None and not known.all():
        raise ValueError("a date that stage 1 promises is null")
    return np.where(known, days.astype(np.int64), 0 if missing is None else missing)
