"""truth.parquet: what the records hide, a row a person.

No stage that a model passes through reads it; only the oracle (evaluate/oracle.py) does.
"""

import numpy as np
import pyarrow as pa

from visitseq.simulate.hazard import Float32, Int
from visitseq.simulate.history import History
from visitseq.simulate.parameters import NEVER
from visitseq.simulate.ticks import TICK_START, tick_of

DEFECT = pa.struct([("table", pa.string()), ("defect", pa.string()), ("rows", pa.int32())])

#: The day of the diagnosis of heart failure (null without one); how readily the person attends
#: (mean 1); the days at which the hazard of the diagnosis changes, the first being the first of the
#: record, and the log of the hazard a year from each of them on; the defects planted in the
#: person's rows, by table and kind.
TRUTH = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("onset", pa.date32()),
        ("attendance", pa.float32()),
        ("hazard_day", pa.list_(pa.date32())),
        ("log_hazard", pa.list_(pa.float32())),
        ("defects", pa.list_(DEFECT)),
    ]
)


def truth_table(history: History, person_id: Int) -> pa.Table:
    """Truth of a block, without defects."""
    days, values = _change_points(history.log_hazard, history.persons.entry, history.exit)
    size = len(person_id)
    columns = {
        "subject_id": person_id,
        "onset": _dates(history.diagnosis),
        "attendance": history.persons.attendance.astype(np.float32),
        "hazard_day": days,
        "log_hazard": values,
        "defects": pa.array([[]] * size, type=TRUTH.field("defects").type),
    }
    return pa.table(columns, schema=TRUTH)


def with_defects(truth: pa.Table, planted: pa.Table) -> pa.Table:
    """``truth`` with the defects of messy.py, whose table is sorted by subject_id."""
    subject = planted["subject_id"].to_numpy()
    ends = np.searchsorted(subject, truth["subject_id"].to_numpy(), side="right")
    offsets = pa.array(np.append(0, ends).astype(np.int32))
    columns = [planted[field.name].combine_chunks().cast(field.type) for field in DEFECT]
    structs = pa.StructArray.from_arrays(columns, fields=list(DEFECT))
    defects = pa.ListArray.from_arrays(offsets, structs)
    return truth.set_column(TRUTH.get_field_index("defects"), TRUTH.field("defects"), defects)


def _change_points(log_hazard: Float32, entry: Int, last: Int) -> tuple[pa.Array, pa.Array]:
    """Days at which each person's log hazard changes between entry and last day, and its values."""
    changes = np.diff(log_hazard, axis=1, prepend=np.float32(np.nan)) != 0
    row, first = np.arange(len(entry)), tick_of(entry)
    changes[row, first] = True
    within = np.arange(log_hazard.shape[1])
    changes &= (within >= first[:, None]) & (within <= tick_of(last)[:, None])
    person, tick = np.nonzero(changes)
    day = np.maximum(TICK_START[tick], entry[person])
    offsets = pa.array(np.append(0, np.cumsum(changes.sum(axis=1))).astype(np.int32))
    dates = pa.array(day.astype(np.int32)).cast(pa.date32())
    values = pa.array(log_hazard[person, tick])
    return pa.ListArray.from_arrays(offsets, dates), pa.ListArray.from_arrays(offsets, values)


def _dates(day: Int) -> pa.Array:
    """Days since 1970-01-01 as dates, null where ``NEVER``."""
    return pa.array(day.astype(np.int32), mask=day == NEVER).cast(pa.date32())
