"""The codes that move a model's scores most, as the importance.csv of its folds tell it.

A code is ranked by its mean absolute contribution to the logit of the rows that are tested,
averaged over the folds. The interval over several folds is Student's, from the folds' values:

    mean +- t(0.975, folds - 1) * SD / sqrt(folds)

It holds what another training part and another test part change; training parts of two folds
overlap, so it is rather too narrow. One fold alone has its bootstrap interval of matched sets. A
code that fewer persons than the study's minimum have in any fold's test part is left out.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from visitseq.evaluate.estimate import LEVEL, Estimate
from visitseq.figures.study import Setting, Study

#: Codes that are shown of a model.
TOP = 20

COLUMNS = ["records", "site", "task", "encoding", "model", "folds", "rank", "code", "description"]
COLUMNS += ["mean", "mean_absolute", "low", "high", "interval"]


@dataclass(frozen=True, eq=False)
class CodeImportance:
    """A code, its mean contribution (signed) and the mean of its absolute value, in log-odds."""

    code: str
    description: str
    mean: float
    mean_absolute: Estimate


@dataclass(frozen=True, eq=False)
class Importance:
    """The codes of one model in one setting, the most important first.

    ``method`` says how they were found, ``interval`` what the intervals are.
    """

    setting: Setting
    model: str
    method: str
    interval: str
    codes: list[CodeImportance]


def read_importances(study: Study) -> list[Importance]:
    """Read every model that is explained, in the study's order."""
    return [_read_model(study, setting, model) for setting, model in study.explanations]


def importance_table(study: Study, importances: list[Importance]) -> pd.DataFrame:
    """The same as a table: a row a code, in the columns of ``COLUMNS``."""
    lines = [
        {
            "records": study.records(importance.setting.site),
            **importance.setting._asdict(),
            "model": importance.model,
            "folds": len(study.folds),
            "rank": rank,
            "code": code.code,
            "description": code.description,
            "mean": code.mean,
            "mean_absolute": code.mean_absolute.value,
            "low": code.mean_absolute.low,
            "high": code.mean_absolute.high,
            "interval": importance.interval,
        }
        for importance in importances
        for rank, code in enumerate(importance.codes, start=1)
    ]
    return pd.DataFrame(lines, columns=COLUMNS).round(6)


def interval_over_folds(values: list[float]) -> Estimate:
    """Mean of a measure that is never negative, with its 95% t-interval over at least two folds."""
    mean, folds = float(np.mean(values)), len(values)
    margin = float(stdtrit(folds - 1, (1 + LEVEL) / 2)) * float(np.std(values, ddof=1))
    margin /= math.sqrt(folds)
    return Estimate(mean, max(0.0, mean - margin), mean + margin)


def _read_model(study: Study, setting: Setting, model: str) -> Importance:
    folders = [study.evaluation_folder(setting, model, fold) for fold in study.folds]
    tables = [pd.read_csv(folder / "importance.csv", index_col="code") for folder in folders]
    content = json.loads((folders[0] / "importance.json").read_text(encoding="utf-8"))
    shared = [code for code in tables[0].index if all(code in table.index for table in tables)]
    codes = sorted(
        (_code(tables, code) for code in shared),
        key=lambda code: (-code.mean_absolute.value, code.code),
    )
    interval = (
        f"95% t-interval over {len(tables)} folds"
        if len(tables) > 1
        else "95% bootstrap interval of matched sets, one fold"
    )
    return Importance(setting, model, content["method"], interval, codes[:TOP])


def _code(tables: list[pd.DataFrame], code: str) -> CodeImportance:
    lines: list[Any] = [table.loc[code] for table in tables]
    first = lines[0]
    if len(lines) == 1:
        low, high = float(first["mean_absolute_low"]), float(first["mean_absolute_high"])
        estimate = Estimate(float(first["mean_absolute"]), low, high)
    else:
        estimate = interval_over_folds([float(line["mean_absolute"]) for line in lines])
    description = first["description"]
    return CodeImportance(
        code=code,
        description=code if pd.isna(description) else str(description),
        mean=float(np.mean([line["mean"] for line in lines])),
        mean_absolute=estimate,
    )
