"""Encode whole records for a task that asks for visits: visits.arrow, vocabulary and labels.

Each row is a person of a cohort without outcome, with all visits before the index, which is the end
of the record. What can be asked of a visit, its targets, are the ids of its own labels: what the
task's ``rollup`` makes of its codes of the domains that the task names (rollup.py), numbered for
themselves in labels.parquet. Which visits are asked, and from what, is the model's affair: it may
look at the visits before the one that it predicts and at nothing else of ``visits`` and
``targets``.

Visits that begin after the day of death (bills, reports that came late) are no targets and, as all
that follow are such too, nothing is read from them: they are left out and counted as
``after_death`` in the schema metadata of visits.arrow. Persons with too few visits to be asked are
left out and counted as ``short``, beside ``open_ended`` visit ids, which group nothing, and what
rollup.py and, of the visits that are read, groups.py count.
"""

import logging
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.cohort.visits import visit_blocks
from visitseq.encode.groups import SOURCE_CODES, columns_of
from visitseq.encode.layout import Steps, steps_of, visit_columns, write_batch
from visitseq.encode.refusal import refusal_of_encoding
from visitseq.encode.rollup import Labels, roll_up, rolled_up_columns
from visitseq.encode.vocabulary import check_size, count_by_part, number_codes, vocabulary_table
from visitseq.engine import connect
from visitseq.errors import UserError
from visitseq.tables import VISIT_TARGETS, write_parquet

log = logging.getLogger(__name__)

_RECORD_CODE = files("visitseq.encode").joinpath("sql/record_code.sql").read_text("utf-8")


