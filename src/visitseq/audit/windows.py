"""Does any input hold what is not known at the time of prediction? Windows and dates, recomputed.

Of all rows: no visit begins outside the window, by the days to the index date that a model is
shown. Of a sample of rows, whose persons' visits are found a second time (own_visits.py): what the
inputs hold (window_inputs.py) and the index dates (index_dates.py). And whether cases and controls
are of the same time and were observed as long (alignment.py).
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.audit.alignment import alignment_findings, alignment_table
from visitseq.audit.findings import Finding, write_findings
from visitseq.audit.index_dates import index_findings
from visitseq.audit.own_visits import own_visits
from visitseq.audit.verdicts import of_count
from visitseq.audit.window_inputs import Inputs, input_findings
from visitseq.cohort.parts import hash_ids
from visitseq.cohort.phenotype import read_phenotype
from visitseq.cohort.visits import DEFAULT_DOMAINS
from visitseq.cohort.windows import months_to_days
from visitseq.encode.sequences import open_batch

log = logging.getLogger(__name__)

#: Rows of the sample at most, whole persons.
SAMPLE = 2000
_DRAW_OF_SAMPLE = 4  # tells this draw's seed from the seed of the parts

Section = Mapping[str, Any]


def check_windows(
    *,
    task: Section,
    encoding: Section,
    cohort: Section,
    phenotype: Path,
    rows: Path,
    events: Path,
    persons: Path,
    codes: Path,
    visits: Path,
    vocabulary: Path,
    draws: int,
    seed: int,
    minimum_cell: int,
    folder: Path,
) -> None:
    """Write findings.json and alignment.csv of a task with an outcome, in one encoding.

    Parameters
    ----------
    task, encoding, cohort
        Their sections of the configuration, filled; the cohort's of kind case_control or landmark.
    phenotype
        The cohort's phenotype file.
    rows
        File cohort.parquet.
    events, persons, codes
        events.parquet, persons.parquet and codes.parquet of the site.
    visits, vocabulary
        visits.arrow and vocabulary.parquet of the task and encoding.
    draws, seed
        Of the intervals, and of the sample.
    minimum_cell
        Smallest number of persons that may be shown.
    folder
        Where the files go.
    """
    table, batch = pq.read_table(rows), open_batch(visits)
    sample = _sample(table["subject_id"].to_numpy(), seed)
    read = {"codes": pq.read_table(codes), "phenotype": read_phenotype(phenotype)}
    subjects = np.unique(table["subject_id"].to_numpy()[sample])
    found = own_visits(events, domains=DEFAULT_DOMAINS, subjects=subjects, **read)
    of_encoding = found
    if set(encoding["domains"]) != set(DEFAULT_DOMAINS):
        of_encoding = own_visits(events, domains=encoding["domains"], subjects=subjects, **read)
    names = pq.read_table(vocabulary).sort_by("id")["code"].to_pylist()
    chosen = pa.array(sample)
    inputs = Inputs(table.take(chosen), batch.take(chosen), names, of_encoding)
    differing = alignment_findings(
        table, pq.read_table(persons), draws=draws, seed=seed, minimum=minimum_cell
    )
    findings = [
        _days_in_window(batch, task),
        *input_findings(inputs, task, by_code=encoding["vocabulary"] == "codes"),
        *index_findings(inputs.rows, found, cohort, minimum_cell),
        *differing,
    ]
    write_findings(findings, folder / "findings.json")
    shares = alignment_table(table, pq.read_table(persons), minimum_cell)
    shares.to_csv(folder / "alignment.csv", index=False, lineterminator="\n")
    log.info("%d rows, of which %d were recomputed", len(table), len(sample))


def _sample(subjects: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Rows of whole persons, drawn by hash until there are ``SAMPLE`` rows; ascending."""
    key = hash_ids(subjects, seed + _DRAW_OF_SAMPLE)
    order = np.lexsort((subjects, key))
    if len(order) > SAMPLE:
        last = subjects[order[SAMPLE]]
        order = order[:SAMPLE][subjects[order[:SAMPLE]] != last]
    return np.sort(order)


def _days_in_window(batch: pa.RecordBatch, task: Section) -> Finding:
    gap = months_to_days(task["prediction_months"])
    reach = gap + months_to_days(task["observation_months"])
    days = batch.column("days_to_index").flatten().to_numpy(zero_copy_only=False)
    late, early = int((days <= gap).sum()), int((days > reach).sum())
    nearest = f"the nearest {days.min():.0f} days before the index date" if len(days) else "none"
    return of_count(
        "window_end",
        late + early,
        f"Of {len(days):,} steps of {batch.num_rows:,} rows {late:,} begin at or after the "
        f"window's end ({gap} days before the index date) and {early:,} before its start "
        f"({reach} days before it); {nearest}.",
        "The input holds what is not known at the time of prediction: encode anew, and do not use "
        "models that were trained on it.",
        numbers={"steps": len(days), "late": late, "early": early, "gap": gap, "reach": reach},
    )
