"""How well a score orders persons who are alike in something else, such as their number of visits.

A pair of a case and a control counts where both stand in the same stratum. With A_k the AUROC of
stratum k and n_k its case-control pairs, the AUROC within strata is

    sum of n_k A_k / sum of n_k

the share of such pairs in which the case has the higher score, ties half. A score that says nothing
but the stratum is at 0.5. On a bootstrap draw, A_k and n_k are those of the drawn rows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.evaluate import ranking
from visitseq.evaluate.ranking import ratio
from visitseq.evaluate.scored_rows import ScoredRows

Floats = npt.NDArray[np.float64]

STRATA = 4


class Pairs(NamedTuple):
    """Case-control pairs of each stratum, and those in order, shape (draws, strata) each."""

    number: Floats
    concordant: Floats

    @property
    def by_stratum(self) -> Floats:
        """AUROC of each stratum, shape (draws, strata); NaN where it has no pair."""
        return ratio(self.concordant, self.number)

    @property
    def within(self) -> Floats:
        """AUROC within strata, shape (draws,)."""
        return ratio(self.concordant.sum(axis=1), self.number.sum(axis=1))


def cut_points(values: Floats) -> Floats:
    """Quartiles of the values, shape (STRATA - 1,)."""
    return np.quantile(values, np.arange(1, STRATA) / STRATA)


def stratum_of(values: Floats, cuts: Floats) -> npt.NDArray[np.int64]:
    """Stratum of each value, 0 for those up to the first cut point, shape (rows,)."""
    return np.searchsorted(cuts, values, side="left").astype(np.int64)


def pairs_within(strata: Sequence[ScoredRows]) -> Pairs:
    """Count the pairs of each stratum's rows as they are: one draw in which each row weighs 1."""
    return _stacked([_pairs(rows, np.ones((1, len(rows)))) for rows in strata])


def pair_draws(strata: Sequence[ScoredRows], draws: int, seed: int, fold: int) -> Pairs:
    """Count the pairs of each stratum on each bootstrap draw."""
    return _stacked([_drawn_pairs(rows, draws, seed, fold) for rows in strata])


def _drawn_pairs(rows: ScoredRows, draws: int, seed: int, fold: int) -> Pairs:
    chunks = [_pairs(rows, weights) for weights in rows.weights(draws, seed, fold)]
    return Pairs(*(np.concatenate(columns) for columns in zip(*chunks, strict=True)))


def _pairs(rows: ScoredRows, weights: Floats) -> Pairs:
    """Count the pairs of one stratum, shape (draws,)."""
    if not len(rows):
        return Pairs(np.zeros(len(weights)), np.zeros(len(weights)))
    curve = ranking.roc_curve(rows, weights)
    number = curve.true_positives[:, -1] * curve.false_positives[:, -1]
    return Pairs(number, np.nan_to_num(ranking.area_under_roc(curve)) * number)


def _stacked(strata: Sequence[Pairs]) -> Pairs:
    return Pairs(*(np.stack(columns, axis=1) for columns in zip(*strata, strict=True)))
