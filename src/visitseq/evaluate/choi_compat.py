"""What the scoring of Doctor AI's released code does to the numbers, defect by defect.

The code (github.com/mp2893/doctorai, testDoctorAI.py) scores otherwise than it trains and otherwise
than the paper says. Each of these is repeated on a trained model as it is, alone and then all at
once; nothing is trained anew:

    first_ten_batches   the loop over batches of 100 patients, the shortest histories first, ends
                        after the tenth: only the 1,000 shortest histories are scored
    linear_embedding    a visit is embedded as U x, where training has tanh(U x + b)
    halved_states       what a layer passes on is multiplied by 0.5, whatever share 1 - q is kept
                        in training (the code's ``dropout_rate`` is the share kept). Training here
                        divides what it keeps by 1 - q, so it is a multiplication by 0.5 / (1 - q)
    mean_duration       R2 = 1 - sum (log days - predicted)^2 / sum (log days - c)^2 with c the
                        logarithm of the mean days of the training visits, in the place of the
                        mean logarithm of those scored: the lower sum grows, and R2 with it
    first_duration      the time before a first visit is log(0 + 1e-8) = -18.4, here log(0 + 1)

The recalls stay those of ``next_visit_metrics``: pooled over visits, where the code averages them.
The interval of a difference is from the draws of persons that all intervals have; who is among the
1,000 is the same in every draw.
"""

import math
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from visitseq.evaluate.estimate import Estimate, undefined, with_interval
from visitseq.evaluate.next_visit_metrics import (
    NO_DAYS,
    SAME_DAYS,
    PredictedVisits,
    days_sums,
    r2_of_sums,
)
from visitseq.evaluate.ranking import ratio
from visitseq.evaluate.ratios import sum_draws
from visitseq.evaluate.recall import CUTS, NO_LABEL
from visitseq.models.batches import Batch
from visitseq.models.next_visit import NextVisitNetwork, StateReader
from visitseq.train.next_visit import NextVisitModel

Floats = npt.NDArray[np.float64]

#: The defects, in the order of the list above.
DEFECTS = (
    *("first_ten_batches", "linear_embedding", "halved_states"),
    *("mean_duration", "first_duration"),
)

#: Persons in the code's first ten batches, and what it adds to days before it takes the logarithm.
SCORED, LOG_EPSILON = 1000, 1e-8


@dataclass(frozen=True, eq=False)
class ScoredPart:
    """The test part, and what scores it.

    Attributes
    ----------
    model
        The model, as it was trained.
    visits
        The visits as it predicts them.
    predict
        Predicts the same visits with another model.
    mean_days
        Mean days between the visits of the training rows.
    """

    model: NextVisitModel
    visits: PredictedVisits
    predict: Callable[[NextVisitModel], PredictedVisits]
    mean_days: float


def score_as_released(part: ScoredPart, draws: int, seed: int, fold: int) -> dict[str, Any]:
    """Score a model with each defect of the released code, and with all of them.

    Parameters
    ----------
    part
        The test part and the model.
    draws, seed, fold
        Number and seed of the bootstrap draws, and the fold.

    Returns
    -------
    dict
        By defect, and under ``all``: ``persons``, how many are scored, and the recalls and
        r2_log_days with the defect, each with ``difference``, that less the estimate without. A
        defect that the model has no place for is undefined with the reason and not among ``all``.
    """
    settings = {"draws": draws, "seed": seed, "fold": fold}
    reasons = _undefined_defects(part.model)
    defined = [name for name in DEFECTS if name not in reasons]
    plain = _sums(part, ())
    found = {}
    for name, repeated in [*((name, [name]) for name in DEFECTS), ("all", defined)]:
        if name in reasons:
            estimates = {metric: (undefined(reasons[name]),) * 2 for metric in _metrics(plain)}
        else:
            estimates = _compare(part.visits.groups.ids, plain, _sums(part, repeated), **settings)
        found[name] = {
            "persons": int(_scored(part.visits, repeated).sum()),
            **{metric: _to_json(*pair) for metric, pair in estimates.items()},
        }
    return found


def _undefined_defects(model: NextVisitModel) -> dict[str, str]:
    """Defects that a model has no place for, with the reason."""
    if model.kind != "recurrent":
        return dict.fromkeys(_ALTERATIONS, f"a model of kind {model.kind} has no recurrent network")
    assert model.network is not None
    reasons, reader = {}, _reader(model.network)
    if reader.squash is None:
        reasons["linear_embedding"] = "embed sum has neither tanh nor bias"
    if not reader.duration:
        reasons["first_duration"] = "the network reads no durations"
    return reasons


