"""Means and shares with bootstrap intervals: ratios of sums over rows, many at once.

A mean over persons is sum(value) / number of persons, codes a visit are sum(codes) / sum(visits), a
share is sum(has it) / number of persons: each is a sum of numerators over a sum of denominators.
The draws are those of every metric (``bootstrap.set_draws``): whole matched sets, each fold by its
own draws. Draw d of a ratio over several folds adds up the folds' draws d.

    ratio_k = sum_f sum_r w_fr numerator_frk / sum_f sum_r w_fr denominator_frk

Rows of a set have the same weight w, so their sums are taken once a set, and all draws of all
ratios are one product of matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from visitseq.evaluate.bootstrap import Groups, set_draws
from visitseq.evaluate.estimate import Estimate, undefined, with_interval
from visitseq.evaluate.ranking import ratio

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of some ratios in the rows of one fold.

    Attributes
    ----------
    fold
        Number of the fold, which with the seed decides the draws.
    groups
        What is drawn: sets or persons.
    numerators
        Shape (rows, ratios), dense or sparse.
    denominators
        Shape (rows, ratios), or (rows, 1) where all ratios have the same.
    """

    fold: int
    groups: Groups
    numerators: Any
    denominators: Any


def estimate_ratios(
    folds: Sequence[Terms], draws: int, seed: int, reason: str = "no person"
) -> list[Estimate]:
    """Each ratio over all folds, with its 95% interval.

    Parameters
    ----------
    folds
        The terms of the ratios in each fold, at least one.
    draws, seed
        Number and seed of the bootstrap draws.
    reason
        Why a ratio whose denominators are all 0 has no value.
    """
    of_folds = [_sums(terms, draws, seed) for terms in folds]
    above, below = (np.sum(np.stack(sums), axis=0) for sums in zip(*of_folds, strict=True))
    quotients = ratio(above, below)
    values, drawn = quotients[0], quotients[1:]
    groups = sum(len(terms.groups.ids) for terms in folds)
    return [
        undefined(reason) if np.isnan(value) else with_interval(float(value), column, groups)
        for value, column in zip(values, drawn.T, strict=True)
    ]


def _sums(terms: Terms, draws: int, seed: int) -> tuple[Floats, Floats]:
    """Sums of numerators and denominators, of the rows as they are and then of each draw.

    Shape (1 + draws, ratios), or (1 + draws, 1) where all ratios have the same denominator.
    """
    rows, groups = terms.groups.rows, len(terms.groups.ids)
    places = (rows, np.arange(len(rows)))
    in_group = sparse.csr_matrix((np.ones(len(rows)), places), shape=(groups, len(rows)))
    above, below = in_group @ terms.numerators, in_group @ terms.denominators
    drawn = set_draws(terms.groups.ids, draws, seed, terms.fold, len(rows)) if groups else ()
    # The rows as they are weigh 1 each. Without any group no draw has anything in it.
    weights = chain([np.ones((1 if groups else 1 + draws, groups))], drawn)
    sums = [(counts @ above, counts @ below) for counts in weights]
    numerators, denominators = (np.concatenate(column) for column in zip(*sums, strict=True))
    return numerators, denominators
