"""What in a window gives the outcome away: the disease's own codes, and its treatment.

A case's observation window may hold what was recorded because the disease was already suspected or
treated (protopathic bias; Horwitz and Feinstein, American Journal of Medicine 1980;68:255). A model
that reads it recognises what the physicians knew and predicts nothing. ``measure_giveaways`` counts
whose window holds

- a code of the cohort's own phenotype, whether or not the task drops them from what models read;
- a loop diuretic (workflow/phenotypes/loop_diuretics.yaml).

The visits of the window lie in it from beginning to end. They are made of the domains that
encodings read by default (conditions, drugs, procedures), whatever those of the study read: a
treatment is found where no model reads drugs. Where an encoding reads other domains, its visits may
begin or end on other days.

The share of the cases is that of the sets whose case has it. Controls are compared as they were
matched: a control weighs one over the number of controls of its set, so that each set counts once
on either side. In a cohort without sets every row counts once.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.cohort.phenotype import (
    IS_QUALIFYING,
    Phenotype,
    read_phenotype,
    register_phenotype,
    unseen,
)
from visitseq.cohort.visits import visit_blocks
from visitseq.cohort.windows import window_table
from visitseq.engine import connect
from visitseq.evaluate.bootstrap import Groups, resampling_groups
from visitseq.evaluate.drawn_ratios import Terms, estimate_ratios
from visitseq.evaluate.estimate import Estimate, undefined

logger = logging.getLogger(__name__)

Flags = npt.NDArray[np.bool_]

_FOUND = f"""
SELECT DISTINCT cohort_row.row
FROM visit_event
INNER JOIN cohort_row ON visit_event.subject_id = cohort_row.subject_id
WHERE
    visit_event.start >= cohort_row.window_start AND visit_event."end" < cohort_row.window_end
    AND {IS_QUALIFYING}
"""


def measure_giveaways(
    *,
    cohort: Path,
    phenotype: Path,
    treatment: Path,
    events: Path,
    codes: Path,
    task: Mapping[str, Any],
    draws: int,
    seed: int,
    path: Path,
) -> None:
    """Write giveaways.csv of one site and task.

    It has a row for each giveaway and group: giveaway (the name of its phenotype file), group
    (cases, controls), persons, persons_with (whose window holds it), share, low, high (its 95%
    interval, by bootstrap of matched sets within each part), reason (why there is no share: the
    site's codes cannot show it).

    Parameters
    ----------
    cohort, events, codes
        cohort.parquet of the task; events.parquet and codes.parquet of the site.
    phenotype, treatment
        Phenotype files of the disease and of what it is treated with.
    task
        Filled section: observation_months, prediction_months.
    draws, seed
        Number and seed of the bootstrap draws.
    path
        Where giveaways.csv goes.
    """
    rows, code_table = pq.read_table(cohort), pq.read_table(codes)
    giveaways = [read_phenotype(phenotype), read_phenotype(treatment)]
    found = _found(rows, giveaways, events, code_table, task)
    lines = []
    for giveaway, has in zip(giveaways, found, strict=True):
        reason = unseen(giveaway, code_table)
        for group, estimate in _shares(rows, has, draws, seed).items():
            shown = estimate if reason is None else undefined(reason)
            counts = _persons(rows, has, group) if reason is None else (None, None)
            lines.append((giveaway.name, group, *counts, *shown))
    columns = ["giveaway", "group", "persons", "persons_with", "share", "low", "high", "reason"]
    table = pd.DataFrame(lines, columns=columns)
    table = table.astype({"persons": "Int64", "persons_with": "Int64"})
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n")
    logger.info("%d windows searched for %d giveaways", len(rows), len(giveaways))


def _found(
    rows: pa.Table,
    giveaways: list[Phenotype],
    events: Path,
    codes: pa.Table,
    task: Mapping[str, Any],
) -> list[Flags]:
    """Whether the window of each row holds each giveaway, shape (rows,) each."""
    found = [np.zeros(len(rows), dtype=np.bool_) for _ in giveaways]
    with ExitStack() as opened:
        connections = [opened.enter_context(connect()) for _ in giveaways]
        for connection, giveaway in zip(connections, giveaways, strict=True):
            connection.register("cohort_row", window_table(rows, task))
            register_phenotype(connection, giveaway, codes)
        for block in visit_blocks(events, subjects=rows["subject_id"].to_numpy()):
            for connection, flags in zip(connections, found, strict=True):
                block.register(connection)
                flags[connection.sql(_FOUND).fetchnumpy()["row"]] = True
    return found


def _shares(rows: pa.Table, has: Flags, draws: int, seed: int) -> dict[str, Estimate]:
    """Share of cases and of controls that have it, each set counting once on either side."""
    weights = _weights(rows)
    terms = [
        Terms(part, groups, weights[own] * has[own, None], weights[own])
        for part, own, groups in _parts(rows)
    ]
    return dict(zip(("cases", "controls"), estimate_ratios(terms, draws, seed), strict=True))


def _weights(rows: pa.Table) -> npt.NDArray[np.float64]:
    """Weight of each row among the cases and among the controls, shape (rows, 2)."""
    case = rows["label"].to_numpy()
    # Without sets all rows make one, so that each weighs the same.
    _, set_of = np.unique(pc.fill_null(rows["set_id"], -1).to_numpy(), return_inverse=True)
    controls = np.bincount(set_of, weights=~case)
    return np.column_stack([case, ~case / np.maximum(controls[set_of], 1)]).astype(np.float64)


def _parts(rows: pa.Table) -> Iterator[tuple[int, npt.NDArray[np.intp], Groups]]:
    """Each part, its rows and its sets: it is drawn as the test part of its fold is."""
    part = rows["part"].to_numpy()
    for number in np.unique(part).tolist():
        own = np.flatnonzero(part == number)
        taken = rows.take(pa.array(own))
        yield number, own, resampling_groups(taken["set_id"], taken["subject_id"])


def _persons(rows: pa.Table, has: Flags, group: str) -> tuple[int, int]:
    """Persons of a group, and those who have it in one of their windows."""
    own = rows["label"].to_numpy() == (group == "cases")
    subjects = rows["subject_id"].to_numpy()
    return len(np.unique(subjects[own])), len(np.unique(subjects[own & has]))
