"""The page of the report on which the audit is read: how many checks passed, and what each found.

One file that needs nothing else. A verdict is a word on a colour of Okabe and Ito (2008).
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import pandas as pd

from visitseq.audit.findings import VERDICTS

_COLOURS = {"fail": "#D55E00", "warn": "#F0E442", "pass": "#56B4E9"}

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Audit</title>
<style>
body { font: 14px/1.45 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }
h2 { margin: 2rem 0 .4rem; font-size: 1.1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0;
         border-top: 1px solid #ddd; }
th { border-top: 0; color: #666; font-weight: normal; }
.verdict { font-weight: 600; padding: .05rem .5rem; border-radius: .2rem; color: #000; }
.small { color: #666; font-size: 12px; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>Audit</h1>
"""

_WORDS = (
    "<b>fail</b>: the results should not be believed as they are. <b>warn</b>: a reader has to "
    "know of it. <b>pass</b>: asked, and nothing found."
)


def audit_page(table: pd.DataFrame) -> str:
    """HTML of a table of audit.csv."""
    return "\n".join([_HEAD, *_summary(table), *_checks(table), "</body>", "</html>", ""])


def _summary(table: pd.DataFrame) -> Iterable[str]:
    counts = table["verdict"].value_counts()
    numbers = (f"{_verdict(name)} {counts.get(name, 0)}" for name in reversed(VERDICTS))
    yield f"<p>{' &nbsp; '.join(numbers)}</p>"
    yield f"<p>{_WORDS}</p>"
    kinds = sorted({kind for kind in table["records"] if kind})
    if kinds:
        yield f"<p>Records: {escape(', '.join(kinds))}.</p>"


def _checks(table: pd.DataFrame) -> Iterable[str]:
    """A table for each check, those with the gravest verdict first, as the rows are sorted."""
    for check, rows in table.groupby("check", sort=False):
        yield f"<h2>{escape(str(check))}</h2>"
        yield "<table>"
        yield "<tr><th>Verdict</th><th>Of</th><th>Question</th><th>Evidence</th></tr>"
        yield from (_row(row) for row in rows.to_dict("records"))
        yield "</table>"


def _row(row: Mapping[Any, Any]) -> str:
    places = [row[name] for name in ("site", "target", "task", "cohort", "encoding", "model")]
    where = [place for place in places if place] + ([f"fold {row['fold']}"] if row["fold"] else [])
    advice = f"<br><i>{escape(row['advice'])}</i>" if row["advice"] else ""
    file = f'<div class="small">{escape(row["file"])}</div>'
    cells = (
        _verdict(row["verdict"]),
        escape(", ".join(where) or "the whole study"),
        escape(row["question"].replace("_", " ")),
        f"{escape(row['evidence'])}{advice}{file}",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _verdict(name: str) -> str:
    return f'<span class="verdict" style="background: {_COLOURS[name]}">{name}</span>'
