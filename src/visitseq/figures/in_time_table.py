"""Models that learned from earlier years and were tested in later ones, beside the random division.

A row a site, model and metric. Where a part has fewer cases or controls than the study's minimum,
its metrics are not shown: of few persons they tell how many there are.
"""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from visitseq.evaluate.estimate import Estimate
from visitseq.figures.labels import interval_text
from visitseq.figures.small_cells import SUPPRESSED, may_show, show_count
from visitseq.figures.study import Setting, Study

METRICS = ("auroc", "auprc", "brier", "calibration_intercept", "calibration_slope")

COLUMNS = ["records", "site", "task", "encoding", "model", "trained_until", "training_cases"]
COLUMNS += ["cases", "rows", "rows_left_out", "metric"]
#: The columns of the two tests, by what in_time.json calls them.
_TESTED = {"in_time": "tested_later", "random": "tested_at_random"}
COLUMNS += [*_TESTED.values(), "difference"]

_DIGITS = 4


def in_time_table(study: Study) -> pd.DataFrame:
    """A row a metric, estimates as ``value [low, high]``; the difference is of AUROCs alone.

    A site with too few cases for the test has no row.
    """
    lines = []
    for site in study.synthetic:
        for task, encoding in study.in_time:
            setting = Setting(site, task, encoding)
            content = json.loads(study.in_time_results(setting).read_text(encoding="utf-8"))
            place = {"records": study.records(site), **setting._asdict()}
            for name, model in content["models"].items():
                own = {**place, "model": name, **_counted(content, study.minimum_cell)}
                lines += [{**own, **shown} for shown in _metrics(model, study.minimum_cell)]
    return pd.DataFrame(lines, columns=COLUMNS)


def _counted(content: Mapping[str, Any], minimum: int) -> dict[str, Any]:
    return {
        "trained_until": content["year"],
        "training_cases": show_count(content["trained"]["cases"], minimum),
        "cases": show_count(content["tested"]["cases"], minimum),
        "rows": show_count(content["tested"]["rows"], minimum),
        "rows_left_out": show_count(content["left_out"]["rows"], minimum),
    }


def _metrics(model: Mapping[str, Any], minimum: int) -> list[dict[str, str]]:
    """The metrics of a model in time and on the random test part."""
    hidden = {side: _is_small(model[side], minimum) for side in _TESTED}
    lines = []
    for metric in METRICS:
        line = {
            column: SUPPRESSED if hidden[side] else _text(model[side][metric])
            for side, column in _TESTED.items()
        }
        if metric == "auroc":
            both = any(hidden.values())
            line["difference"] = SUPPRESSED if both else _text(model["difference"])
        lines.append({"metric": metric, **line})
    return lines


def _is_small(metrics: Mapping[str, Any], minimum: int) -> bool:
    """Whether a part has too few cases or controls."""
    cases = metrics["cases"]
    return not (may_show(cases, minimum) and may_show(metrics["n"] - cases, minimum))


def _text(estimate: Mapping[str, Any]) -> str:
    return interval_text(Estimate.from_json(dict(estimate)), _DIGITS)
