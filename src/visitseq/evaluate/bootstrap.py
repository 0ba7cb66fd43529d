"""The bootstrap of matched sets: one draw is a weight for every row.

Rows of a matched set are not independent, so whole sets are drawn with replacement, as many as
there are (the cluster bootstrap: Davison and Hinkley, Bootstrap Methods and their Application,
1997, section 3.8); persons are drawn where there are no sets. A set that is drawn k times gives
its rows the weight k: no row is ever copied, and a metric over many draws is one computation on a
(draws x rows) matrix of weights.

The draws depend on the seed, the fold and the sorted ids of the groups, and on nothing else: all
models that are scored on the same rows see the same draws, whatever the order of the rows. Two
hospitals with equally many sets get draws that have nothing to do with each other.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

CHUNK_CELLS = 2**17  # of the (draws x rows) matrices: 1 MiB each, near the processor


class Groups(NamedTuple):
    """What is drawn: the sorted ids of the groups, and the place of each row's group in them."""

    ids: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


def resampling_groups(set_id: pa.ChunkedArray, subject_id: pa.ChunkedArray) -> Groups:
    """Group the rows by matched set, and by subject where the set is null.

    Returns
    -------
    Groups
        ``ids`` of shape (groups, 2), a row (0, set_id) or (1, subject_id), sorted; ``rows`` of
        shape (rows,).
    """
    single = set_id.is_null().to_numpy()
    own = pc.coalesce(set_id, subject_id).to_numpy()
    ids, index = np.unique(np.column_stack([single, own]), axis=0, return_inverse=True)
    return Groups(ids.astype(np.int64), index.astype(np.int64))


def set_draws(
    ids: npt.NDArray[np.int64], draws: int, seed: int, fold: int, rows: int
) -> Iterator[npt.NDArray[np.int64]]:
    """How often each group is drawn, in chunks of draws.

    Parameters
    ----------
    ids
        Ids of the groups, sorted, shape (groups,) or (groups, parts of an id).
    draws
        Number of draws in all.
    seed, fold
        Seed of the study and number of the fold.
    rows
        Rows that the groups hold; they set how many draws a chunk has, not what is drawn.

    Yields
    ------
    numpy.ndarray
        Counts, shape (draws of this chunk, groups); every row sums to the number of groups.
    """
    generator = np.random.default_rng([seed, fold, *_digest(ids)])
    groups, chunk = len(ids), max(1, CHUNK_CELLS // max(rows, 1))
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        drawn = generator.integers(0, groups, size=(size, groups))
        drawn += groups * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups)


def _digest(ids: npt.NDArray[np.int64]) -> list[int]:
    """Four 32-bit words that stand for ``ids``."""
    digest = hashlib.sha256(np.ascontiguousarray(ids, dtype="<i8").tobytes()).digest()
    return [int(word) for word in np.frombuffer(digest[:16], dtype="<u4")]
