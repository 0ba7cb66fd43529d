"""What predictions of the next visit are worth.

Over all visits that hold labels, with n labels in a visit and the k likeliest predicted,

    recall_at_k            sum of hits / sum of n
    recall_ceiling_at_k    sum of min(k, n) / sum of n: no list of k can do better
    patient_recall_at_k    mean over persons of their own hits / n, summed over their visits
    precision_at_k         sum of hits / (k x visits)
    ndcg_at_k              mean over visits of sum over hits of 1 / log2(1 + rank), divided by what
                           it is when the first min(k, n) ranks are hits

(Choi et al., Doctor AI, MLHC 2016, for the recall; Järvelin and Kekäläinen, ACM TOIS 2002;20:422,
for the last). Labels that the fold does not know count as missed; of a model from
another hospital recall_source_labels_at_k is the recall over the labels that it knew as it came.
Over all visits that are
predicted, with d the logarithm of the days since the visit before (at least 1) and d* the predicted
one,

    r2_log_days            1 - sum (d - d*)^2 / sum (d - mean d)^2, the mean that of the part scored
    mae_days               mean |days - exp(d*)|

All are sums over persons, whose visits the bootstrap draws together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.evaluate.bootstrap import Groups, resampling_groups
from visitseq.evaluate.estimate import Estimate, undefined, with_interval
from visitseq.evaluate.ranking import ratio
from visitseq.evaluate.ratios import Ratio, ratio_draws, ratios_with_intervals, sum_draws
from visitseq.evaluate.recall import CUTS, NO_LABEL, rank_labels

#: The metrics, in the order in which they are estimated.
METRICS = (
    *(
        f"{name}_at_{k}"
        for name in ("recall", "recall_ceiling", "patient_recall", "precision", "ndcg")
        for k in CUTS
    ),
    *("r2_log_days", "mae_days"),
)

#: Beside them, of a model from another hospital.
SOURCE_METRICS = tuple(f"recall_source_labels_at_{k}" for k in CUTS)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Logarithm of days from which on all are the same.
LARGEST = 500.0

#: Why a metric of the days is undefined.
NO_DAYS, SAME_DAYS = "no predicted days", "no two visits with different days before them"


@dataclass(frozen=True, eq=False)
class PredictedVisits:
    """Visits that were predicted, as NEXT_VISITS has them.

    Attributes
    ----------
    ranks, visit
        Place of each label in the list of its visit, 1 for the best, 0 where it is not in it; and
        the visit of each label, shape (labels,).
    labels
        Ids of the labels, shape (labels,).
    number
        Which visit of its person each is, from 0, shape (visits,).
    days, predicted_log_days
        Days since the visit before, and the logarithm of those predicted (NaN if none), shape
        (visits,).
    groups
        What the bootstrap draws: the visits of a person.
    """

    ranks: Integers
    visit: Integers
    labels: Integers
    number: Integers
    days: Floats
    predicted_log_days: Floats
    groups: Groups

    @classmethod
    def from_predictions(cls, predictions: pa.Table) -> "PredictedVisits":
        """Take the rows of a predictions.parquet."""
        subjects = predictions["subject_id"]
        nobody = pa.chunked_array([pa.nulls(len(subjects), pa.int64())])
        labels, top = (predictions[name].combine_chunks() for name in ("labels", "top"))
        predicted = predictions["predicted_log_days"].to_numpy().astype(np.float64)
        return cls(
            *rank_labels(labels, top),
            labels=labels.flatten().to_numpy().astype(np.int64),
            number=predictions["visit"].to_numpy().astype(np.int64),
            days=predictions["days"].to_numpy().astype(np.float64),
            predicted_log_days=predicted,
            groups=resampling_groups(nobody, subjects),
        )

    @property
    def sizes(self) -> Integers:
        """Labels of each visit, shape (visits,)."""
        return np.bincount(self.visit, minlength=len(self.number))

    def of_visits(self, values: npt.NDArray[np.generic]) -> Floats:
        """Sum of ``values``, one a visit, over each group's visits, shape (groups,)."""
        return np.bincount(self.groups.rows, values, len(self.groups.ids)).astype(np.float64)

    def of_labels(self, values: npt.NDArray[np.generic]) -> Floats:
        """Sum of ``values``, one a label, over each group's labels, shape (groups,)."""
        rows = self.groups.rows[self.visit]
        return np.bincount(rows, values, len(self.groups.ids)).astype(np.float64)

    def hits(self, k: int) -> npt.NDArray[np.bool_]:
        """Whether each label stands among the first ``k`` of its visit's list, shape (labels,)."""
        return (self.ranks > 0) & (self.ranks <= k)


def estimate_next_visits(
    visits: PredictedVisits,
    draws: int,
    seed: int,
    fold: int,
    source_labels: npt.NDArray[np.int32] | None = None,
) -> dict[str, Estimate]:
    """Estimate every metric on the visits of one part.

    With ``source_labels`` (ids), those over the labels that a source knew stand beside them.
    """
    return estimates_and_draws(visits, draws, seed, fold, source_labels)[0]


def next_visit_draws(
    visits: PredictedVisits,
    draws: int,
    seed: int,
    fold: int,
    source_labels: npt.NDArray[np.int32] | None = None,
) -> dict[str, Floats]:
    """Each metric on each bootstrap draw, shape (draws,), NaN where it is undefined."""
    return estimates_and_draws(visits, draws, seed, fold, source_labels)[1]


