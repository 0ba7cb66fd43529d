"""How fast risk-set matching is: 30,000 cases against 500,000 candidates, on one process.

    python benchmarks/matching.py [--persons 530000] [--cases 30000]

The site is made up: 40 visits a person on average over eight years, one observation period each,
seven parts, the criteria of the default heart-failure cohort. The time is that of ``match_cases``,
from the arrays in memory to the drawn controls. Beside it stands what one would write first: a
pandas filter of the candidates for each case, on a sample of the cases, whose time is extrapolated.
Both have to find the same risk sets. Each method runs in a process of its own, so that its peak
memory is its own. Writes matching.md beside this file.
"""

import argparse
import platform
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from visitseq.cohort.criteria import Criteria
from visitseq.cohort.day_lists import BEGINNING, NEVER, DayLists, Ints
from visitseq.cohort.matching import match_cases
from visitseq.cohort.parts import assign_parts
from visitseq.cohort.records import Records

START, DAYS, PARTS, CLINICS = 12784, 8 * 365, 7, 20  # from 2005-01-01 on
SAMPLE = 20

CRITERIA = Criteria(
    age=(40, 85),
    eligibility_days=548,
    min_visits=1,
    washout_days=0,
    free_days_after_index=182,
    last_contact_days=30,
    lookback_days=0,
    method="random",
    ratio=10,
    exact=("sex",),
    age_years=5,
    first_visit_days=365,
    visits=None,
    span_days=None,
    reuse_controls=False,
)

VARIANTS = {
    "random": CRITERIA,
    "random, care site too": replace(CRITERIA, exact=("sex", "care_site")),
    "random, two visits at least, calipers on visits and span": replace(
        CRITERIA, min_visits=2, visits=10, span_days=90
    ),
    "nearest": replace(CRITERIA, method="nearest"),
}


@dataclass(frozen=True)
class Measured:
    """Seconds by the clock and of the processor, peak memory in GB, and what was found."""

    seconds: float
    busy: float
    gigabytes: float
    pairs: int
    risk_set: float


