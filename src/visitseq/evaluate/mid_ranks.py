"""Ranks of scores, those that tie at the middle of the places that they share.

The AUROC, DeLong's variance and the concordance within matched sets are sums of such ranks. They
stand apart from the metrics because training ranks scores too, and is not to be done again where
a metric changes.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def mid_ranks(score: Floats, group: npt.NDArray[np.int64] | None = None) -> Floats:
    """Rank of each score among those of its group, 1 for the lowest; ties share their mean.

    Parameters
    ----------
    score
        Scores, shape (rows,).
    group
        Group of each row, shape (rows,); None for a single one.
    """
    group = np.zeros(len(score), dtype=np.int64) if group is None else group
    order = np.lexsort((score, group))
    new_group = _changes(group[order])
    tie = np.cumsum(new_group | _changes(score[order])) - 1
    place = np.arange(1, len(order) + 1, dtype=np.float64)
    mean_place = np.bincount(tie, weights=place) / np.bincount(tie)
    before = (place[new_group] - 1)[np.cumsum(new_group) - 1]
    ranks = np.empty(len(order))
    ranks[order] = mean_place[tie] - before
    return ranks


def _changes(values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Where a value differs from the one before it; the first always does."""
    changes = np.ones(len(values), dtype=np.bool_)
    changes[1:] = values[1:] != values[:-1]
    return changes
