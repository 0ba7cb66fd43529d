"""Optimal matching: the controls that suit all cases best together, each used once.

Best means, in this order: as many cases as possible have a control, there are as many pairs as
possible, and the sum of the distances is as small as possible. Most cases and most pairs never
conflict: a matching that reaches the most cases can always be extended by augmenting paths, which
leave every case matched that was, to one with the most pairs.

Each case has a place for every control that it can get. Its first place costs 2P if it stays empty,
its others P, where P exceeds any sum of distances: an empty place weighs more than all distances,
and a case without any control weighs once more. Finding the smallest total cost is an assignment
problem (Crouse, IEEE TAES 2016, as in SciPy): rows are places, columns controls. A control that is
not eligible for a place costs what the empty place costs, and columns without a control are added
until every place can have one.

Cases that compete for no control are solved apart: the pieces are the connected components of the
graph of eligible pairs, so cases that differ in what they are exactly matched on never meet.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from visitseq.cohort.day_lists import Rows
from visitseq.cohort.records import Floats
from visitseq.errors import UserError

#: Largest matrix of distances that is solved, in bytes.
LARGEST_MATRIX = 2**30


def assign_controls(
    eligible: Sequence[Rows], distances: Sequence[Floats], ratio: int, persons: int
) -> list[Rows]:
    """Give each case up to ``ratio`` of its eligible controls, each control to one case only.

    Parameters
    ----------
    eligible, distances
        For each case its eligible controls (rows), and how far they are from it.
    ratio
        Controls a case at most.
    persons
        Number of rows that a control can have.

    Returns
    -------
    drawn
        For each case its controls, ascending.

    Raises
    ------
    UserError
        A set of cases that compete for controls is too large for an exact solution.
    """
    drawn = [np.array([], dtype=np.int32) for _ in eligible]
    for cases in _pieces(eligible, persons):
        solved = _solve([eligible[c] for c in cases], [distances[c] for c in cases], ratio)
        for case, controls in zip(cases, solved, strict=True):
            drawn[case] = controls
    return drawn


def _pieces(eligible: Sequence[Rows], persons: int) -> list[list[int]]:
    """Cases that share eligible controls, directly or through others; none for a case without."""
    lengths = [len(rows) for rows in eligible]
    case = np.repeat(np.arange(len(eligible)), lengths)
    control = np.concatenate([*eligible, np.array([], dtype=np.int32)]) + len(eligible)
    nodes = len(eligible) + persons
    edges = coo_array((np.ones(len(case), dtype=np.int8), (case, control)), shape=(nodes, nodes))
    label = connected_components(edges.tocsr(), directed=False)[1][: len(eligible)]
    pieces: dict[int, list[int]] = {}
    for number, length in enumerate(lengths):
        if length:
            pieces.setdefault(int(label[number]), []).append(number)
    return list(pieces.values())


def _solve(eligible: list[Rows], distances: list[Floats], ratio: int) -> list[Rows]:
    """Solve the assignment of one piece."""
    controls = np.unique(np.concatenate(eligible))
    places = [min(ratio, len(rows)) for rows in eligible]
    height, width = sum(places), max(sum(places), len(controls))
    _refuse_large(height, width, len(eligible), len(controls))
    empty = 1 + sum(
        count * float(distance.max()) for count, distance in zip(places, distances, strict=True)
    )
    cost = np.full((height, width), empty)
    starts = np.concatenate([[0], np.cumsum(places)])
    cost[starts[:-1]] = 2 * empty
    for start, count, rows, distance in zip(starts, places, eligible, distances, strict=False):
        cost[start : start + count, np.searchsorted(controls, rows)] = distance
    place, column = linear_sum_assignment(cost)
    filled = cost[place, column] < empty
    chosen = np.where(filled, column, width)  # beyond the last control where a place stays empty
    return [
        controls[np.sort(mine[mine < len(controls)])] for mine in np.split(chosen, starts[1:-1])
    ]


def _refuse_large(height: int, width: int, cases: int, controls: int) -> None:
    size = height * width * 8
    if size > LARGEST_MATRIX:
        raise UserError(
            f"optimal matching of {cases} cases ({height} places) that compete for {controls} "
            f"controls needs {size / 2**30:.1f} GiB, more than {LARGEST_MATRIX / 2**30:.0f} GiB; "
            "choose matching method nearest, a lower ratio, narrower calipers, or an exact "
            "criterion more"
        )
