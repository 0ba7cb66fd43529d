"""The pairs of a matched cohort, each control beside its case, held against what was asked.

Ages, first visits and the visits of the eligibility window are taken from the persons and their
events, not from what the matching used.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from visitseq.audit.findings import Finding
from visitseq.audit.verdicts import of_count, share, shown_numbers
from visitseq.cohort.visits import visit_blocks
from visitseq.cohort.windows import months_to_days
from visitseq.engine import connect

_FEMALE = 8532  # OMOP's concept

_VISITS = """
WITH visit_day AS (
    SELECT subject_id, CAST(min(start) AS DATE) AS day FROM visit_event GROUP BY subject_id, visit
)

SELECT
    row,
    min(day) AS first_visit,
    count(*) FILTER (WHERE day >= since AND day < index) AS visits,
    coalesce(date_diff(
        'day',
        min(day) FILTER (WHERE day >= since AND day < index),
        max(day) FILTER (WHERE day >= since AND day < index)
    ), 0) AS span_days
FROM cohort_row INNER JOIN visit_day USING (subject_id)
GROUP BY row
ORDER BY row
"""


def matched_rows(
    rows: pa.Table, persons: pa.Table, events: Path, cohort: Mapping[str, Any]
) -> pd.DataFrame:
    """Rows of cohort.parquet with what is matched, and of each what its set's case has.

    Parameters
    ----------
    rows, persons
        Tables of cohort.parquet and persons.parquet.
    events
        File events.parquet.
    cohort
        The cohort's section; eligibility_months is used.

    Returns
    -------
    matched
        A row a row of the cohort: set_id, subject_id, index_time, label, sex (concept), female,
        care_site, age (years with their fraction), years (completed), first_visit (days since
        1970-01-01), visits and span_days (in the eligibility window), case (its set's), and
        ``case_<variable>`` of each of these.
    """
    own = rows.to_pandas().reset_index(names="row")
    people = persons.select(["subject_id", "birth_date", "sex", "care_site"]).to_pandas()
    own = own.merge(people, on="subject_id", how="left", validate="many_to_one").sort_values("row")
    own = own.merge(_visits_of(own, events, cohort), on="row", how="left")
    birth, index = pd.to_datetime(own["birth_date"]), own["index_time"]
    own["age"] = (index - birth).dt.days / 365.25
    before = (index.dt.month * 100 + index.dt.day) < (birth.dt.month * 100 + birth.dt.day)
    own["years"] = index.dt.year - birth.dt.year - before
    own["female"] = (own["sex"] == _FEMALE).astype(float)
    variables = ["sex", "care_site", "years", "first_visit", "visits", "span_days"]
    cases = own.loc[own["label"], ["set_id", "subject_id", *variables]]
    names = {"subject_id": "case", **{name: f"case_{name}" for name in variables}}
    matched: pd.DataFrame = own.merge(cases.rename(columns=names), on="set_id", how="left")
    return matched.drop(columns="row")


def _visits_of(own: pd.DataFrame, events: Path, cohort: Mapping[str, Any]) -> pd.DataFrame:
    """First visit, and visits and span of the eligibility window, of each row with a visit."""
    window = pd.Timedelta(days=months_to_days(cohort["eligibility_months"]))
    bounds = pd.DataFrame(
        {
            "row": own["row"],
            "subject_id": own["subject_id"],
            "index": own["index_time"].astype("datetime64[us]"),
            "since": (own["index_time"] - window).astype("datetime64[us]"),
        }
    )
    found = []
    with connect() as connection:
        connection.register("cohort_row", bounds)
        for block in visit_blocks(events, subjects=own["subject_id"].to_numpy()):
            block.register(connection)
            found.append(connection.execute(_VISITS).df())
    visits = pd.concat(found)
    visits["first_visit"] = (visits["first_visit"] - pd.Timestamp(0)).dt.days
    return visits


def pair_findings(matched: pd.DataFrame, cohort: Mapping[str, Any], minimum: int) -> list[Finding]:
    """Findings on what each pair was asked to have in common; no number below ``minimum``."""
    controls = matched[~matched["label"]]
    return [
        of_count(
            f"pairs_{name}",
            wrong,
            f"{share(wrong, len(controls), minimum)} pairs differ in {words}.",
            "The cohort is not matched as its section says: build it anew.",
            numbers=shown_numbers({"pairs": len(controls)}, {"wrong": wrong}, minimum),
        )
        for name, words, wrong in _differing(controls, cohort["matching"])
    ]


def _differing(
    controls: pd.DataFrame, matching: Mapping[str, Any]
) -> Iterator[tuple[str, str, int]]:
    """Name, words and number of pairs that break each criterion of likeness."""
    if "sex" in matching["exact"]:
        alike = controls["sex"].fillna(-1) == controls["case_sex"].fillna(-1)
        yield "sex", "sex", int((~alike).sum())
    if "care_site" in matching["exact"]:
        known = controls["care_site"].notna() & controls["case_care_site"].notna()
        differ = known & (controls["care_site"] != controls["case_care_site"])
        words = f"care site (of {int(known.sum()):,} in which both persons have one of their own)"
        yield "care_site", words, int(differ.sum())
    calipers = {
        "age_years": ("years", "completed years of age by more than {}"),
        "first_visit_days": ("first_visit", "first visit by more than {} days"),
        "visits": ("visits", "visits of the eligibility window by more than {}"),
        "span_days": ("span_days", "the span of these visits by more than {} days"),
    }
    for key, (variable, words) in calipers.items():
        if matching[key] is not None:
            off = np.abs(_known(controls[variable]) - _known(controls[f"case_{variable}"]))
            yield key, words.format(matching[key]), int((off > matching[key]).sum())


def _known(values: pd.Series) -> pd.Series:
    """Visits of a person without any are none."""
    return values.fillna(0)
