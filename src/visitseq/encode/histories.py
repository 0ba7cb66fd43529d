"""Read the visits.arrow of a task that asks for visits: each person's visits and their labels.

As ``sequences`` does, but with a label list for each visit instead of one outcome for each row,
and without an index date. Everything is a view of the mapped file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.encode.sequences import Integers, VisitLists


@dataclass(frozen=True, eq=False)
class Histories(VisitLists):
    """The visits of each person, and what can be asked of each visit.

    Attributes
    ----------
    label_offsets
        First label of each visit, and the number of labels at the end, shape (visits + 1,).
    labels
        Ids of labels.parquet, sorted and unique within a visit, shape (labels,).
    """

    label_offsets: Integers
    labels: npt.NDArray[np.int32]


def read_histories(path: Path) -> Histories:
    """Map a visits.arrow with targets into memory.

    Raises
    ------
    ValueError
        The file breaks the contract of visits.arrow.
    """
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        if reader.num_record_batches != 1:
            raise ValueError(f"{path}: {reader.num_record_batches} record batches, not one")
        batch = reader.get_batch(0)
    visits = batch.column("visits")
    for name in ("days", "targets"):
        if not batch.column(name).offsets.equals(visits.offsets):
            raise ValueError(f"{path}: {name} has not one entry a visit")
    targets = batch.column("targets").values
    return Histories(
        subject_id=batch.column("subject_id").to_numpy(),
        part=batch.column("part").to_numpy(),
        visit_offsets=visits.offsets.to_numpy(),
        code_offsets=visits.values.offsets.to_numpy(),
        codes=visits.values.values.to_numpy(),
        days=batch.column("days").values.to_numpy(),
        label_offsets=targets.offsets.to_numpy(),
        labels=targets.values.to_numpy(),
    )
