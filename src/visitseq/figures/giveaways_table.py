"""What gives the outcome away, of every site and task: shares of cases and of controls.

Shares of fewer persons than the study's minimum are not shown, nor those of all but so few.
"""

import math
from typing import Any

import pandas as pd

from visitseq.figures.small_cells import SUPPRESSED, may_show, show_count
from visitseq.figures.study import Study

COLUMNS = ["records", "site", "task", "observation_months", "prediction_months", "giveaway"]
COLUMNS += ["cases", "controls"]


def giveaways_table(study: Study) -> pd.DataFrame:
    """A row a giveaway, the shares as ``12.3% [10.1, 14.6]``, in the columns of ``COLUMNS``."""
    lines = []
    for site in study.synthetic:
        for task, section in study.onsets.items():
            table = pd.read_csv(study.giveaways(site, task))
            months = {name: section[name] for name in ("observation_months", "prediction_months")}
            place = {"records": study.records(site), "site": site, "task": task, **months}
            for giveaway, groups in table.groupby("giveaway", sort=False):
                shares = {
                    str(line["group"]): _text(line, study.minimum_cell)
                    for _, line in groups.iterrows()
                }
                lines.append({**place, "giveaway": giveaway, **shares})
    return pd.DataFrame(lines, columns=COLUMNS)


def _text(line: Any, minimum: int) -> str:
    """Share of a group with its interval, or why it is not shown."""
    share, low, high = (float(line[name]) for name in ("share", "low", "high"))
    if math.isnan(share):
        return f"unknown ({line['reason']})"
    persons, having = int(line["persons"]), int(line["persons_with"])
    if not may_show(persons, minimum) or not may_show(persons - having, minimum):
        return SUPPRESSED
    if not may_show(having, minimum):
        return f"{show_count(having, minimum)} persons"
    if math.isnan(low):
        return f"{100 * share:.1f}% ({line['reason']})"
    return f"{100 * share:.1f}% [{100 * low:.1f}, {100 * high:.1f}]"
