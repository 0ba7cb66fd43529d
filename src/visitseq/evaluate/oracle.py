"""Stage 5, simulated sites: how well any model could do on the rows of a task at best.

In a simulated site the hazard of the diagnosis is known. Matching takes out of it what it matched
on: of the persons who could have been drawn for a set (its eligible pool: the case and its risk
set) each becomes the case in proportion to its hazard. So the score of a row is its hazard at the
index date divided by the mean hazard of its set's pool at that date.

``oracle`` takes the hazard as the record before the window's end tells it: exactly where there is
no gap, else averaged over simulated futures of the gap (simulate/future.py). ``oracle_latent``
takes the hazard that came true, gap included; no model could know it, and without a gap the two are
the same. The pool's mean is that of the hazards that came true: of many persons it estimates the
mean of the expected ones.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
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
from visitseq.simulate.future import expected_hazard
from visitseq.tables import COHORT, ORACLE, write_parquet

logger = logging.getLogger(__name__)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Simulated futures of a row, where there is a gap.
DRAWS = 32
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
        """Hazard a year in force on each day, days since 1970-01-01; shape (rows,)."""
        place = np.searchsorted(self.key, subject_id * DAYS_A_PERSON + day, side="right") - 1
        hazard: Floats = np.exp(self.log_hazard[place].astype(np.float64))
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
    pool = _pool_means(records, Criteria.from_configuration(cohort), hazards, table)
    subject_id = table["subject_id"].to_numpy()
    index = _days(table["index_time"])
    came = hazards.hazards(subject_id, index)
    _, until = window_bounds(index, task["observation_months"], task["prediction_months"])
    expected, error = came, np.zeros(len(came))
    if task["prediction_months"] and site["preset"] not in FIXED_IN_THE_GAP:
        expected, error = _over_the_gap(site, subject_id, until, index, seed)
    columns = {
        "oracle": expected / pool,
        "oracle_standard_error": error / pool,
        "oracle_latent": came / pool,
    }
    arrays = {name: pa.array(values, from_pandas=True) for name, values in columns.items()}
    known = {name: table[name] for name in COHORT.names}
    write_parquet(pa.table({**known, **arrays}).cast(ORACLE), path)
    logger.info("%d rows scored, %d without a score", len(table), int(np.isnan(expected).sum()))


def _over_the_gap(
    site: Mapping[str, Any], subject_id: Ints, until: Ints, index: Ints, seed: int
) -> tuple[Floats, Floats]:
    """Expected hazard at the index date and its standard error; NaN in counts_only."""
    if site["preset"] not in HOSPITALS:
        nothing = np.full(len(index), np.nan)
        return nothing, nothing
    return expected_hazard(site, subject_id, until, index, draws=DRAWS, seed=seed)


def _pool_means(records: Records, criteria: Criteria, hazards: Truth, table: pa.Table) -> Floats:
    """Mean hazard of the eligible pool of each row's set at its index date, shape (rows,)."""
    label, set_id = table["label"].to_numpy(), table["set_id"].to_numpy()
    cases = np.searchsorted(records.subject_id, table["subject_id"].to_numpy()[label])
    means = np.empty(len(records))
    for part in np.unique(records.part[cases]):
        rows = pool_order(records, np.flatnonzero(records.part == part), criteria)
        pool, own = records.take(rows), np.flatnonzero(np.isin(rows, cases))
        eligible, _ = find_risk_sets(pool, own, criteria)
        for case, controls in zip(own, eligible, strict=True):
            persons = pool.subject_id[np.append(case, controls)]
            day = np.full(len(persons), pool.run_start[case])
            means[rows[case]] = hazards.hazards(persons, day).mean()
    of_set = dict(zip(set_id[label].tolist(), means[cases].tolist(), strict=True))
    return np.array([of_set[number] for number in set_id.tolist()])


def _days(time: pa.ChunkedArray) -> Ints:
    """Days since 1970-01-01 of midnights."""
    return np.asarray(time.cast(pa.date32()).cast(pa.int32()).to_numpy(), dtype=np.int64)
