"""Recall of the next visit's labels by group of a stratum, as the mean over the folds.

The strata are those of ``evaluate.next_visit_strata``. A group is there where every fold tests it
on as many persons as may be shown.
"""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visitseq.evaluate.estimate import Estimate, with_interval
from visitseq.evaluate.folds import mean_over_folds
from visitseq.evaluate.next_visit_strata import StratumGroup, stratum_groups
from visitseq.evaluate.ratios import ratio_draws
from visitseq.figures.next_visit_results import NextVisitFold, NextVisitResult
from visitseq.figures.study import Study

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GroupRecalls:
    """A model's recalls in every group that may be shown.

    Attributes
    ----------
    recalls
        Estimate of each metric, by stratum and group.
    """

    result: NextVisitResult
    recalls: dict[str, dict[str, dict[str, Estimate]]]


@dataclass(frozen=True, eq=False)
class _Trained:
    """What model.json says of the labels that a fold knows."""

    known_labels: npt.NDArray[np.int32]
    label_visits: npt.NDArray[np.int64]


def read_group_recalls(study: Study, results: list[NextVisitResult]) -> list[GroupRecalls]:
    """Recalls by group of every result."""
    return [GroupRecalls(result, _of_result(study, result)) for result in results]


def _of_result(study: Study, result: NextVisitResult) -> dict[str, dict[str, dict[str, Estimate]]]:
    found: dict[str, dict[str, dict[str, Estimate]]] = {}
    by_fold = [_of_fold(study, result, fold) for fold in result.folds]
    for place in by_fold[0]:
        if all(place in own for own in by_fold):
            stratum, group = place
            of_group = [own[place] for own in by_fold]
            found.setdefault(stratum, {})[group] = {
                name: mean_over_folds(
                    [metrics[name][0] for metrics in of_group],
                    [metrics[name][1] for metrics in of_group],
                )
                for name in of_group[0]
            }
    return found


def _of_fold(
    study: Study, result: NextVisitResult, fold: NextVisitFold
) -> dict[tuple[str, str], dict[str, tuple[Estimate, Floats]]]:
    """Each recall with its draws, by stratum and group; all groups share the draws of persons."""
    card = json.loads(study.trained(result.setting, result.model, fold.fold).read_text("utf-8"))
    known = _Trained(
        np.array(card["known_labels"], dtype=np.int32),
        np.array(card["label_visits"], dtype=np.int64),
    )
    groups = [
        group for group in stratum_groups(fold.visits, known) if group.persons >= study.minimum_cell
    ]
    ids = fold.visits.groups.ids
    ratios = {_key(group, name): ratio for group in groups for name, ratio in group.recalls.items()}
    drawn = ratio_draws(ids, ratios, study.draws, study.seed, fold.fold)
    return {
        (group.stratum, group.group): {
            name: (
                with_interval(float(hits.sum() / labels.sum()), drawn[_key(group, name)], len(ids)),
                drawn[_key(group, name)],
            )
            for name, (hits, labels) in group.recalls.items()
        }
        for group in groups
    }


def _key(group: StratumGroup, metric: str) -> str:
    return f"{group.stratum}/{group.group}/{metric}"
