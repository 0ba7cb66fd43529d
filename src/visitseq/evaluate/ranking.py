"""Metrics of the order of the scores, each on many weightings of the rows at once.

With the rows by falling score, TP and FP are the cumulated weights of cases and controls at the
end of each run of ties, P and N their totals:

    AUROC                     area under (FP / N, TP / P) by trapezoids: ties count half
    AUPRC                     average precision: sum of (TP_k - TP_(k-1)) / P x TP_k / (TP_k + FP_k)
    sensitivity at            the largest TP / P of any threshold with FP / N within
    a specificity s           1 - s, without interpolation
    concordance within sets   share of pairs of a case and a control of the same set in which the
                              case has the higher score, ties half; pairs of all sets pooled

Each function takes ``weights`` of shape (draws, rows) and returns one value a draw, NaN where it
is undefined. Sums run in one fixed order (no BLAS), so that the bytes do not depend on threads.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.mid_ranks import mid_ranks
from visitseq.evaluate.scored_rows import ScoredRows

Floats = npt.NDArray[np.float64]


class Curve(NamedTuple):
    """Cumulated weights of cases and controls, none to all, shape (draws, thresholds + 1)."""

    true_positives: Floats
    false_positives: Floats


def roc_curve(rows: ScoredRows, weights: Floats) -> Curve:
    """Cumulate the weights of cases and controls down to each distinct score."""
    ends = rows.tie_ends
    return Curve(_cumulate(weights * rows.case, ends), _cumulate(weights * ~rows.case, ends))


def area_under_roc(curve: Curve) -> Floats:
    """AUROC of each draw."""
    positives, negatives = curve
    heights = (positives[:, 1:] + positives[:, :-1]) / 2
    area = np.einsum("dk,dk->d", np.diff(negatives, axis=1), heights)
    return ratio(area, positives[:, -1] * negatives[:, -1])


def average_precision(curve: Curve) -> Floats:
    """AUPRC of each draw, NaN unless it has both classes."""
    positives, negatives = curve
    precision = ratio(positives[:, 1:], positives[:, 1:] + negatives[:, 1:])
    gained = np.diff(positives, axis=1)
    area = np.einsum("dk,dk->d", gained, np.where(gained > 0, precision, 0.0))
    return np.where(negatives[:, -1] > 0, ratio(area, positives[:, -1]), np.nan)


def sensitivity_at(curve: Curve, specificity: float) -> Floats:
    """Largest sensitivity of each draw whose specificity is at least ``specificity``."""
    positives, negatives = curve
    total = negatives[:, -1:]
    allowed = negatives <= total * (1 - specificity + 1e-9)  # 1 of 10 is within 1 - 0.9
    sensitivity = np.where(allowed, positives, 0.0).max(axis=1)
    return np.where(total[:, 0] > 0, ratio(sensitivity, positives[:, -1]), np.nan)


def concordance_within_sets(rows: ScoredRows, weights: Floats) -> Floats:
    """Share of the pairs within matched sets that the score orders rightly, in each draw."""
    # Rows of a set share their weight: that of its first row. A set may have no row here.
    present, first = np.unique(rows.groups.rows, return_index=True)
    pairs, concordant = (of_groups[present] for of_groups in set_pairs(rows))
    set_weights = weights[:, first]  # (draws, groups present)
    return ratio(
        np.einsum("dg,g->d", set_weights, concordant), np.einsum("dg,g->d", set_weights, pairs)
    )


def set_pairs(rows: ScoredRows) -> tuple[Floats, Floats]:
    """Case-control pairs of each group, and how many of them are in order (ties half).

    By the rank sum: with ranks 1 … n within a set from the lowest score on (ties share their mean
    rank), the pairs in order are the cases' ranks less their smallest sum, c (c + 1) / 2.

    Returns
    -------
    pairs, concordant
        Shape (groups,); 0 for a person without a set.
    """
    groups = len(rows.groups.ids)
    index, case = rows.groups.rows[rows.matched], rows.case[rows.matched]
    ranks = mid_ranks(rows.score[rows.matched], index)
    cases = np.bincount(index, weights=case, minlength=groups)
    controls = np.bincount(index, weights=~case, minlength=groups)
    rank_sum = np.bincount(index, weights=ranks * case, minlength=groups)
    pairs = (cases * controls).astype(np.float64)
    return pairs, rank_sum - cases * (cases + 1) / 2


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, NaN where the denominator is 0."""
    result = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _cumulate(weights: Floats, ends: npt.NDArray[np.int64]) -> Floats:
    totals = np.cumsum(weights, axis=1)[:, ends]
    return np.concatenate([np.zeros((len(weights), 1)), totals], axis=1)
