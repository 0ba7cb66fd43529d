"""What the scoring of Doctor AI's released code does to each model.

A row a fold and defect, from choi_compat in metrics.json: each metric with the defect, and that
less the metric without; both with their intervals, or why there is none. Where few persons are
scored, or all but few, the two numbers lie that few persons apart, and neither is shown.
"""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.recall import CUTS
from visitseq.figures.labels import interval_text
from visitseq.figures.small_cells import SUPPRESSED, may_show, show_share
from visitseq.figures.study import Setting, Study

_DIGITS = 3
_METRICS = (*(f"recall_at_{k}" for k in CUTS), "r2_log_days")


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
    numbers = [column for metric in _METRICS for column in _columns(metric)]
    return pd.DataFrame(lines, columns=[*place, *numbers])


def _columns(metric: str) -> tuple[str, str]:
    return metric, f"{metric} difference"


def _lines(study: Study, setting: Setting, model: str, fold: int) -> Iterator[dict[str, Any]]:
    path = study.evaluation_folder(setting, model, fold) / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    for defect, found in metrics["choi_compat"].items():
        line = {
            "defect": defect,
            "persons": show_share(found["persons"], metrics["n"], study.minimum_cell),
        }
        if not _enough(found["persons"], metrics["n"], study.minimum_cell):
            yield line | dict.fromkeys(
                (column for metric in _METRICS for column in _columns(metric)), SUPPRESSED
            )
            continue
        for metric in _METRICS:
            both = (
                Estimate.from_json(each) for each in (found[metric], found[metric]["difference"])
            )
            texts = (interval_text(estimate, _DIGITS) for estimate in both)
            line |= dict(zip(_columns(metric), texts, strict=True))
        yield line


def _enough(persons: int, of_all: int, minimum: int) -> bool:
    """Whether those who are scored with a defect, and the others, may be shown."""
    return all(may_show(number, minimum) for number in (of_all, persons, of_all - persons))
