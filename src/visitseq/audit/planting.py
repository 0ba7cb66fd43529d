"""Events that were never recorded: where they may stand, and how they get into a record.

A planted event has a calendar day of its own, on which no visit of the person's begins, ends or
goes on, so that it makes a visit of its own and leaves every other as it was.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.cohort.visits import visit_blocks
from visitseq.cohort.windows import window_table
from visitseq.engine import connect
from visitseq.tables import EVENTS

Days = npt.NDArray[np.datetime64]

#: The order of events.parquet.
_ORDER = ("subject_id", "time", "code", "visit_id", "numeric_value", "source_code")

_STAYS = """
SELECT DISTINCT subject_id, CAST(start AS DATE) AS first, CAST("end" AS DATE) AS last
FROM visit_event
"""

_LAST_FREE_DAY = """
WITH day AS (
    SELECT
        row,
        subject_id,
        CAST(unnest(range(window_start, window_end, INTERVAL 1 DAY)) AS DATE) AS day
    FROM cohort_row
)

SELECT day.row, max(day.day) AS day
FROM day
ANTI JOIN stay ON day.subject_id = stay.subject_id AND day.day BETWEEN stay.first AND stay.last
GROUP BY day.row
"""


def last_free_days(
    rows: pa.Table, events: Path, task: Mapping[str, Any], encoding: Mapping[str, Any]
) -> Days:
    """Last day of each row's window on which there is no visit, NaT without any; shape (rows,).

    Parameters
    ----------
    rows
        Table of cohort.parquet.
    events
        events.parquet.
    task, encoding
        Filled sections: observation_months, prediction_months; domains.
    """
    stays = []
    with connect() as connection:
        for block in visit_blocks(events, encoding["domains"], rows["subject_id"].to_numpy()):
            block.register(connection)
            stays.append(connection.sql(_STAYS).to_arrow_table())
        connection.register("stay", pa.concat_tables(stays))
        connection.register("cohort_row", window_table(rows, task))
        found = connection.sql(_LAST_FREE_DAY).fetchnumpy()
    free = np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[D]")
    free[found["row"]] = found["day"].astype("datetime64[D]")
    return free


def window_ends(rows: pa.Table, task: Mapping[str, Any]) -> Days:
    """First day after the window of each row, shape (rows,)."""
    ends: Days = window_table(rows, task)["window_end"].to_numpy().astype("datetime64[D]")
    return ends


def planted(subject_id: npt.NDArray[np.int64], days: Days, code: str) -> pa.Table:
    """Events with ``code`` at the first moment of each person's day; where it is NaT there is none.

    Both arrays have the shape (events,).
    """
    is_day = ~np.isnat(days)
    count = int(is_day.sum())
    columns = {
        "subject_id": subject_id[is_day],
        "time": days[is_day].astype("datetime64[us]"),
        "code": [code] * count,
        **{name: pa.nulls(count) for name in ("numeric_value", "visit_id", "source_code")},
    }
    return pa.table(columns).select(EVENTS.names).cast(EVENTS)


def write_events(events: Sequence[pa.Table], path: Path) -> Path:
    """Write the events of several tables as one events.parquet; return ``path``."""
    table = pa.concat_tables(events)
    keys = [(name, "ascending", "at_start") for name in _ORDER]
    order = pc.sort_indices(table, sort_keys=keys)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.take(order), path)
    return path
