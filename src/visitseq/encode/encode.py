"""Encode the visits in a task's window: visits.arrow and vocabulary.parquet.

The codes of the visits in each cohort row's window come as one long table, sorted by row, visit
and code (``sql/window_code.sql``). Its code column, numbered by a vocabulary of all codes that
occur, is the values array of the sparse one-hot matrix; the places where the row or the visit
changes are its offsets. A dense one-hot matrix is never built.

What is left out is counted in the schema metadata of visits.arrow: ``straddling`` visits, which
reach past the window's end; ``phenotype_codes`` that a task drops, ``emptied`` visits that held
nothing else; ``open_ended`` visit ids, which group nothing. Beside them stands what ``groups.py``
counts where the vocabulary is of groups: codes are grouped after the phenotype's are dropped.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.cohort.phenotype import IS_QUALIFYING, read_phenotype, register_phenotype
from visitseq.cohort.visits import visit_blocks
from visitseq.cohort.windows import window_table
from visitseq.encode.groups import SOURCE_CODES, columns_of
from visitseq.encode.layout import Steps, hash_codes, steps_of, visit_columns, write_batch
from visitseq.encode.refusal import refusal_of_encoding
from visitseq.encode.vocabulary import check_size, count_by_part, number_codes, vocabulary_table
from visitseq.engine import connect
from visitseq.errors import UserError
from visitseq.tables import VISITS, write_parquet

log = logging.getLogger(__name__)

_WINDOW_CODE = files("visitseq.encode").joinpath("sql/window_code.sql").read_text("utf-8")


def encode_visits(
    *,
    task: Mapping[str, Any],
    encoding: Mapping[str, Any],
    phenotype: Path | None,
    cohort: Path,
    events: Path,
    codes: Path,
    ancestors: Path,
    folder: Path,
    seed: int,
    parts: int,
) -> None:
    """Write the visits in the window of each cohort row, and the vocabulary of their codes.

    Parameters
    ----------
    task
        Filled section: observation_months, prediction_months, phenotype_codes.
    encoding
        Filled section: vocabulary, level, sequence, domains.
    phenotype
        The cohort's phenotype file, whose codes the task drops or keeps; None of a cohort without
        outcome that keeps them.
    cohort, events, codes, ancestors
        cohort.parquet; events.parquet, codes.parquet and ancestors.parquet of the site.
    folder
        Gets visits.arrow (``tables.VISITS``) and vocabulary.parquet
        (``tables.vocabulary_schema``).
    seed
        Orders the codes within a visit where the sequence goes by code.
    parts
        Parts of the site.

    Raises
    ------
    UserError
        The encoding is none for an onset, or there are more codes than 32-bit offsets can address.
    """
    reason = refusal_of_encoding({**task, "kind": "onset"}, encoding)
    if reason is not None:
        raise UserError(f"The task and the encoding do not go together: {reason}.")
    rows, code_table = pq.read_table(cohort), pq.read_table(codes)
    dropped = None
    if phenotype is not None and task["phenotype_codes"] == "drop":
        dropped = read_phenotype(phenotype)
    left_out: Counter[str] = Counter(straddling=0, phenotype_codes=0, emptied=0, open_ended=0)
    found = []
    with connect() as connection:
        connection.register("cohort_row", window_table(rows, task))
        if dropped is not None:
            register_phenotype(connection, dropped, code_table)
        for block in visit_blocks(events, encoding["domains"], rows["subject_id"].to_numpy()):
            block.register(connection)
            left_out["open_ended"] += block.visits.open_ended
            of_block = _window_codes(connection, dropped is not None, encoding["vocabulary"])
            found.append(_keep(of_block, left_out))
    columns = columns_of(pa.concat_tables(found), code_table, encoding, pq.read_table(ancestors))
    codes_found = columns.record
    check_size(len(codes_found))
    names, ids = number_codes(codes_found["code"])
    counts = count_by_part(rows, codes_found["row"].to_numpy(), ids, (parts, len(names)))
    steps = _steps(rows, codes_found, ids, seed if encoding["sequence"] == "code" else None)
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(vocabulary_table(names, counts, columns.names), folder / "vocabulary.parquet")
    own = visit_columns(steps, rows["index_time"].to_numpy())
    write_batch(rows, own, VISITS, {**left_out, **columns.counts}, folder / "visits.arrow")
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    log.info(
        "%d rows, %d steps, %d codes; left out: %s", len(rows), len(steps.day), len(names), reasons
    )
    columns.log_counts()


def _window_codes(connection: duckdb.DuckDBPyConnection, drops: bool, vocabulary: str) -> pa.Table:
    query = _WINDOW_CODE.replace("{dropped}", IS_QUALIFYING if drops else "FALSE")
    query = query.replace("{source_codes}", SOURCE_CODES[vocabulary])
    return connection.sql(query).to_arrow_table()


def _keep(found: pa.Table, left_out: Counter[str]) -> pa.Table:
    """Leave straddling visits and dropped codes out, and count them."""
    straddling = found.filter(found["straddles"])
    left_out["straddling"] += _count_visits(straddling)
    inside = found.filter(pc.invert(found["straddles"]))
    kept = inside.filter(pc.invert(inside["dropped"]))
    left_out["phenotype_codes"] += len(inside) - len(kept)
    left_out["emptied"] += _count_visits(inside) - _count_visits(kept)
    return kept.select(["row", "visit", "day", "code", "source_codes"])


def _count_visits(found: pa.Table) -> int:
    return len(found.group_by(["row", "visit"]).aggregate([]))


def _steps(rows: pa.Table, found: pa.Table, ids: npt.NDArray[np.int32], seed: int | None) -> Steps:
    """One step a visit, or with a seed one a code in random order within its visit."""
    row, visit = found["row"].to_numpy(), found["visit"].to_numpy()
    day = found["day"].cast(pa.int32()).to_numpy()
    if seed is None:
        return steps_of(row, visit, day, ids)
    subject = rows["subject_id"].to_numpy()[row]
    order = np.lexsort((hash_codes(subject, day, found["code"], seed), visit, row))
    return steps_of(row[order], np.arange(len(order)), day[order], ids[order])
