"""What gives the outcome away, of every site and task: shares of cases and of controls.

Shares of fewer persons than the study's minimum are not shown, nor those of all but so few, nor
shares of nested windows that differ by so few: a share of a known total tells how many persons.
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from visitseq.figures.nested_windows import Part, hidden_windows, window_of
from visitseq.figures.small_cells import HIDDEN, SUPPRESSED, may_show, show_count
from visitseq.figures.study import Study

COLUMNS = ["records", "site", "task", "observation_months", "prediction_months", "giveaway"]
COLUMNS += ["cases", "controls"]


def giveaways_table(study: Study) -> pd.DataFrame:
    """A row a giveaway, the shares as ``12.3% [10.1, 14.6]``, in the columns of ``COLUMNS``."""
    lines = []
    for site in study.synthetic:
        tables = {task: pd.read_csv(study.giveaways(site, task)) for task in study.onsets}
        hidden = _hidden(study, tables)
        for task, section in study.onsets.items():
            months = {name: section[name] for name in ("observation_months", "prediction_months")}
            place = {"records": study.records(site), "site": site, "task": task, **months}
            for giveaway, groups in tables[task].groupby("giveaway", sort=False):
                shares = {
                    str(line["group"]): HIDDEN
                    if (task, giveaway, line["group"]) in hidden
                    else _text(line, study.minimum_cell)
                    for _, line in groups.iterrows()
                }
                lines.append({**place, "giveaway": giveaway, **shares})
    return pd.DataFrame(lines, columns=COLUMNS)


def _hidden(study: Study, tables: Mapping[str, pd.DataFrame]) -> set[tuple[str, str, str]]:
    """Task, giveaway and group of the shares that are hidden for that of a window around theirs."""
    if not tables:
        return set()
    counts = pd.concat([table.assign(task=task) for task, table in tables.items()])
    counts = counts.assign(cohort=counts["task"].map(study.outcomes)).dropna(subset="persons")
    found: set[tuple[str, str, str]] = set()
    for names, same in counts.groupby(["cohort", "giveaway", "group"]):
        _, giveaway, group = (str(name) for name in names)
        tasks = same["task"].tolist()
        windows = [window_of(study.onsets[task]) for task in tasks]
        numbers = zip(same["persons_with"], same["persons"], strict=True)
        parts = [Part(int(having), int(persons)) for having, persons in numbers]
        flags = hidden_windows(windows, parts, study.minimum_cell)
        found |= {(task, giveaway, group) for task, flag in zip(tasks, flags, strict=True) if flag}
    return found


def _text(line: Any, minimum: int) -> str:
    """Share of a group with its interval, or why it is not shown."""
    share, low, high = (float(line[name]) for name in ("share", "low", "high"))
    if math.isnan(share):
        return f"unknown ({line['reason']})"
    persons, having = int(line["persons"]), int(line["persons_with"])
    if not may_show(persons, minimum) or not may_show(persons - having, minimum):
        return SUPPRESSED
    if not having or not may_show(having, minimum):
        # No draw of nobody holds anybody: 0.0% [0.0, 0.0] would be no interval.
        return f"{show_count(having, minimum)} persons"
    if math.isnan(low):
        return f"{100 * share:.1f}% ({line['reason']})"
    return f"{100 * share:.1f}% [{100 * low:.1f}, {100 * high:.1f}]"
