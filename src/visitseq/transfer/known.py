"""What an arm knows of the codes (or labels) of the target, and where its weights come from.

With the ids of the pair's vocabulary, in which the source's codes have the ids that they had:

    scratch      codes that stand in min_count visits or more of the drawn training rows
    fine_tuned   what the source's model knows, and those
    last_layer   what the source's model knows, and of those the ones with a known ancestor:
                 nothing would ever move a fresh row off the number at which it began

The row of a code that the source's model knows is carried over. Any other starts from the row of
its nearest ancestor that the source's model knows (the fewest steps up, then the smallest id), and
without one from a fresh row.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.encode.sequences import VisitLists, code_positions, gather_lists

Ids = npt.NDArray[np.int32]


def frequent_codes(visits: VisitLists, rows: npt.NDArray[np.intp], min_count: int) -> Ids:
    """Ids of the codes that stand in ``min_count`` visits or more of ``rows``, ascending.

    It is what ``known_codes`` finds in the counts of a vocabulary, of any rows.
    """
    places, _ = gather_lists(visits.visit_offsets, rows)
    entries, _ = gather_lists(visits.code_offsets, places)
    return np.flatnonzero(np.bincount(visits.codes[entries]) >= min_count).astype(np.int32)


def nearest_ancestors(ancestors: pa.Table, of: str, known: Ids) -> tuple[Ids, Ids]:
    """Ids that have an ancestor in ``known``, ascending, and the nearest of each.

    Parameters
    ----------
    ancestors
        Table of the pair's ancestors.parquet.
    of
        code or label.
    known
        Ids that the source's model knows, ascending.
    """
    own = ancestors.filter(pc.equal(ancestors["of"], of))
    ids, above, levels = (own[name].to_numpy() for name in ("id", "ancestor", "levels"))
    order = np.lexsort([above, levels, ids])
    order = order[code_positions(above[order], known) >= 0]
    found, first = np.unique(ids[order], return_index=True)
    return found.astype(np.int32), above[order][first].astype(np.int32)


def codes_of_arm(strategy: str, frequent: Ids, source: Ids, with_ancestor: Ids) -> Ids:
    """Ids that an arm knows, ascending.

    Parameters
    ----------
    strategy
        The arm's.
    frequent
        Ids that its training rows hold often enough.
    source
        Ids that the source's model knows.
    with_ancestor
        Ids with an ancestor among those.
    """
    if strategy == "scratch":
        return frequent
    if strategy == "last_layer":
        frequent = np.intersect1d(frequent, with_ancestor)
    return np.union1d(source, frequent)


def origins(known: Ids, source: Ids, nearest: tuple[Ids, Ids]) -> npt.NDArray[np.intp]:
    """Row of the source's table from which each of ``known`` starts, -1 for a fresh row.

    Parameters
    ----------
    known
        Ids that the arm knows, ascending.
    source
        Ids that the source's model knows, ascending: the rows of its table.
    nearest
        Of ``nearest_ancestors``.
    """
    ids, ancestors = nearest
    place = code_positions(known, ids)
    inherited = known.copy()
    inherited[place >= 0] = ancestors[place[place >= 0]]
    carried = code_positions(known, source)
    return np.where(carried >= 0, carried, code_positions(inherited, source)).astype(np.intp)