def _sums(part: ScoredPart, defects: Collection[str]) -> dict[str, Floats]:
    """Sums of each person behind the metrics, as some defects make them, shape (persons,) each."""
    altering = [alter for name, alter in _ALTERATIONS.items() if name in defects]
    visits = part.predict(_altered(part.model, altering)) if altering else part.visits
    centre = math.log(part.mean_days) if "mean_duration" in defects else None
    sums = {f"hits_{k}": visits.of_labels(visits.hits(k)) for k in CUTS}
    sums |= {"labels": visits.of_visits(visits.sizes), **days_sums(visits, centre)}
    scored = _scored(visits, defects)
    return {name: values * scored for name, values in sums.items()}


def _scored(visits: PredictedVisits, defects: Collection[str]) -> Floats:
    """Which persons are scored, 1 or 0, shape (persons,)."""
    lengths = np.bincount(visits.groups.rows, minlength=len(visits.groups.ids))
    scored = np.ones(len(lengths))
    if "first_ten_batches" in defects:
        scored[np.argsort(lengths, kind="stable")[SCORED:]] = 0.0
    return scored


def _compare(
    ids: npt.NDArray[np.int64],
    plain: Mapping[str, Floats],
    repeated: Mapping[str, Floats],
    **settings: int,
) -> dict[str, tuple[Estimate, Estimate]]:
    """Each metric with the defects, and the difference that they make."""
    values = [_metrics({n: v.sum(keepdims=True) for n, v in s.items()}) for s in (plain, repeated)]
    drawn = [_metrics(sum_draws(ids, sums, **settings)) for sums in (plain, repeated)]
    found = {}
    for name in values[0]:
        without, value = (float(each[name][0]) for each in values)
        if math.isnan(without) or math.isnan(value):
            found[name] = (undefined(_reason(name, plain)),) * 2
            continue
        moved = drawn[1][name] - drawn[0][name]
        found[name] = (
            with_interval(value, drawn[1][name], len(ids)),
            with_interval(value - without, moved, len(ids)),
        )
    return found


def _metrics(sums: Mapping[str, Floats]) -> dict[str, Floats]:
    """Each metric of each draw, NaN where it is undefined."""
    recalls = {f"recall_at_{k}": ratio(sums[f"hits_{k}"], sums["labels"]) for k in CUTS}
    return recalls | {"r2_log_days": r2_of_sums(sums)}


def _reason(metric: str, sums: Mapping[str, Floats]) -> str:
    if metric != "r2_log_days":
        return NO_LABEL
    return SAME_DAYS if sums["count"].any() else NO_DAYS


def _to_json(estimate: Estimate, difference: Estimate) -> dict[str, Any]:
    return {**estimate.to_json(), "difference": difference.to_json()}


def _altered(
    model: NextVisitModel, alterations: Collection[Callable[[NextVisitNetwork], None]]
) -> NextVisitModel:
    """Copy of a model whose network is altered."""
    network = deepcopy(model.network)
    assert network is not None
    for alter in alterations:
        alter(network)
    return replace(model, network=network)


def _reader(network: NextVisitNetwork) -> StateReader:
    reader = network.reader
    assert isinstance(reader, StateReader)
    return reader


def _embed_linearly(network: NextVisitNetwork) -> None:
    _reader(network).squash = None


def _halve_states(network: NextVisitNetwork) -> None:
    """Multiply what each layer passes on, in the weights that it meets next."""
    recur, factor = _reader(network).recur, 0.5 / (1 - network.drop.p)
    above = [getattr(recur, f"weight_ih_l{layer}") for layer in range(1, recur.num_layers)]
    with torch.no_grad():
        for weight in (*above, network.head.weight, network.time.weight):
            weight.mul_(factor)


def _begin_long_ago(network: NextVisitNetwork) -> None:
    network.register_forward_pre_hook(_set_first_durations)


def _set_first_durations(network: nn.Module, batches: tuple[Batch]) -> tuple[Batch]:
    (batch,) = batches
    durations = batch.durations.clone()
    durations[: int(batch.batch_sizes[0])] = math.log(LOG_EPSILON)
    return (replace(batch, durations=durations),)


#: Defects of what the network computes.
_ALTERATIONS: dict[str, Callable[[NextVisitNetwork], None]] = {
    "linear_embedding": _embed_linearly,
    "halved_states": _halve_states,
    "first_duration": _begin_long_ago,
}
