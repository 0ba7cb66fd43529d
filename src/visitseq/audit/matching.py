"""Is a matched cohort matched? Each pair held against what was asked, and how alike the groups are.

Recomputed from cohort.parquet, the persons and their events: the sets are those of matches.parquet,
what was matched exactly is the same in every pair, every caliper holds, and nobody is a control
twice unless reuse_controls says so. The standardised differences of what was matched, weighted by
set, fail only where the whole interval lies beyond what is negligible; those of visits and of the
span of the record are told even where nothing matched them.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from visitseq.audit.balance import balance_findings
from visitseq.audit.findings import Finding, write_findings
from visitseq.audit.pairs import matched_rows, pair_findings
from visitseq.audit.verdicts import of_count, share, shown, shown_numbers
from visitseq.figures.small_cells import may_show

log = logging.getLogger(__name__)

#: Shares of cases without a control, and with fewer than asked, from which a reader has to know.
UNMATCHED, SHORT = 0.05, 0.5

Section = Mapping[str, Any]


def check_matching(
    *,
    cohort: Section,
    rows: Path,
    matches: Path,
    attrition: Path,
    balance: Path,
    events: Path,
    persons: Path,
    draws: int,
    seed: int,
    minimum_cell: int,
    folder: Path,
) -> None:
    """Write findings.json of a cohort of kind case_control.

    Parameters
    ----------
    cohort
        Its section of the configuration, filled.
    rows, matches, attrition, balance
        Its cohort.parquet, matches.parquet, attrition.csv and balance.csv.
    events, persons
        events.parquet and persons.parquet of the site.
    draws, seed
        Of the intervals.
    minimum_cell
        Smallest number of persons that may be shown.
    folder
        Where the file goes.
    """
    matched = matched_rows(pq.read_table(rows), pq.read_table(persons), events, cohort)
    pairs = pq.read_table(matches)
    findings = [
        _ratio(matched, cohort, minimum_cell),
        _unmatched(pd.read_csv(attrition), minimum_cell),
        _same_sets(matched, pairs.to_pandas(), minimum_cell),
        _reuse(matched, cohort, minimum_cell),
        _become_cases(pd.read_csv(balance), minimum_cell),
        *pair_findings(matched, cohort, minimum_cell),
        *balance_findings(matched, cohort, draws=draws, seed=seed, minimum=minimum_cell),
    ]
    write_findings(findings, folder / "findings.json")
    log.info("%d pairs held against the criteria", len(pairs))


def _ratio(matched: pd.DataFrame, cohort: Section, minimum: int) -> Finding:
    asked = cohort["matching"]["ratio"]
    controls = matched[~matched["label"]].groupby("set_id").size()
    fewer, sets = int((controls < asked).sum()), len(controls)
    return of_count(
        "ratio",
        fewer > SHORT * sets,
        f"{controls.mean():.1f} controls a case on average, {asked} were asked; "
        f"{share(fewer, sets, minimum)} cases have fewer.",
        "Intervals are wider than they could be: widen the calipers, or ask for fewer.",
        numbers=shown_numbers({"sets": sets}, {"fewer": fewer}, minimum),
        otherwise="warn",
    )


def _unmatched(attrition: pd.DataFrame, minimum: int) -> Finding:
    left = attrition.loc[attrition["group"] == "case", "left"].tolist()
    eligible, without = int(left[-2]), int(left[-2] - left[-1])
    return of_count(
        "unmatched",
        without > UNMATCHED * eligible,
        f"{shown(without, minimum)} of the cases that meet the criteria found no control.",
        "The study is of the cases that somebody resembles: widen the calipers, or say so.",
        numbers={"unmatched": without} if may_show(without, minimum) else {},
        otherwise="warn",
    )


def _same_sets(matched: pd.DataFrame, pairs: pd.DataFrame, minimum: int) -> Finding:
    """Whether cohort.parquet and matches.parquet hold the same pairs."""
    controls = matched[~matched["label"]]
    own = set(zip(controls["set_id"], controls["case"], controls["subject_id"], strict=True))
    differ = len(own ^ set(pairs[["set_id", "case", "control"]].itertuples(index=False, name=None)))
    return of_count(
        "same_sets",
        differ,
        f"{shown(differ, minimum)} of the pairs of cohort.parquet ({shown(len(own), minimum)}) and "
        f"matches.parquet ({shown(len(pairs), minimum)}) stand in one of them alone.",
        "One of the files is not of this cohort: build it anew.",
        numbers=shown_numbers({"pairs": len(own)}, {"differ": differ}, minimum),
    )


def _reuse(matched: pd.DataFrame, cohort: Section, minimum: int) -> Finding:
    uses = matched.loc[~matched["label"], "subject_id"].value_counts()
    again, allowed = int((uses > 1).sum()), cohort["matching"]["reuse_controls"]
    rule = "reuse is allowed" if allowed else "no control may serve twice"
    return of_count(
        "reuse",
        0 if allowed else again,
        f"{share(again, len(uses), minimum)} controls serve more than one case ({rule}).",
        "Intervals that take the sets for independent are too narrow: build the cohort anew.",
        numbers=shown_numbers({"controls": len(uses)}, {"again": again}, minimum),
    )


def _become_cases(balance: pd.DataFrame, minimum: int) -> Finding:
    """Density sampling allows both; a reader may want to know how many."""
    reuse = balance[balance["measure"] == "reuse"].set_index("variable")["value"]
    later, both = (
        int(reuse[name]) for name in ("controls_that_become_cases", "cases_used_as_controls")
    )
    return of_count(
        "controls_become_cases",
        0,
        f"{shown(later, minimum)} of the controls come to have the disease later; "
        f"{share(both, later, minimum)} are cases of this cohort too (density sampling allows it).",
        "",
        numbers=shown_numbers({"later": later}, {"both": both}, minimum),
    )
