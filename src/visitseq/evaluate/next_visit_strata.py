"""Recall of the next visit's labels by what is predicted: where a model is good and where not.

visit_number      how many visits were read before, in fives (Choi et al., MLHC 2016, Fig. 2a)
code_frequency    tenth of the known labels by training visits, 1 the rarest; labels that no
                  training visit holds, which nobody can name, stand apart
labels            how many labels the visit holds
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from visitseq.evaluate.next_visit_metrics import PredictedVisits
from visitseq.evaluate.ratios import Ratio, estimate_ratios
from visitseq.evaluate.recall import CUTS, NO_LABEL
from visitseq.train.next_visit import NextVisitModel

Marks = npt.NDArray[np.bool_]

#: First number of each group but the first, which begins with 1; the last group is open.
VISIT_NUMBERS = (*range(6, 102, 5),)
LABEL_NUMBERS = (2, 3, 4, 5, 6, 11, 21)


def strata_table(
    visits: PredictedVisits, model: NextVisitModel, draws: int, seed: int, fold: int
) -> pd.DataFrame:
    """Recall at each k in each stratum that holds a label, with its interval by persons.

    Returns
    -------
    pandas.DataFrame
        Columns stratum, group, persons, visits, labels (all that were scored), metric, value, low,
        high.
    """
    rows = []
    for stratum, groups in _strata(visits, model):
        for group, marks in groups:
            if marks.any():
                counted = _counted(visits, marks)
                estimates = estimate_ratios(
                    visits.groups.ids,
                    _recalls(visits, marks),
                    draws=draws,
                    seed=seed,
                    fold=fold,
                    reason=NO_LABEL,
                )
                rows += [
                    {"stratum": stratum, "group": group, **counted, "metric": name}
                    | dict(zip(("value", "low", "high"), estimate[:3], strict=True))
                    for name, estimate in estimates.items()
                ]
    names = ("stratum", "group", "persons", "visits", "labels", "metric", "value", "low", "high")
    return pd.DataFrame(rows, columns=list(names))


def _strata(
    visits: PredictedVisits, model: NextVisitModel
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


def _by_frequency(visits: PredictedVisits, model: NextVisitModel) -> list[tuple[str, Marks]]:
    known = model.known_labels
    rank = np.empty(len(known), dtype=np.int64)
    rank[np.argsort(model.label_visits, kind="stable")] = np.arange(len(known))
    tenth: Mapping[int, int] = dict(
        zip(known.tolist(), (rank * 10 // max(len(known), 1)).tolist(), strict=True)
    )
    ids, place = np.unique(visits.labels, return_inverse=True)
    group = np.array([tenth.get(label, -1) for label in ids.tolist()], dtype=np.int64)[place]
    named = [(str(number + 1), group == number) for number in range(10)]
    return [("not in training", group == -1), *named]


def _recalls(visits: PredictedVisits, marks: Marks) -> dict[str, Ratio]:
    labels = visits.of_labels(marks)
    return {f"recall_at_{k}": (visits.of_labels(marks & visits.hits(k)), labels) for k in CUTS}


def _counted(visits: PredictedVisits, marks: Marks) -> dict[str, int]:
    of_visit = np.unique(visits.visit[marks])
    return {
        "persons": len(np.unique(visits.groups.rows[of_visit])),
        "visits": len(of_visit),
        "labels": int(marks.sum()),
    }
