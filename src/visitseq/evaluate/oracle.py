"""Stage 5, simulated sites: how well any model could do on the rows of a task at best.

In a simulated site the hazard of the diagnosis is known. A set holds one case: of the persons who
could have been drawn for it (its eligible pool: the case and its risk set) each becomes the case in
proportion to the hazard at the index date that its record lets expect. So the score of a row is its
expected hazard divided by the mean expected hazard of its set's pool. Within a set the scores are
proportional to the hazards; between sets they are comparable, because 1 is everywhere the chance of
the pool's average person: the score is the ratio of the chance to be the set's case to that of
being drawn from its pool, and by Neyman and Pearson's lemma no order of the rows tells cases from
controls better. Matching takes out of the hazard what it matched on, and so does the division.

``oracle`` takes the hazard as the record before the window's end tells it: exactly where there is
no gap, else averaged over simulated futures of the gap (simulate/future.py), many for the rows
scored, and fewer for all others of the pool, of whom only the mean is wanted. ``oracle_latent``
takes the hazards that came true, gap included, in the row as in its pool; no model could know them,
and without a gap the two are the same.

A finite simulation adds noise to the scores, which can only lower the AUROC. How much is told by
the scores of the two halves of the draws, row and pool, which stand beside: half the draws have
twice the noise.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.cohort.build import cohort_records
from visitseq.cohort.criteria import Criteria
from visitseq.cohort.phenotype import read_phenotype
from visitseq.cohort.records import Records
from visitseq.cohort.risk_sets import find_risk_sets, pool_order
from visitseq.cohort.windows import window_bounds
from visitseq.simulate.future import Expected, expected_hazard
from visitseq.tables import COHORT, ORACLE, write_parquet

logger = logging.getLogger(__name__)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Draws of the gap for a row; for each of the others of its set's pool; and for all of these
#: together in proportion to the hazard when the gap begins, for the largest decide the mean.
DRAWS, LEAST_DRAWS, POOL_DRAWS = 128, 2, 1000
#: Presets whose hazard at the index date doesn't depend on what is written down in the gap.
FIXED_IN_THE_GAP = ("no_signal", "order_only", "constant_hazard")
HOSPITALS = ("primary_care", "intensive_care")
DAYS_A_PERSON = 1 << 17


@dataclass(frozen=True)
class Truth:
    """The hazards of a site's persons: each holds from its day to the next of its person."""

    key: Ints
    log_hazard: npt.NDArray[np.float32]

    @classmethod
    def read(cls, path: Path) -> "Truth":
        """Read truth.parquet."""
        table = pq.read_table(path, columns=["subject_id", "hazard_day", "log_hazard"])
        days = table["hazard_day"].combine_chunks()
        person = np.repeat(table["subject_id"].to_numpy(), pc.list_value_length(days).to_numpy())
        day = days.flatten().cast(pa.int32()).to_numpy()
        values = table["log_hazard"].combine_chunks().flatten().to_numpy()
        return cls(person * DAYS_A_PERSON + day, values)

    def hazards(self, subject_id: Ints, day: Ints) -> Floats:
        """Hazard a year in force on each day, days since 1970-01-01; shape (rows,).

        On a day before the person's record, the first of it.
        """
        place = np.searchsorted(self.key, subject_id * DAYS_A_PERSON + day, side="right") - 1
        first = np.searchsorted(self.key, subject_id * DAYS_A_PERSON)
        hazard: Floats = np.exp(self.log_hazard[np.maximum(place, first)].astype(np.float64))
        return hazard


