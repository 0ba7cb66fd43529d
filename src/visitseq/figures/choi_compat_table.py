"""What the scoring of Doctor AI's released code does to each model.

A row a fold, defect and metric, from choi_compat in metrics.json. ``as released`` is the metric
with the defect, ``difference`` that less the metric without; both with their intervals, or why
there is none.
"""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from visitseq.evaluate.estimate import Estimate
from visitseq.figures.labels import interval_text
from visitseq.figures.small_cells import show_share
from visitseq.figures.study import Setting, Study

_DIGITS = 4


def choi_compat_table(study: Study) -> pd.DataFrame:
    """Every site, task, encoding, model and fold for which a task asks for it."""
    lines = [
        {"records": study.records(site), **setting._asdict(), "model": model, "fold": fold, **line}
        for site in study.synthetic
        for task, encoding, model in study.choi_compat
        for setting in [Setting(site, task, encoding)]
        for fold in study.folds
        for line in _lines(study, setting, model, fold)
    ]
    place = ["records", "site", "task", "encoding", "model", "fold", "defect", "persons"]
    return pd.DataFrame(lines, columns=[*place, "metric", "as released", "difference"])


def _lines(study: Study, setting: Setting, model: str, fold: int) -> Iterator[dict[str, Any]]:
    path = study.evaluation_folder(setting, model, fold) / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    for defect, found in metrics["choi_compat"].items():
        persons = show_share(found.pop("persons"), metrics["n"], study.minimum_cell)
        for metric, estimate in found.items():
            both = (Estimate.from_json(content) for content in (estimate, estimate["difference"]))
            released, difference = (interval_text(each, _DIGITS) for each in both)
            yield {
                "defect": defect,
                "persons": persons,
                "metric": metric,
                "as released": released,
                "difference": difference,
            }
