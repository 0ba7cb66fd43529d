"""Build a cohort of everybody who has visits enough: no cases, no controls, no matching.

A person's index is the midnight after the last event of the record, so that the whole record lies
before it; there is no outcome. Where the cohort is capped, the persons with the smallest hashes of
(seed, subject_id) are taken: who they are depends neither on the order of the rows nor, one by
one, on who else is there, and has nothing to do with their part.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.attrition import Step, attrition_table, describe, number_of
from visitseq.cohort.parts import assign_parts, draw_persons
from visitseq.cohort.visits import visit_blocks
from visitseq.errors import UserError
from visitseq.tables import COHORT, write_parquet

logger = logging.getLogger(__name__)

Ints = npt.NDArray[np.int64]


def build_population(
    *,
    site: str,
    name: str,
    cohort: Mapping[str, Any],
    events: Path,
    persons: Path,
    folder: Path,
    seed: int,
    parts: int,
) -> None:
    """Write cohort.parquet and attrition.csv of a cohort.

    Parameters
    ----------
    site, name
        Names of the site and the cohort, for messages.
    cohort
        The cohort's filled configuration, of kind all.
    events, persons
        The site's tables of stage 1.
    folder
        Where the files go.
    seed, parts
        ``run.seed`` and ``run.parts``.

    Raises
    ------
    UserError
        Nobody has visits enough.
    """
    table = pq.read_table(persons, columns=["subject_id", "last_event"]).sort_by("subject_id")
    steps = [Step("persons of the site", len(table))]
    rows = np.flatnonzero(_visits(events, table) >= cohort["min_visits"])
    steps.append(Step(f"at least {number_of(cohort['min_visits'], 'visit')}", len(rows)))
    if cohort["persons"] is not None:
        rows = draw_persons(table["subject_id"].to_numpy(), rows, cohort["persons"], seed)
        steps.append(Step(f"drawn, at most {number_of(cohort['persons'], 'person')}", len(rows)))
    where = f"Cohort {name} of site {site}"
    logger.info("%s: %s", where, describe(steps))
    if not len(rows):
        raise UserError(f"{where} has nobody. Found: {describe(steps)}. Lower its min_visits.")
    folder.mkdir(parents=True, exist_ok=True)
    attrition = attrition_table({"person": steps})
    attrition.to_csv(folder / "attrition.csv", index=False, lineterminator="\n")
    write_parquet(_cohort(table.take(pa.array(rows)), seed, parts), folder / "cohort.parquet")


def _visits(events: Path, persons: pa.Table) -> Ints:
    """Visits of each person, shape (persons,)."""
    subject_id, counts = persons["subject_id"].to_numpy(), np.zeros(len(persons), dtype=np.int64)
    for block in visit_blocks(events):
        own, visits = np.unique(block.visits.subject_id, return_counts=True)
        counts[np.searchsorted(subject_id, own)] = visits
    return counts


def _cohort(persons: pa.Table, seed: int, parts: int) -> pa.Table:
    last_day = persons["last_event"].to_numpy().astype("datetime64[D]")
    columns = {
        "set_id": pa.nulls(len(persons), pa.int64()),
        "subject_id": persons["subject_id"],
        "index_time": (last_day + np.timedelta64(1, "D")).astype("datetime64[us]"),
        "label": pa.nulls(len(persons), pa.bool_()),
        "part": assign_parts(persons["subject_id"].to_numpy(), seed, parts),
    }
    return pa.table(columns).cast(COHORT)