def score_oracle(
    *,
    site: Mapping[str, Any],
    cohort: Mapping[str, Any],
    task: Mapping[str, Any],
    phenotype: Path,
    rows: Path,
    truth: Path,
    tables: Mapping[str, Path],
    seed: int,
    parts: int,
    path: Path,
) -> None:
    """Write the oracle's scores of a task's rows.

    Parameters
    ----------
    site
        The simulated site's section of the configuration: preset, seed, order_effect.
    cohort, task
        Filled sections of the configuration, of kinds case_control and onset.
    phenotype
        The cohort's phenotype file.
    rows
        The cohort's cohort.parquet.
    truth
        The site's truth.parquet.
    tables
        The site's events, persons, observation_periods and codes, from which the risk sets are
        found again.
    seed, parts
        ``run.seed`` and ``run.parts``.
    path
        Gets a row a cohort row, in its order (schema ``tables.ORACLE``).
    """
    table, hazards = pq.read_table(rows), Truth.read(truth)
    records = cohort_records(cohort, read_phenotype(phenotype), tables, seed, parts)
    pool = _find_pools(records, Criteria.from_configuration(cohort), table)
    at = pool.find(table["set_id"].to_numpy(), table["subject_id"].to_numpy())
    came = hazards.hazards(pool.subject_id, pool.index)
    expected = Expected(came, np.zeros(len(came)), np.tile(came, (2, 1)))
    if task["prediction_months"] and site["preset"] not in FIXED_IN_THE_GAP:
        _, until = window_bounds(pool.index, task["observation_months"], task["prediction_months"])
        begins = hazards.hazards(pool.subject_id, until)
        share = begins / (pool.means(begins) * pool.sizes)
        draws = LEAST_DRAWS + np.floor(POOL_DRAWS * share).astype(np.int64)
        draws[at] = DRAWS
        expected = _over_the_gap(site, pool, until, draws, seed)
    mean = pool.means(expected.value)
    halves = [half / pool.means(half) for half in expected.halves]
    columns = {
        "oracle": expected.value / mean,
        "oracle_standard_error": expected.error / mean,
        "oracle_first_half": halves[0],
        "oracle_second_half": halves[1],
        "oracle_latent": came / pool.means(came),
    }
    arrays = {name: pa.array(values[at], from_pandas=True) for name, values in columns.items()}
    known = {name: table[name] for name in COHORT.names}
    write_parquet(pa.table({**known, **arrays}).cast(ORACLE), path)
    unknown = arrays["oracle"].null_count
    logger.info("%d rows scored, %d without a score", len(table), unknown)


@dataclass(frozen=True)
class Pools:
    """The eligible pools of all sets, one after the other; arrays of shape (members,).

    Sorted by set and, in it, by subject; ``index`` is the set's index date, days since 1970-01-01.
    """

    set_id: Ints
    subject_id: Ints
    index: Ints

    def find(self, set_id: Ints, subject_id: Ints) -> Ints:
        """Place of some of the members."""
        persons = int(self.subject_id.max()) + 1
        key = self.set_id * persons + self.subject_id
        return np.searchsorted(key, set_id * persons + subject_id)

    @cached_property
    def sizes(self) -> Ints:
        """Size of its set's pool, for each member."""
        return np.bincount(self.set_id)[self.set_id]

    def means(self, value: Floats) -> Floats:
        """Mean of ``value`` over its set's pool, for each member."""
        mean: Floats = np.bincount(self.set_id, weights=value)[self.set_id] / self.sizes
        return mean


def _over_the_gap(
    site: Mapping[str, Any], pool: Pools, until: Ints, draws: Ints, seed: int
) -> Expected:
    """Expected hazards at the index date; NaN in counts_only."""
    if site["preset"] not in HOSPITALS:
        nothing = np.full((2, len(until)), np.nan)
        return Expected(nothing[0], nothing[0], nothing)
    return expected_hazard(site, pool.subject_id, until, pool.index, draws=draws, seed=seed)


def _find_pools(records: Records, criteria: Criteria, table: pa.Table) -> Pools:
    """Find the eligible pool of each set of the cohort again: its case and its risk set."""
    label = table["label"].to_numpy()
    cases = np.searchsorted(records.subject_id, table["subject_id"].to_numpy()[label])
    set_of = dict(zip(cases.tolist(), table["set_id"].to_numpy()[label].tolist(), strict=True))
    parts = []
    for part in np.unique(records.part[cases]):
        rows = pool_order(records, np.flatnonzero(records.part == part), criteria)
        persons, own = records.take(rows), np.flatnonzero(np.isin(rows, cases))
        eligible, _ = find_risk_sets(persons, own, criteria)
        for case, controls in zip(own, eligible, strict=True):
            members = np.sort(persons.subject_id[np.append(case, controls)])
            number = np.full(len(members), set_of[int(rows[case])])
            parts.append([number, members, np.full(len(members), persons.run_start[case])])
    parts.sort(key=lambda members: int(members[0][0]))
    return Pools(*np.concatenate(parts, axis=1))
