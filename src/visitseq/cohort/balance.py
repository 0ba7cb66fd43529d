"""balance.csv: how alike cases and controls are, before and after matching.

The standardised mean difference of a variable is the difference of the means of cases and
controls over the root of the mean of their variances (Austin, Stat Med 2009). It does not grow with
the number of persons, as a test statistic would. It is empty where neither group varies and their
means differ, or where there is no control.

After matching, each control weighs one over the number of controls in its set. Before matching
there is no set and so no index date for a person who is no case: each person of the site is given
one, drawn at random from those of its own part's cases, and counts as a control if it meets there
all criteria but those of likeness to a case. The cases before matching include those that found no
control.
"""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from visitseq.cohort.criteria import Criteria, age_check, control_checks
from visitseq.cohort.day_lists import NEVER, Ints
from visitseq.cohort.matching import Matches
from visitseq.cohort.parts import hash_ids
from visitseq.cohort.records import Floats, Records

FEMALE = 8532  # OMOP's concept

_COLUMNS = ["measure", "variable", "when", "cases", "controls", "value"]
_DRAW_OF_INDEX = 1  # tells this draw's seed from the seed of the parts


def balance_table(
    records: Records, cases: Ints, matches: Matches, criteria: Criteria, seed: int
) -> pd.DataFrame:
    """Describe a matching.

    Parameters
    ----------
    records
        The persons of the site.
    cases
        Rows of the cases before matching.
    matches
        The matched pairs.
    criteria
        The cohort's criteria.
    seed
        Seed of the index dates of persons before matching.

    Returns
    -------
    table
        Rows measure, variable, when, cases, controls, value:

        - smd (before, after): the groups' means, and their standardised difference, of age (years),
          sex (share of women), visits and span_days (in the eligibility window), first_visit (days
          since 1970-01-01);
        - ratio (after): in how many sets there are so many controls;
        - reuse (after): how many persons are controls once, controls more than once, controls with
          a qualifying run of their own, controls and cases of this cohort.
    """
    pool, index = _pool_at_random_dates(records, cases, criteria, seed)
    before = _differences(
        "before",
        _variables(records, cases, records.run_start[cases], criteria),
        _variables(records, pool, index, criteria),
        np.ones(len(pool)),
    )
    kept = np.unique(matches.case)
    after = _differences(
        "after",
        _variables(records, kept, records.run_start[kept], criteria),
        _variables(records, matches.control, records.run_start[matches.case], criteria),
        1 / matches.n_sampled,
    )
    counts = [*_ratio(matches, criteria.ratio), *_reuse(records, matches)]
    return pd.DataFrame([*before, *after, *counts], columns=_COLUMNS)


def _pool_at_random_dates(
    records: Records, cases: Ints, criteria: Criteria, seed: int
) -> tuple[Ints, Ints]:
    """Persons eligible at an index date drawn from the cases of their part, and that date."""
    draw = hash_ids(records.subject_id, seed + _DRAW_OF_INDEX)
    rows, index = [], []
    for part in np.unique(records.part[cases]):
        own = cases[records.part[cases] == part]
        persons = np.flatnonzero(records.part == part)
        case = own[(draw[persons] % np.uint64(len(own))).astype(np.int64)]
        rows.append(persons[case != persons])
        index.append(records.run_start[case[case != persons]])
    person, day = np.concatenate(rows), np.concatenate(index)
    known = records.birth[person] < NEVER
    person, day = person[known], day[known]
    for check in [age_check(criteria), *control_checks(criteria)]:
        meets = check.holds(records, person, day)
        person, day = person[meets], day[meets]
    return person, day


def _variables(records: Records, rows: Ints, index: Ints, criteria: Criteria) -> dict[str, Floats]:
    """Values of each variable at the index days, shape (rows,) each."""
    visits, span = records.visits_within(rows, index, criteria.eligibility_days)
    return {
        "age": records.exact_age(rows, index),
        "sex": (records.sex[rows] == FEMALE).astype(np.float64),
        "visits": visits.astype(np.float64),
        "span_days": span.astype(np.float64),
        "first_visit": records.first_visit[rows].astype(np.float64),
    }


def _differences(
    when: str, cases: dict[str, Floats], controls: dict[str, Floats], weights: Floats
) -> list[tuple[str, str, str, float, float, float]]:
    """Rows of the standardised mean differences."""
    rows = []
    for variable, of_cases in cases.items():
        mean, variance = _moments(of_cases, np.ones(len(of_cases)))
        other_mean, other_variance = _moments(controls[variable], weights)
        value = _standardised(mean - other_mean, (variance + other_variance) / 2)
        rows.append(("smd", variable, when, mean, other_mean, value))
    return rows


def _standardised(difference: float, variance: float) -> float:
    if variance > 0:
        return difference / math.sqrt(variance)
    return 0.0 if difference == 0 else math.nan


def _moments(values: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted mean and variance (of the persons themselves, not of an estimate from them).

    Taken from the first value, so that equal values have a variance of exactly 0.
    """
    if not len(values):
        return math.nan, math.nan
    shifted = values - values[0]
    mean = np.average(shifted, weights=weights)
    variance = np.average((shifted - mean) ** 2, weights=weights)
    return float(values[0] + mean), float(variance)


def _ratio(matches: Matches, ratio: int) -> Iterable[tuple[str, str, str, None, None, int]]:
    """In how many sets there are 1, 2, … ``ratio`` controls."""
    first_of_set = np.unique(matches.case, return_index=True)[1]
    sets = np.bincount(matches.n_sampled[first_of_set], minlength=ratio + 1)
    return [
        ("ratio", str(number), "after", None, None, int(sets[number]))
        for number in range(1, ratio + 1)
    ]


def _reuse(records: Records, matches: Matches) -> Iterable[tuple[str, str, str, None, None, int]]:
    """How many persons serve more than once, or as control and case."""
    controls, uses = np.unique(matches.control, return_counts=True)
    counted = {
        "controls_used_once": uses == 1,
        "controls_used_more_than_once": uses > 1,
        "controls_that_become_cases": records.run_start[controls] < NEVER,
        "cases_used_as_controls": np.isin(controls, matches.case),
    }
    return [
        ("reuse", variable, "after", None, None, int(counted[variable].sum()))
        for variable in counted
    ]
