"""Read the visits.arrow of a task that asks for visits: each person's visits and their labels.

As ``sequences`` does, but with a label list for each visit instead of one outcome for each row,
and without an index date. Everything is a view of the mapped file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visitseq.encode.sequences import (
    Integers,
    VisitLists,
    check_lists,
    open_batch,
    visit_arrays,
)


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
    batch = open_batch(path)
    check_lists(batch, ["days", "targets"], path)
    targets = batch.column("targets").values
    return Histories(
        **visit_arrays(batch),
        label_offsets=targets.offsets.to_numpy(),
        labels=targets.values.to_numpy(),
    )
