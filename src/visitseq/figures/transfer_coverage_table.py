"""How much of one site's codes the other's vocabulary holds, in numbers: a row a direction.

Where visits are predicted, their labels have a row of their own.
"""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from visitseq.figures.small_cells import show_count
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
    return {"codes": content, **{of: content[of] for of in OF[1:] if of in content}}


def coverage_table(study: Study) -> pd.DataFrame:
    """Shares that the other site knows, both ways; numbers are of codes or labels, not persons."""
    covered = {direction: read_coverage(study, direction) for direction in study.directions}
    lines = [
        {**_place(study, direction), "of": of, **_numbers(own), **_about(study, own)}
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
    return f"undefined ({shares['reason']})" if "reason" in shares else "undefined"


def _about(study: Study, coverage: Mapping[str, Any]) -> dict[str, str]:
    """What coverage.json says of the events and persons of the two sites, with its codes alone."""
    if "persons" not in coverage:
        return {}
    both, rate = coverage["persons"]["in_both"], coverage["unknown_rate"]
    return {
        "unknown_rate": "undefined" if rate is None else f"{rate:.{_DIGITS}f}",
        "persons": coverage["persons"]["relation"],
        "in_both": "" if both is None else show_count(both, study.minimum_cell),
    }
