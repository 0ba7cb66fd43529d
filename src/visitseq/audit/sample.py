"""Some of a cohort's matched sets, whole, with their own part of the site's events.

Which sets are drawn is a hash of the seed and the set: it depends on nobody else, and the rows keep
the parts that they have in the study.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.cohort.parts import hash_ids
from visitseq.tables import EVENTS

#: Fewer cases than these, among those learned from and those tested, tell nothing.
TRAINING_CASES, TEST_CASES = 20, 10


def draw_sets(rows: pa.Table, sets: int, seed: int) -> pa.Table:
    """Rows of at most ``sets`` matched sets of a cohort.parquet, in its order.

    Without matching a row is a set of its own person.
    """
    of_row = set_of(rows)
    every = np.unique(of_row)
    drawn = every[np.argsort(hash_ids(every, seed), kind="stable")[:sets]]
    return rows.filter(pa.array(np.isin(of_row, drawn)))


def set_of(rows: pa.Table) -> npt.NDArray[np.int64]:
    """The matched set of each row, or where there is none its person, shape (rows,)."""
    sets: npt.NDArray[np.int64] = pc.coalesce(rows["set_id"], rows["subject_id"]).to_numpy()
    return sets


def events_of(rows: pa.Table, events: Path) -> pa.Table:
    """The events of the persons of ``rows``, in the order of events.parquet."""
    persons = pc.unique(rows["subject_id"])
    table = pq.read_table(events, filters=pc.field("subject_id").isin(persons))
    return table.cast(EVENTS)