def estimates_and_draws(
    visits: PredictedVisits,
    draws: int,
    seed: int,
    fold: int,
    source_labels: npt.NDArray[np.int32] | None = None,
) -> tuple[dict[str, Estimate], dict[str, Floats]]:
    """Give both, of the same draws."""
    ids, days, sums = visits.groups.ids, {"mae_days": _days_ratio(visits)}, days_sums(visits)
    ratios = label_ratios(visits, source_labels)
    drawn = ratio_draws(ids, ratios | days, draws, seed, fold)
    drawn["r2_log_days"] = r2_of_sums(sum_draws(ids, sums, draws, seed, fold))
    estimates = ratios_with_intervals(ratios, drawn, len(ids), NO_LABEL)
    estimates["r2_log_days"] = _estimate_r2(sums, drawn["r2_log_days"], len(ids))
    return estimates | ratios_with_intervals(days, drawn, len(ids), NO_DAYS), drawn


def _estimate_r2(sums: Mapping[str, Floats], drawn: Floats, groups: int) -> Estimate:
    total = {name: values.sum(keepdims=True) for name, values in sums.items()}
    value = float(r2_of_sums(total)[0])
    if np.isnan(value):
        return undefined(SAME_DAYS if total["count"][0] else NO_DAYS)
    return with_interval(value, drawn, groups)


def estimate_recall(
    visits: PredictedVisits, k: int, draws: int, seed: int, fold: int
) -> tuple[dict[str, Estimate], dict[str, Floats]]:
    """Estimate the recall at k alone, and give its draws."""
    ids = visits.groups.ids
    labels = visits.of_visits(visits.sizes)
    ratios: dict[str, Ratio] = {f"recall_at_{k}": (visits.of_labels(visits.hits(k)), labels)}
    drawn = ratio_draws(ids, ratios, draws, seed, fold)
    return ratios_with_intervals(ratios, drawn, len(ids), NO_LABEL), drawn


def label_ratios(
    visits: PredictedVisits, source_labels: npt.NDArray[np.int32] | None = None
) -> dict[str, Ratio]:
    """Sums of each group behind the metrics of labels."""
    sizes = visits.sizes
    labels, labelled = visits.of_visits(sizes), visits.of_visits(sizes > 0)
    found: dict[str, Ratio] = {}
    hits = {k: visits.of_labels(visits.hits(k)) for k in CUTS}
    found |= {f"recall_at_{k}": (hits[k], labels) for k in CUTS}
    found |= {
        f"recall_ceiling_at_{k}": (visits.of_visits(np.minimum(k, sizes)), labels) for k in CUTS
    }
    seen = (labels > 0).astype(np.float64)
    found |= {f"patient_recall_at_{k}": (np.nan_to_num(ratio(hits[k], labels)), seen) for k in CUTS}
    found |= {f"precision_at_{k}": (hits[k], k * labelled) for k in CUTS}
    found |= {f"ndcg_at_{k}": (visits.of_visits(_ndcg(visits, k)), labelled) for k in CUTS}
    return found if source_labels is None else found | _source_ratios(visits, source_labels)


def _source_ratios(
    visits: PredictedVisits, source_labels: npt.NDArray[np.int32]
) -> dict[str, Ratio]:
    """Sums behind the recall over the labels that a source knew."""
    known = np.isin(visits.labels, source_labels)
    labels = visits.of_labels(known)
    return {
        name: (visits.of_labels(known & visits.hits(k)), labels)
        for name, k in zip(SOURCE_METRICS, CUTS, strict=True)
    }


def _ndcg(visits: PredictedVisits, k: int) -> Floats:
    """NDCG at k of each visit, 0 without labels."""
    discount = 1 / np.log2(1 + np.maximum(visits.ranks, 1))
    gained = np.bincount(visits.visit, visits.hits(k) * discount, len(visits.number))
    best = np.concatenate([[0.0], np.cumsum(1 / np.log2(1 + np.arange(1, k + 1)))])
    return np.nan_to_num(ratio(gained.astype(np.float64), best[np.minimum(k, visits.sizes)]))


def _log_days(visits: PredictedVisits) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """True and predicted logarithm of the days, and which visits have both."""
    timed = ~np.isnan(visits.predicted_log_days)
    true = np.log(np.maximum(visits.days, 1))
    return true, np.where(timed, visits.predicted_log_days, 0.0), timed


def _days_ratio(visits: PredictedVisits) -> Ratio:
    _, predicted, timed = _log_days(visits)
    # Cut where the days of a network that diverged would be more than a number can hold.
    error = np.abs(np.maximum(visits.days, 1) - np.exp(np.minimum(predicted, LARGEST))) * timed
    return visits.of_visits(error), visits.of_visits(timed)


def days_sums(visits: PredictedVisits, centre: float | None = None) -> dict[str, Floats]:
    """Sums of each group behind the R2, shape (groups,) each.

    Parameters
    ----------
    visits
        The predicted visits.
    centre
        What the spread of the logarithms is taken about; None for their mean, in each draw its own.
    """
    true, predicted, timed = _log_days(visits)
    if centre is None:
        # Any shift is right here: r2_of_sums takes out what is left of the mean.
        centred = (true - true[timed].mean()) * timed if timed.any() else np.zeros(len(true))
    else:
        centred = (true - centre) * timed
    return {
        "error": visits.of_visits(np.square(true - predicted) * timed),
        "square": visits.of_visits(np.square(centred)),
        "sum": visits.of_visits(centred if centre is None else np.zeros(len(true))),
        "count": visits.of_visits(timed),
    }


def r2_of_sums(sums: Mapping[str, Floats]) -> Floats:
    """R2 of each draw of ``days_sums``, NaN where the days do not vary."""
    spread = sums["square"] - np.nan_to_num(ratio(np.square(sums["sum"]), sums["count"]))
    return 1 - ratio(sums["error"], np.where(spread > 1e-9 * sums["count"], spread, 0.0))
