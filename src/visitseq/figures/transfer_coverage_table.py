"""How much of one site's codes the other's vocabulary holds, in numbers: a row a direction.

Where visits are predicted, their labels have a row of their own. Shares of events and of a
patient's codes rest on the persons of a site's cohort: of too few they are suppressed.
"""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from visitseq.figures.small_cells import HIDDEN, SUPPRESSED, may_show, show_count
from visitseq.figures.study import Direction, Study

#: What is covered, and the ways to weigh it, by their keys in coverage.json.
OF = ("codes", "labels")
BY = ("by_code", "by_event", "by_patient")
WAYS = ("target_in_source", "source_in_target")

_PLACE = ["source_records", "records", "source", "target", "task", "encoding", "of"]
_COUNTED = ["source", "target", "shared", "with_ancestor"]
_NUMBERS = ["of_source", "of_target", "shared", "with_ancestor"]
_DIGITS = 3


def read_coverage(study: Study, direction: Direction) -> dict[str, Mapping[str, Any]]:
    """Read coverage.json of a direction: of its codes, and of its labels if there are any."""
    content = json.loads(study.coverage(direction).read_text("utf-8"))
    found = {"codes": content, **{of: content[of] for of in OF[1:] if of in content}}
    return {of: _without_few(study, direction, own) for of, own in found.items()}


def _without_few(
    study: Study, direction: Direction, coverage: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Coverage without the shares that rest on the records of few persons."""
    sites = dict(zip(WAYS, (direction.target, direction.source), strict=True))
    few = [way for way, site in sites.items() if _is_few(study, site, direction.task)]
    if not few:
        return coverage
    hidden = {
        by: {**coverage[by], **dict.fromkeys(few), "reason": SUPPRESSED}
        for by in BY[1:]
        if by in coverage
    }
    rate = {"unknown_rate": None} if "unknown_rate" in coverage and WAYS[0] in few else {}
    return {**coverage, **hidden, **rate}


def _is_few(study: Study, site: str, task: str) -> bool:
    """Whether a task's cohort at a site is too small; of a carried model nothing is known."""
    return site in study.synthetic and _persons(study, site, task) < study.minimum_cell


def _persons(study: Study, site: str, task: str) -> int:
    section = {**study.onsets, **study.next_visits}[task]
    path = study.cohort_folder(site, section["cohort"]) / "cohort.parquet"
    return len(pq.read_table(path, columns=["subject_id"])["subject_id"].unique())


def coverage_table(study: Study) -> pd.DataFrame:
    """Shares that the other site knows, both ways; numbers are of codes or labels, not persons."""
    covered = {direction: read_coverage(study, direction) for direction in study.directions}
    lines = [
        {**_place(study, direction), "of": of, **_numbers(own), **_about(study, direction, own)}
        for direction, coverage in covered.items()
        for of, own in coverage.items()
    ]
    shares = [f"{way}_{by}" for by in BY for way in WAYS]
    last = ["unknown_rate", "persons", "in_both"]
    return pd.DataFrame(lines, columns=[*_PLACE, *_NUMBERS, *shares, *last]).fillna("")


def _place(study: Study, direction: Direction) -> dict[str, str]:
    records = {
        "source_records": study.records(direction.source),
        "records": study.records(direction.target),
    }
    return {**records, **direction._asdict()}


def _numbers(coverage: Mapping[str, Any]) -> dict[str, Any]:
    counts = coverage["codes"]
    shares = {
        f"{way}_{by}": _share(coverage[by], way) for by in BY if by in coverage for way in WAYS
    }
    numbers = dict(zip(_NUMBERS, (counts[key] for key in _COUNTED), strict=True))
    return numbers | shares


def _share(shares: Mapping[str, Any], way: str) -> str:
    if shares[way] is not None:
        return f"{shares[way]:.{_DIGITS}f}"
    if shares.get("reason") == SUPPRESSED:
        return SUPPRESSED
    return f"undefined ({shares['reason']})" if "reason" in shares else "undefined"


def _about(study: Study, direction: Direction, coverage: Mapping[str, Any]) -> dict[str, str]:
    """What coverage.json says of the events and persons of the two sites, with its codes alone."""
    if "persons" not in coverage:
        return {}
    both, rate = coverage["persons"]["in_both"], coverage["unknown_rate"]
    unknown = SUPPRESSED if _is_few(study, direction.target, direction.task) else "undefined"
    return {
        "unknown_rate": unknown if rate is None else f"{rate:.{_DIGITS}f}",
        "persons": coverage["persons"]["relation"],
        "in_both": "" if both is None else _in_both(study, direction, both),
    }


def _in_both(study: Study, direction: Direction, both: int) -> str:
    """Persons of both cohorts, unless what a cohort has besides them is too small."""
    sites = [site for site in (direction.source, direction.target) if site in study.synthetic]
    rest = [_persons(study, site, direction.task) - both for site in sites]
    if not all(may_show(number, study.minimum_cell) for number in rest):
        return HIDDEN
    return show_count(both, study.minimum_cell)
