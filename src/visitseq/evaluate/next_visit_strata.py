"""Recall of the next visit's labels by what is predicted: where a model is good and where not.

visit_number      how many visits were read before, in fives (Choi et al., MLHC 2016, Fig. 2a)
code_frequency    tenth of the known labels by training visits, 1 the rarest; labels that no
                  training visit holds, which nobody can name, stand apart
labels            how many labels the visit holds
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from visitseq.evaluate.next_visit_metrics import PredictedVisits
from visitseq.evaluate.ratios import Ratio, estimate_ratios
from visitseq.evaluate.recall import CUTS, NO_LABEL

Marks = npt.NDArray[np.bool_]

#: First number of each group but the first, which begins with 1; the last group is open.
VISIT_NUMBERS = (*range(6, 102, 5),)
LABEL_NUMBERS = (2, 3, 4, 5, 6, 11, 21)
#: The group of labels that no training visit holds.
UNSEEN = "not in training"


class KnownLabels(Protocol):
    """What a fold's model knows of labels, as ``train.next_visit.NextVisitModel`` has it."""

    @property
    def known_labels(self) -> npt.NDArray[np.int32]:
        """Ids of the labels, ascending, shape (labels,)."""

    @property
    def label_visits(self) -> npt.NDArray[np.int64]:
        """In how many training visits each stands, shape (labels,)."""


class StratumGroup(NamedTuple):
    """The labels of one group of a stratum.

    Attributes
    ----------
    persons, visits, labels
        How many were scored.
    recalls
        Hits and labels of each person, by the name of the metric.
    """

    stratum: str
    group: str
    persons: int
    visits: int
    labels: int
    recalls: dict[str, Ratio]


def strata_table(
    visits: PredictedVisits, model: KnownLabels, draws: int, seed: int, fold: int
) -> pd.DataFrame:
    """Recall at each k in each stratum that holds a label, with its interval by persons.

    Returns
    -------
    pandas.DataFrame
        Columns stratum, group, persons, visits, labels (all that were scored), metric, value, low,
        high.
    """
    rows = []
    for group in stratum_groups(visits, model):
        estimates = estimate_ratios(
            visits.groups.ids, group.recalls, draws=draws, seed=seed, fold=fold, reason=NO_LABEL
        )
        counted = {name: getattr(group, name) for name in ("persons", "visits", "labels")}
        rows += [
            {"stratum": group.stratum, "group": group.group, **counted, "metric": name}
            | dict(zip(("value", "low", "high"), estimate[:3], strict=True))
            for name, estimate in estimates.items()
        ]
    names = ("stratum", "group", "persons", "visits", "labels", "metric", "value", "low", "high")
    return pd.DataFrame(rows, columns=list(names))


def stratum_groups(visits: PredictedVisits, model: KnownLabels) -> Iterator[StratumGroup]:
    """Every group that holds a label, of each stratum in its order."""
    for stratum, groups in _strata(visits, model):
        for group, marks in groups:
            if marks.any():
                yield StratumGroup(
                    stratum, group, *_counted(visits, marks), recalls=_recalls(visits, marks)
                )


def _strata(
    visits: PredictedVisits, model: KnownLabels
) -> Iterator[tuple[str, list[tuple[str, Marks]]]]:
    """Strata with their groups: which labels are in each."""
    yield "visit_number", _by_number(visits.number[visits.visit], VISIT_NUMBERS)
    yield "code_frequency", _by_frequency(visits, model)
    yield "labels", _by_number(visits.sizes[visits.visit], LABEL_NUMBERS)


def _by_number(numbers: npt.NDArray[np.int64], starts: tuple[int, ...]) -> list[tuple[str, Marks]]:
    group = np.searchsorted(starts, numbers, side="right")
    firsts = (1, *starts)
    names = [
        f"{first}" if first == following - 1 else f"{first}-{following - 1}"
        for first, following in zip(firsts, starts, strict=False)
    ]
    return [(name, group == place) for place, name in enumerate([*names, f"{firsts[-1]}-"])]


def _by_frequency(visits: PredictedVisits, model: KnownLabels) -> list[tuple[str, Marks]]:
    known = model.known_labels
    rank = np.empty(len(known), dtype=np.int64)
    rank[np.argsort(model.label_visits, kind="stable")] = np.arange(len(known))
    tenth: Mapping[int, int] = dict(
        zip(known.tolist(), (rank * 10 // max(len(known), 1)).tolist(), strict=True)
    )
    ids, place = np.unique(visits.labels, return_inverse=True)
    group = np.array([tenth.get(label, -1) for label in ids.tolist()], dtype=np.int64)[place]
    named = [(str(number + 1), group == number) for number in range(10)]
    return [(UNSEEN, group == -1), *named]


def _recalls(visits: PredictedVisits, marks: Marks) -> dict[str, Ratio]:
    labels = visits.of_labels(marks)
    return {f"recall_at_{k}": (visits.of_labels(marks & visits.hits(k)), labels) for k in CUTS}


def _counted(visits: PredictedVisits, marks: Marks) -> tuple[int, int, int]:
    """Persons, visits and labels of the marked labels."""
    of_visit = np.unique(visits.visit[marks])
    return len(np.unique(visits.groups.rows[of_visit])), len(of_visit), int(marks.sum())
