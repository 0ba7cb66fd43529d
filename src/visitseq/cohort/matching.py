"""Matching: each case's controls, drawn from its risk set.

The site is worked through part by part, since a case's controls come from its own part: neither a
person nor a matched set straddles parts. In each part the risk sets are found (risk_sets.py), then
controls are selected from them:

- random: a random draw from the risk set (risk-set sampling);
- nearest: the smallest distances;
- optimal: the smallest total distance (assignment.py); with reuse no case stands in another's way,
  so that it is the same as nearest.

The distance of two persons is Euclidean over their age and the date of their first visit, and over
the visits and their span in the eligibility window where a caliper is declared on these, each
divided by its standard deviation over the part's cases (by 1 where that is 0).
"""

import logging
from dataclasses import dataclass

import numpy as np

from visitseq.cohort.attrition import Step
from visitseq.cohort.criteria import Criteria
from visitseq.cohort.day_lists import Ints, Rows
from visitseq.cohort.records import Bools, Floats, Records
from visitseq.cohort.risk_sets import find_risk_sets, pool_order
from visitseq.cohort.selection import random_preference, take_first, take_in_rounds

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Matches:
    """Matched pairs of a site, as rows of its records.

    Parameters
    ----------
    case, control
        The pairs, sorted by the subject_id of case and control, shape (pairs,).
    distance, n_eligible, n_sampled
        For each pair: distance, size of the case's whole risk set, controls drawn for the case.
    steps
        Attrition of the controls.
    """

    case: Ints
    control: Ints
    distance: Floats
    n_eligible: Ints
    n_sampled: Ints
    steps: list[Step]


def match_cases(records: Records, cases: Ints, criteria: Criteria, seed: int) -> Matches:
    """Draw each case's controls.

    Parameters
    ----------
    records
        The persons of a site, sorted by subject_id.
    cases
        Rows of the cases, shape (cases,).
    criteria
        The cohort's criteria.
    seed
        Seed of the random draws.

    Raises
    ------
    UserError
        Optimal matching that would not fit in memory.
    """
    found = []
    for part in np.unique(records.part[cases]):
        rows = pool_order(records, np.flatnonzero(records.part == part), criteria)
        found.append(_match_part(records, rows, np.isin(rows, cases), criteria, seed))
    pairs, steps = [pairs for pairs, _ in found], [steps for _, steps in found]
    case, control, distance, n_eligible, n_sampled = map(np.concatenate, zip(*pairs, strict=True))
    order = np.lexsort((records.subject_id[control], records.subject_id[case]))
    matches = Matches(
        case=case[order],
        control=control[order],
        distance=distance[order],
        n_eligible=n_eligible[order],
        n_sampled=n_sampled[order],
        steps=_site_steps(len(records), steps, len(np.unique(control))),
    )
    logger.info(
        "%d of %d cases matched to %d controls in %d pairs",
        len(np.unique(case)),
        len(cases),
        len(np.unique(control)),
        len(case),
    )
    return matches


def _match_part(
    records: Records,
    rows: Ints,
    is_case: Bools,
    criteria: Criteria,
    seed: int,
) -> tuple[tuple[Ints, Ints, Floats, Ints, Ints], list[Step]]:
    """Match the cases of one part, whose persons are ``rows`` in the order of the pool."""
    pool = records.take(rows)
    cases = np.flatnonzero(is_case)
    eligible, steps = find_risk_sets(pool, cases, criteria)
    drawn = _select(pool, cases, eligible, criteria, seed)
    sampled = np.array([len(controls) for controls in drawn], dtype=np.int64)
    in_risk_set = np.array([len(controls) for controls in eligible], dtype=np.int64)
    case = np.repeat(cases, sampled)
    control = np.concatenate(drawn).astype(np.int64)
    scale = _scale(pool, cases, criteria)
    distance = _distance(pool, case, control, criteria, scale)
    counts = (np.repeat(in_risk_set, sampled), np.repeat(sampled, sampled))
    return (rows[case], rows[control], distance, *counts), steps


def _select(
    pool: Records, cases: Ints, eligible: list[Rows], criteria: Criteria, seed: int
) -> list[Rows]:
    """Select each case's controls by the method of the configuration."""
    subject_ids = pool.subject_id[cases]
    if criteria.method == "random":
        preferences = [
            random_preference(rows, subject_id, seed)
            for rows, subject_id in zip(eligible, subject_ids.tolist(), strict=True)
        ]
    else:
        scale = _scale(pool, cases, criteria)
        distances = [
            _distance(pool, np.full(len(rows), case), rows.astype(np.int64), criteria, scale)
            for case, rows in zip(cases, eligible, strict=True)
        ]
        if criteria.method == "optimal" and not criteria.reuse_controls:
            # SciPy takes half a second to import: only who needs it pays.
            from visitseq.cohort.assignment import assign_controls  # noqa: PLC0415

            return assign_controls(eligible, distances, criteria.ratio, len(pool))
        preferences = [
            rows[np.lexsort((pool.subject_id[rows], distance))]
            for rows, distance in zip(eligible, distances, strict=True)
        ]
    if criteria.reuse_controls:
        return take_first(preferences, criteria.ratio)
    return take_in_rounds(preferences, subject_ids, criteria.ratio, len(pool), seed)


def _features(pool: Records, rows: Ints, index: Ints, criteria: Criteria) -> Floats:
    """Compute what the distance compares at the index days, shape (rows, features)."""
    columns = [pool.exact_age(rows, index), pool.first_visit[rows]]
    if criteria.visits is not None or criteria.span_days is not None:
        visits, span = pool.visits_within(rows, index, criteria.eligibility_days)
        columns += [visits] if criteria.visits is not None else []
        columns += [span] if criteria.span_days is not None else []
    return np.stack(columns, axis=1).astype(np.float64)


def _scale(pool: Records, cases: Ints, criteria: Criteria) -> Floats:
    """Compute the standard deviation of each feature over the part's cases, 1 where it is 0."""
    features = _features(pool, cases, pool.run_start[cases], criteria)
    deviation = (features - features[0]).std(axis=0)  # exactly 0 where all are equal
    return np.where(deviation > 0, deviation, 1.0)


def _distance(
    pool: Records, cases: Ints, controls: Ints, criteria: Criteria, scale: Floats
) -> Floats:
    """Distance of each case and control at the case's index date, shape (pairs,)."""
    index = pool.run_start[cases]
    of_cases = _features(pool, cases, index, criteria)
    of_controls = _features(pool, controls, index, criteria)
    return np.asarray(np.linalg.norm((of_cases - of_controls) / scale, axis=1))


def _site_steps(persons: int, parts: list[list[Step]], drawn: int) -> list[Step]:
    """Add up the steps of the parts, which share no person."""
    summed = [
        Step(steps[0].criterion, sum(step.left for step in steps))
        for steps in zip(*parts, strict=True)
    ]
    return [Step("persons of the site", persons), *summed, Step("drawn as a control", drawn)]