def encode_targets(
    *,
    task: Mapping[str, Any],
    encoding: Mapping[str, Any],
    cohort: Path,
    events: Path,
    codes: Path,
    ancestors: Path,
    folder: Path,
    parts: int,
) -> None:
    """Write the visits of each person with their labels, and the names of codes and labels.

    Parameters
    ----------
    task
        Filled section of kind forecast or next_visit: labels, rollup; of a forecast visits_ahead,
        of the next visit level.
    encoding
        Filled section: vocabulary, level, sequence, domains.
    cohort, events, codes, ancestors
        cohort.parquet; events.parquet, codes.parquet and ancestors.parquet of the site.
    folder
        Gets visits.arrow (``tables.VISIT_TARGETS``), vocabulary.parquet and labels.parquet (both
        ``tables.vocabulary_schema``).
    parts
        Parts of the site.

    Raises
    ------
    UserError
        Task and encoding do not go together, nobody has visits enough, or there are more codes than
        32-bit offsets can address.
    """
    reason = refusal_of_encoding(task, encoding)
    if reason is not None:
        raise UserError(f"The task and the encoding do not go together: {reason}.")
    rows, code_table = pq.read_table(cohort), pq.read_table(codes)
    everything, open_ended = _read_records(rows, events, encoding, task)
    alive, after_death = _until_death(rows, everything, events)
    kept, record = _with_visits(rows, alive, task.get("visits_ahead", 1) + 1)
    if not len(kept):
        raise UserError(_nobody(len(rows), task))
    check_size(len(record))
    above = pq.read_table(ancestors)
    labels = _labels(record, code_table, above, task)
    if encoding["vocabulary"] == "rollup":
        columns = rolled_up_columns(record, code_table, above, task, encoding["domains"])
    else:
        columns = columns_of(record, code_table, encoding, above)
    names, ids = number_codes(columns.record["code"])
    steps = _steps(columns.record, ids)
    row = np.repeat(steps.row, np.diff(steps.offsets))
    tables = {
        "vocabulary": (names, row, ids, columns.names),
        "labels": (labels.names, steps.row[labels.visit], labels.ids, labels.described),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (own, of_row, numbers, described) in tables.items():
        counts = count_by_part(kept, of_row, numbers, (parts, len(own)))
        write_parquet(vocabulary_table(own, counts, described), folder / f"{name}.parquet")
    left_out = {"short": len(rows) - len(kept), "open_ended": open_ended}
    left_out |= {"after_death": after_death, **labels.counts}
    lists = _lists(kept, steps, labels)
    write_batch(kept, lists, VISIT_TARGETS, {**left_out, **columns.counts}, folder / "visits.arrow")
    log.info(
        "%d rows, %d visits, %d codes, %d labels; counted: %s",
        len(kept),
        len(steps.day),
        len(names),
        len(labels.names),
        ", ".join(f"{count} {reason}" for reason, count in left_out.items()),
    )
    columns.log_counts()
    _warn_of_rollup(task["rollup"], labels.counts)


def _warn_of_rollup(rollup: str, counts: Mapping[str, int]) -> None:
    """Say aloud where most of a domain's codes keep their names and become no wider labels."""
    for name, left in counts.items():
        domain = name.removeprefix("not_rolled_up_")
        if domain == name or rollup == "none":
            continue
        total = left + counts[f"rolled_up_{domain}"]
        if 2 * left > total:
            log.warning(
                "rollup %s: %d of %d codes of domain %s could not be rolled up and are labels "
                "themselves (docs/doctor_ai.md)",
                rollup,
                left,
                total,
                domain,
            )


def _nobody(persons: int, task: Mapping[str, Any]) -> str:
    """What is said where no person has visits enough."""
    if task["kind"] == "next_visit":
        return (
            f"None of the {persons} persons of the cohort has two visits, one to predict from and "
            "one that is predicted. Widen the cohort, or name more domains for the encoding."
        )
    return (
        f"None of the {persons} persons of the cohort has more than the {task['visits_ahead']} "
        "visits that are to be forecast. Lower the task's visits_ahead."
    )


def _read_records(
    rows: pa.Table, events: Path, encoding: Mapping[str, Any], task: Mapping[str, Any]
) -> tuple[pa.Table, int]:
    """Row, visit, day, code and source codes of the rows' records, and open-ended visit ids."""
    listed = encoding["vocabulary"] if task["rollup"] == "none" else "groups"
    query = _RECORD_CODE.replace("{source_codes}", SOURCE_CODES[listed])
    numbered = rows.select(["subject_id", "index_time"]).add_column(
        0, "row", pa.array(np.arange(len(rows), dtype=np.int32))
    )
    found, open_ended = [], 0
    with connect() as connection:
        connection.register("cohort_row", numbered)
        for block in visit_blocks(events, encoding["domains"], rows["subject_id"].to_numpy()):
            block.register(connection)
            found.append(connection.sql(query).to_arrow_table())
            open_ended += block.visits.open_ended
    return pa.concat_tables(found), open_ended


def _until_death(rows: pa.Table, record: pa.Table, events: Path) -> tuple[pa.Table, int]:
    """Codes of the visits that begin on the day of death or before, and how many visits do not."""
    deaths = pq.read_table(
        events, columns=["subject_id", "time"], filters=[("code", "==", "MEDS_DEATH")]
    )
    place = pc.index_in(rows["subject_id"], value_set=deaths["subject_id"].combine_chunks())
    last = deaths["time"].cast(pa.date32(), safe=False).take(place).cast(pa.int32())
    last_day = pc.fill_null(last, np.iinfo(np.int32).max).to_numpy()
    after = record["day"].cast(pa.int32()).to_numpy() > last_day[record["row"].to_numpy()]
    visits = record.filter(pa.array(after)).group_by(["row", "visit"]).aggregate([])
    return record.filter(pa.array(~after)), len(visits)


def _with_visits(rows: pa.Table, record: pa.Table, least: int) -> tuple[pa.Table, pa.Table]:
    """Rows with ``least`` visits or more, and their codes, numbered anew."""
    visits = record.group_by(["row", "visit"]).aggregate([])["row"].to_numpy()
    enough = np.bincount(visits, minlength=len(rows)) >= least
    number = np.cumsum(enough, dtype=np.int32) - 1
    kept = record.filter(pa.array(enough[record["row"].to_numpy()]))
    renumbered = pa.array(number[kept["row"].to_numpy()])
    return rows.filter(pa.array(enough)), kept.set_column(0, "row", renumbered)


def _of_domains(codes: pa.ChunkedArray, domains: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether each code is of one of ``domains``."""
    found = [pc.starts_with(codes, f"{domain}/").to_numpy() for domain in domains]
    of_any: npt.NDArray[np.bool_] = np.any(found, axis=0)
    return of_any


def _steps(record: pa.Table, ids: npt.NDArray[np.int32]) -> Steps:
    """One step a visit; ``ids`` are those of the record's codes."""
    row, visit = record["row"].to_numpy(), record["visit"].to_numpy()
    return steps_of(row, visit, record["day"].cast(pa.int32()).to_numpy(), ids)


def _labels(
    record: pa.Table, code_table: pa.Table, ancestors: pa.Table, task: Mapping[str, Any]
) -> Labels:
    """Labels of all visits; ``record`` holds the codes, visit after visit."""
    sizes = np.diff(_steps(record, np.arange(len(record), dtype=np.int32)).offsets)
    visit = np.repeat(np.arange(len(sizes)), sizes)
    is_label = _of_domains(record["code"], task["labels"])
    return roll_up(record.filter(pa.array(is_label)), visit[is_label], code_table, ancestors, task)


def _lists(rows: pa.Table, steps: Steps, labels: Labels) -> dict[str, pa.Array]:
    """Columns of visits.arrow beside the cohort's."""
    columns = visit_columns(steps, rows["index_time"].to_numpy())
    offsets = np.searchsorted(labels.visit, np.arange(len(steps.row) + 1)).astype(np.int32)
    targets = pa.ListArray.from_arrays(pa.array(offsets), pa.array(labels.ids))
    return {
        **columns,
        "days_to_index": pa.nulls(len(rows), columns["days_to_index"].type),
        "targets": pa.ListArray.from_arrays(columns["visits"].offsets, targets),
    }
