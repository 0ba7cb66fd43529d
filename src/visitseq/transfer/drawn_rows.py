"""Which of the target's rows an arm learns from: a share of the sets, in an order drawn by hash.

Draw d orders the matched sets of the training part (the persons, where there are none) by a hash of
(seed, d, id). A fraction of p per cent takes the first ceil(p / 100 x sets) of them, with all their
rows:

    the rows of a smaller fraction are among those of a larger one
    a set is there as a whole or not at all
    the order hangs on the seed, the draw and the ids, not on who else is in the table

The validation part shrinks alike, in its own order by the same hash, for who has few patients to
learn from has few to choose by. Of 100 per cent all draws have the same rows; they differ in the
random numbers of their training.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.cohort.parts import hash_ids
from visitseq.evaluate.bootstrap import Groups
from visitseq.transfer.arms import Arm


class DrawnRows(NamedTuple):
    """Rows to learn from and rows to choose by, ascending."""

    training: npt.NDArray[np.intp]
    validation: npt.NDArray[np.intp]


def draw_rows(
    rows: npt.NDArray[np.intp], groups: Groups, arm: Arm, seed: int
) -> npt.NDArray[np.intp]:
    """Rows of the arm's share of the sets in ``rows``, ascending.

    Parameters
    ----------
    rows
        Rows of a part, ascending.
    groups
        Set, or person, of each row of the cohort (``resampling_groups``).
    arm
        Its fraction and draw are used, not its strategy: all learn from the same rows.
    seed
        The run's.
    """
    sets, of_row = np.unique(groups.rows[rows], return_inverse=True)
    rank = np.empty(len(sets), dtype=np.int64)
    rank[_order(groups.ids[sets], arm.draw, seed)] = np.arange(len(sets))
    taken = -(-arm.fraction * len(sets) // 100)  # rounded up, in integers
    return rows[rank[of_row] < taken]


def _order(ids: npt.NDArray[np.int64], draw: int, seed: int) -> npt.NDArray[np.intp]:
    """Places of ``ids``, rows (0, set) or (1, person), in the order of the draw."""
    salt = np.random.SeedSequence([seed, draw]).generate_state(1, np.uint64)
    hashes = hash_ids(ids[:, 1], int(salt[0]))
    return np.lexsort([ids[:, 1], ids[:, 0], hashes])
