"""What case-control models are worth on a landmark cohort, as stage 5 measured it.

A fold's numbers are those of its as_used.json; over several folds the value is their mean, and the
errors of the folds, whose test parts are disjoint, add in quadrature. Curves are of the first fold:
probabilities of different folds are not pooled.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from visitseq.evaluate.as_used_content import CASE_CONTROL, RAW, TRAINED_THERE
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.figures.small_cells import may_show
from visitseq.figures.study import Setting, Study
from visitseq.figures.transfer_results import mean_of_folds

Content = Mapping[str, Any]

#: Where a metric was measured, beside ``CASE_CONTROL`` and ``TRAINED_THERE``.
AS_USED = "as_used"


@dataclass(frozen=True, eq=False)
class AsUsed:
    """A case-control model on the rows of a landmark task.

    Attributes
    ----------
    setting
        Where the model was trained.
    landmark
        The landmark task.
    folds
        The landmark task's object in as_used.json, of each fold.
    curves
        The landmark task's lines of as_used_curves.csv, of the first fold.
    """

    setting: Setting
    landmark: str
    model: str
    folds: list[Content]
    curves: pd.DataFrame

    @property
    def trained_there(self) -> bool:
        """Whether the same model was trained on the landmark cohort too."""
        return TRAINED_THERE in self.folds[0]

    def total(self, name: str) -> int:
        """Rows (``n``), or rows with an outcome, of all folds' test parts together."""
        return sum(int(fold["test"][name]) for fold in self.folds)

    def may_show(self, minimum: int) -> bool:
        """Whether every test part holds so many rows with an onset, and without, or none."""
        tests = [fold["test"] for fold in self.folds]
        cells = [(test["onset"], test["death"] + test["free"]) for test in tests]
        return all(may_show(number, minimum) for pair in cells for number in pair)

    def metric(self, where: str, name: str, state: str = RAW) -> Estimate:
        """Give a metric's mean over the folds.

        Parameters
        ----------
        where
            ``CASE_CONTROL``, ``AS_USED`` or ``TRAINED_THERE``.
        state
            ``raw`` or ``recalibrated``; of a case-control sample the probabilities are raw.
        """
        found = []
        for fold in self.folds:
            own = fold if where == AS_USED else fold[where]
            content = own if where == CASE_CONTROL else own.get(state, {})
            found.append(_estimate(content.get(name), own.get("recalibration", {}).get("reason")))
        return mean_of_folds(found)

    def of_folds(self, *keys: str) -> Estimate:
        """Give the mean over the folds of the estimate at a path of keys."""
        found = []
        for fold in self.folds:
            content: Any = fold
            for key in keys:
                content = content.get(key, {})
            found.append(_estimate(content or None, None))
        return mean_of_folds(found)


def _estimate(content: Content | None, reason: str | None) -> Estimate:
    if content is None:
        return undefined(reason or "not measured")
    return Estimate.from_json(dict(content))


def read_as_used(study: Study) -> list[AsUsed]:
    """Read every model that is scored as it would be used; none where no fold was run."""
    if not study.folds:
        return []
    return [
        _read(study, Setting(site, task, encoding), landmark, model)
        for site in study.synthetic
        for task, landmark, encoding, model in study.as_used
    ]


def _read(study: Study, setting: Setting, landmark: str, model: str) -> AsUsed:
    folders = [study.evaluation_folder(setting, model, fold) for fold in study.folds]
    contents = [json.loads((own / "as_used.json").read_text("utf-8")) for own in folders]
    curves = pd.read_csv(folders[0] / "as_used_curves.csv", keep_default_na=False, na_values="nan")
    own = curves[curves["landmark_task"] == landmark].reset_index(drop=True)
    return AsUsed(setting, landmark, model, [content[landmark] for content in contents], own)