def make_site(persons: int, cases: int) -> tuple[Records, Ints]:
    """Make up a site: its records and the rows of the cases."""
    random = np.random.default_rng(0)
    subject_id = np.arange(persons) * 3 + 1
    joined = START + random.integers(0, DAYS // 2, persons)
    left = joined + 365 + random.integers(0, DAYS // 2, persons)
    rows = np.repeat(np.arange(persons), random.poisson(40, persons))
    span = (left - joined)[rows]
    days = joined[rows] + (random.random(len(rows), dtype=np.float32) * span).astype(np.int64)
    keys = np.unique(rows * 2**20 + days)
    visits = DayLists.from_pairs(keys >> 20, keys & (2**20 - 1), persons)
    run_start = np.full(persons, NEVER, dtype=np.int64)
    chosen = random.permutation(np.flatnonzero(visits.last() >= visits.first() + 365))[:cases]
    chosen.sort()
    span = visits.last()[chosen] - visits.first()[chosen]
    run_start[chosen] = (
        visits.first()[chosen] + 300 + (random.random(cases) * (span - 300)).astype(int)
    )
    born = START - (365.25 * random.normal(52, 18, persons).clip(1, 100)).astype(np.int64)
    born[chosen] = run_start[chosen] - (365.25 * random.uniform(40, 85.9, cases)).astype(np.int64)
    every = np.arange(persons)
    return Records(
        subject_id=subject_id,
        part=assign_parts(subject_id, 0, PARTS),
        sex=random.choice(np.array([8507, 8532]), persons),
        birth=born,
        death=np.where(random.random(persons) < 0.03, left, NEVER),
        first_qualifying=run_start,
        run_start=run_start,
        visits=visits,
        period_starts=DayLists.from_pairs(every, joined - 30, persons),
        period_ends=left + 60,
        site_changes=DayLists.from_pairs(every, np.full(persons, BEGINNING), persons),
        sites=random.integers(1, CLINICS + 1, persons),
    ), chosen


def match(persons: int, cases: int, criteria: Criteria) -> Measured:
    records, rows = make_site(persons, cases)
    start, busy = time.perf_counter(), time.process_time()
    matches = match_cases(records, rows, criteria, seed=0)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    first = np.unique(matches.case, return_index=True)[1]
    risk_set = float(matches.n_eligible[first].mean())
    return Measured(seconds, busy, _peak(), len(matches.case), risk_set)


def filter_with_pandas(persons: int, cases: int, criteria: Criteria) -> Measured:
    """Filter the candidates of each case of a sample; checks the sizes of the risk sets."""
    records, rows = make_site(persons, cases)
    matches = match_cases(records, rows, replace(criteria, reuse_controls=True), seed=0)
    sizes = dict(zip(matches.case.tolist(), matches.n_eligible.tolist(), strict=True))
    table = pd.DataFrame(
        {
            "part": records.part,
            "sex": records.sex,
            "birth": records.birth.astype("datetime64[D]").astype("datetime64[s]"),
            "death": records.death,
            "run_start": records.run_start,
            "first_visit": records.first_visit,
            "last_visit": records.last_visit,
            "observed_from": records.period_starts.days,
            "observed_to": records.period_ends,
        }
    )
    owner = np.repeat(np.arange(persons), np.diff(records.visits.offsets))
    visits = pd.DataFrame({"person": owner, "day": records.visits.days})
    found = []
    sample = np.random.default_rng(1).choice(rows, SAMPLE, replace=False)
    start, busy = time.perf_counter(), time.process_time()
    for row in sample:
        eligible = _eligible_by_pandas(table, visits, row, criteria)
        eligible.sample(min(10, len(eligible)), random_state=0)
        found.append(len(eligible))
    scale = cases / SAMPLE
    seconds, busy = scale * (time.perf_counter() - start), scale * (time.process_time() - busy)
    if found != [sizes.get(row, 0) for row in sample.tolist()]:
        raise AssertionError("the two ways find different risk sets")
    return Measured(seconds, busy, _peak(), 0, float(np.mean(found)))


def _eligible_by_pandas(
    table: pd.DataFrame, visits: pd.DataFrame, row: int, criteria: Criteria
) -> pd.DataFrame:
    case = table.loc[row]
    index = case["run_start"]
    date = pd.Timestamp(index, unit="D")
    birth = table["birth"]
    birthday_to_come = birth.dt.month * 100 + birth.dt.day > date.month * 100 + date.day
    age = date.year - birth.dt.year - birthday_to_come
    youngest, oldest = criteria.age
    candidates = table[
        (table["part"] == case["part"])
        & (table["sex"] == case["sex"])
        & age.between(youngest, oldest)
        & ((age - age[row]).abs() <= criteria.age_years)
        & ((table["first_visit"] - case["first_visit"]).abs() <= criteria.first_visit_days)
        & (table["run_start"] >= index + criteria.free_days_after_index)
        & (table["last_visit"] >= index - criteria.last_contact_days)
        & (table["death"] >= index)
        & (table["observed_from"] <= index)
        & (table["observed_to"] >= index)
    ].drop(index=row, errors="ignore")
    within = visits[visits["day"].between(index - criteria.eligibility_days, index - 1)]
    return candidates[candidates.index.isin(within["person"])]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _apart(function: Callable[..., Measured], *arguments: object) -> Measured:
    """Call ``function`` in a new process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=530_000)
    parser.add_argument("--cases", type=int, default=30_000)
    options = parser.parse_args()
    size = (options.persons, options.cases)
    plain = _apart(filter_with_pandas, *size, CRITERIA)
    lines = [
        "# Matching",
        "",
        f"{size[1]:,} cases against {size[0] - size[1]:,} other persons, about 40 visits each; one "
        f"process, Python {platform.python_version()}, NumPy {np.__version__}, pandas "
        f"{pd.__version__}. Peak memory is of the whole process, the made-up site included. Busy: "
        "seconds of the processor, which other work on the machine does not lengthen much.",
        "",
        "| | seconds | of these busy | times faster than the filter (busy) | peak GB "
        "| mean risk set | pairs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, criteria in VARIANTS.items():
        own = _apart(match, *size, criteria)
        ratio = f"{plain.busy / own.busy:,.0f}" if name == "random" else ""
        lines.append(
            f"| {name} | {own.seconds:.1f} | {own.busy:.1f} | {ratio} | {own.gigabytes:.1f} "
            f"| {own.risk_set:,.0f} | {own.pairs:,} |"
        )
    lines.append(
        f"| a pandas filter for each case (random), extrapolated from {SAMPLE} cases | "
        f"{plain.seconds:,.0f} | {plain.busy:,.0f} | 1 | {plain.gigabytes:.1f} "
        f"| {plain.risk_set:,.0f} | |"
    )
    text = "\n".join(lines) + "\n"
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
