"""How many of a visit's labels stand among the first k of a ranked list.

    recall@k = sum of hits / sum of labels        over all visits that have labels

(Choi et al., Doctor AI, MLHC 2016): pooled, so that a visit with many labels counts for more than
one with a single label; a visit without labels adds to neither sum. It cannot exceed min(k, labels)
/ labels. One function computes it on a matrix of weights, a row a bootstrap draw; a person's visits
are drawn together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.evaluate.bootstrap import Groups, resampling_groups
from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.ratios import Ratio, estimate_ratios, ratio_draws

Integers = npt.NDArray[np.int64]

#: The k of metrics.json.
CUTS = (10, 20, 30)

#: Why a recall is undefined.
NO_LABEL = "no visit with a label"


@dataclass(frozen=True, eq=False)
class RankedVisits:
    """Visits that were predicted.

    Attributes
    ----------
    ranks
        Place of each label in the list of its visit, 1 for the best, 0 where it is not in it; the
        labels of all visits one after the other, shape (labels,).
    visit
        The visit of each label, shape (labels,).
    ahead
        How many visits ahead each visit lies, shape (visits,).
    groups
        What the bootstrap draws: the visits of a person.
    """

    ranks: Integers
    visit: Integers
    ahead: Integers
    groups: Groups

    @classmethod
    def from_predictions(cls, predictions: pa.Table) -> "RankedVisits":
        """Take the rows of a predictions.parquet of a forecast."""
        subjects = predictions["subject_id"]
        nobody = pa.chunked_array([pa.nulls(len(subjects), pa.int64())])
        labels, top = (predictions[name].combine_chunks() for name in ("labels", "top"))
        return cls(
            *rank_labels(labels, top),
            ahead=predictions["ahead"].to_numpy().astype(np.int64),
            groups=resampling_groups(nobody, subjects),
        )


def rank_labels(labels: pa.ListArray, top: pa.ListArray) -> tuple[Integers, Integers]:
    """Ranks and visits of all labels, as ``RankedVisits`` has them; ids are not negative."""
    visit, label, _ = _flat(labels)
    in_visit, predicted, place = _flat(top)
    width = 1 + max(label.max(initial=0), predicted.max(initial=0))
    keys, wanted = in_visit * width + predicted, visit * width + label
    order = np.argsort(keys, kind="stable")
    found = np.searchsorted(keys[order], wanted)
    # A last key that nothing equals, for what would stand behind all others.
    is_hit = np.append(keys[order], -1)[found] == wanted
    return np.where(is_hit, np.append(place[order] + 1, 0)[found], 0), visit


def _flat(lists: pa.ListArray) -> tuple[Integers, Integers, Integers]:
    """List, value and place in its list of every value."""
    lengths = np.diff(lists.offsets.to_numpy())
    of_list = np.repeat(np.arange(len(lengths)), lengths)
    values = lists.flatten().to_numpy().astype(np.int64)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return of_list, values, np.arange(len(values)) - starts


def recall_at_k(
    labels: Sequence[Sequence[int]],
    top: Sequence[Sequence[int]],
    k: int,
    groups: npt.ArrayLike | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Recall at k with its 95% bootstrap interval.

    Parameters
    ----------
    labels
        The labels that each visit holds, ids from 0 on, each once.
    top
        The labels that were predicted for each visit, best first, each once.
    k
        How many of them count.
    groups
        What the bootstrap draws (a patient's id for each visit), shape (visits,); None draws the
        visits themselves.
    draws
        Number of bootstrap draws.
    seed
        Seed of the draws.

    Returns
    -------
    Estimate
        ``value``, ``low``, ``high``; NaN with a ``reason`` where no visit has a label.

    Raises
    ------
    ValueError
        There are not as many lists of labels as of predictions, or as groups.

    Examples
    --------
    >>> recall_at_k([[3, 5], [], [2]], [[5, 1], [2, 3], [1, 2]], k=1).value
    0.3333333333333333
    """
    own = np.arange(len(labels)) if groups is None else np.asarray(groups)
    if not len(labels) == len(top) == len(own):
        raise ValueError(f"{len(labels)} visits have {len(top)} predictions and {len(own)} groups")
    ids, index = np.unique(own, return_inverse=True)
    visits = RankedVisits(
        *rank_labels(_lists(labels), _lists(top)),
        ahead=np.ones(len(labels), dtype=np.int64),
        groups=Groups(np.arange(len(ids)), index.astype(np.int64)),
    )
    return _estimate(visits, {"recall": (k, None)}, draws, seed, fold=0)["recall"]


def _lists(values: Sequence[Sequence[int]]) -> pa.ListArray:
    return pa.array([list(of_visit) for of_visit in values], pa.list_(pa.int64()))


#: What a metric counts: the k, and the visits ahead or None for all of them.
Metrics = dict[str, tuple[int, int | None]]


def recall_metrics(ahead: int) -> Metrics:
    """Metrics of a forecast of ``ahead`` visits: overall, and by how many visits ahead."""
    overall: Metrics = {f"recall_at_{k}": (k, None) for k in CUTS}
    steps = range(1, ahead + 1)
    return overall | {f"recall_at_{k}_ahead_{step}": (k, step) for k in CUTS for step in steps}


def estimate_recalls(
    visits: RankedVisits, ahead: int, draws: int, seed: int, fold: int
) -> dict[str, Estimate]:
    """Estimate every metric of ``recall_metrics`` on the visits of one part."""
    return _estimate(visits, recall_metrics(ahead), draws, seed, fold)


def recall_draws(
    visits: RankedVisits, ahead: int, draws: int, seed: int, fold: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Each metric on each bootstrap draw, shape (draws,), NaN where it is undefined."""
    return ratio_draws(visits.groups.ids, _ratios(visits, recall_metrics(ahead)), draws, seed, fold)


def _estimate(
    visits: RankedVisits, metrics: Metrics, draws: int, seed: int, fold: int
) -> dict[str, Estimate]:
    ratios, ids = _ratios(visits, metrics), visits.groups.ids
    return estimate_ratios(ids, ratios, draws=draws, seed=seed, fold=fold, reason=NO_LABEL)


def _ratios(visits: RankedVisits, metrics: Metrics) -> dict[str, Ratio]:
    return {name: _sums(visits, *what) for name, what in metrics.items()}


def _sums(visits: RankedVisits, k: int, ahead: int | None) -> Ratio:
    """Hits and labels of each group, shape (groups,) each."""
    of_visit = visits.groups.rows[visits.visit]
    counted = np.ones(len(of_visit)) if ahead is None else visits.ahead[visits.visit] == ahead
    hit = counted * ((visits.ranks > 0) & (visits.ranks <= k))
    groups = len(visits.groups.ids)
    hits, labels = (np.bincount(of_visit, what, groups) for what in (hit, counted))
    return hits.astype(np.float64), labels.astype(np.float64)
