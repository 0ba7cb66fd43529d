"""How alike cases and controls are in what was matched, and in how often they were seen."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from visitseq.audit.differences import Difference, differences, set_weights, too_few
from visitseq.audit.findings import Finding, Verdict

#: Variable of ``pairs.matched_rows``, by the key of matching that makes it alike.
_MATCHED_BY = {
    "age": "age_years",
    "female": "sex",
    "first_visit": "first_visit_days",
    "visits": "visits",
    "span_days": "span_days",
}
#: Sets below which the interval of a bootstrap is too narrow to call a study unmatched.
FEWEST_SETS = 20

_WORDS = {
    "age": "age in years",
    "female": "share of women",
    "first_visit": "date of the first visit in years",
    "visits": "visits of the eligibility window",
    "span_days": "days that these visits span",
}


def balance_findings(
    matched: pd.DataFrame, cohort: Mapping[str, Any], *, draws: int, seed: int, minimum: int
) -> list[Finding]:
    """Findings on the standardised difference of each variable, weighted by set.

    Parameters
    ----------
    matched
        Table of ``pairs.matched_rows``.
    cohort
        The cohort's section; matching is used.
    draws, seed
        Of the intervals, the bootstrap of the sets.
    minimum
        Smallest number of persons whose mean may be shown.
    """
    matching, label = cohort["matching"], matched["label"].to_numpy(bool)
    unit = matched["set_id"].to_numpy()
    enough = len(set(unit)) >= FEWEST_SETS
    if too_few(label, minimum):
        return [_untold(name, minimum) for name in _MATCHED_BY]
    values = {name: matched[name].to_numpy(float) for name in _MATCHED_BY}
    values["first_visit"] = 1970 + values["first_visit"] / 365.25
    weights = set_weights(unit, label)
    found = differences(values, label, unit, weights, draws=draws, seed=seed)
    return [
        _finding(name, own, is_matched=_is_matched(_MATCHED_BY[name], matching), enough=enough)
        for name, own in found.items()
    ]


def _is_matched(key: str, matching: Mapping[str, Any]) -> bool:
    return key in matching["exact"] or matching.get(key) is not None


def _untold(name: str, minimum: int) -> Finding:
    evidence = f"Too few: {_WORDS[name]} of fewer than {minimum} cases or controls is not told."
    return Finding(f"balance_{name}", "warn", evidence)


def _finding(name: str, found: Difference, *, is_matched: bool, enough: bool) -> Finding:
    """Fail where what was matched differs for sure; warn where it may, or was not matched."""
    numbers = {key: None if math.isnan(own) else own for key, own in found._asdict().items()}
    question = f"balance_{name}"
    if math.isnan(found.value):
        return Finding(question, "warn", f"Too few: neither group varies in {_WORDS[name]}.")
    how = "matched" if is_matched else "not matched"
    evidence = (
        f"{_WORDS[name][0].upper()}{_WORDS[name][1:]} ({how}): mean {found.cases:.2f} in cases and "
        f"{found.controls:.2f} in controls, standardised difference {found}."
    )
    if not found.is_large:
        return Finding(question, "pass", evidence, numbers=numbers)
    verdict: Verdict = "fail" if is_matched and enough and found.is_surely_large else "warn"
    if is_matched and not enough:
        evidence += f" Too few: a verdict needs {FEWEST_SETS} sets."
    if is_matched:
        advice = "Narrow the caliper, or take matching method nearest."
    else:
        advice = f"A score may rest on it: see its share, or match on it (matching: {name})."
    return Finding(question, verdict, evidence, advice, numbers)
