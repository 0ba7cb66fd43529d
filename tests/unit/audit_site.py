"""A small site, its cohort and its encoded visits, laid out as the stages do."""

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from event_tables import Event, event, write_ancestors, write_events

from visitseq.audit.findings import Finding, read_findings
from visitseq.cohort.build import build_cohort
from visitseq.encode.encode import encode_visits
from visitseq.tables import CODES, OBSERVATION_PERIODS, PERSONS

PHENOTYPE = Path(__file__).parents[2] / "workflow/phenotypes/heart_failure.yaml"
FAILURE = "condition/316139"
SEED, PARTS, DRAWS, MINIMUM = 0, 3, 100, 10
COHORT: dict[str, Any] = {
    "kind": "case_control",
    "phenotype": "heart_failure",
    "qualifying_encounters": 2,
    "qualifying_months": 12,
    "age": [40, 90],
    "eligibility_months": 18,
    "min_visits": 1,
    "washout_months": 0,
    "free_days_after_index": 182,
    "last_contact_days": 30,
    "lookback_months": 0,
    "matching": {
        "method": "random",
        "ratio": 3,
        "exact": ["sex"],
        "age_years": 2,
        "first_visit_days": 365,
        "visits": None,
        "span_days": None,
        "reuse_controls": False,
    },
}
TASK: dict[str, Any] = {
    "kind": "onset",
    "observation_months": 12,
    "prediction_months": 2,
    "phenotype_codes": "drop",
}
ENCODING: dict[str, Any] = {
    "vocabulary": "codes",
    "level": None,
    "sequence": "visit",
    "min_count": 2,
    "vectors": "none",
    "domains": ["condition", "drug"],
}


def make_site(results: Path, persons: int = 400) -> Path:
    """Write stages 1 to 3 of site here, cohort failure, task onset, encoding one_hot."""
    site, draw = results / "1_ingest/here", np.random.default_rng(7)
    site.mkdir(parents=True)
    people = [_person(subject, draw) for subject in range(1, persons + 1)]
    events = [one for _, own in people for one in own]
    write_events(site / "events.parquet", events)
    pq.write_table(
        pa.Table.from_pylist([row for row, _ in people], schema=PERSONS), site / "persons.parquet"
    )
    period = {"start": date(1990, 1, 1), "end": date(2030, 1, 1)}
    periods = [{"subject_id": subject, **period} for subject in range(1, persons + 1)]
    pq.write_table(
        pa.Table.from_pylist(periods, schema=OBSERVATION_PERIODS),
        site / "observation_periods.parquet",
    )
    names = sorted({code for _, _, code, _, _ in events})
    codes = [{"code": name, "description": name, "parent_codes": []} for name in names]
    pq.write_table(pa.Table.from_pylist(codes, schema=CODES), site / "codes.parquet")
    write_ancestors(site / "ancestors.parquet")
    _build(results)
    return results


def _person(subject: int, draw: np.random.Generator) -> tuple[dict[str, Any], list[Event]]:
    """Stays and single days over four years; every fifth person comes to have heart failure."""
    days = np.sort(draw.choice(1460, size=14, replace=False))
    begin = datetime(2008, 1, 1)
    events = []
    for place, day in enumerate(days.tolist()):
        time = begin + timedelta(days=day, hours=9)
        visit = subject * 100 + place if place % 2 else None
        if visit is not None:
            events += [
                event(subject, time, "visit/9201", visit),
                event(
                    subject, time + timedelta(days=int(draw.integers(4))), "visit_end/9201", visit
                ),
            ]
        kind = "drug" if place % 3 else "condition"
        events.append(event(subject, time, f"{kind}/{draw.integers(1, 9)}", visit))
        if subject % 5 == 0 and place in (9, 10, 11):
            events.append(event(subject, time, FAILURE, visit))
    row = {
        "subject_id": subject,
        "birth_date": date(1930 + int(draw.integers(35)), 5, 17),
        "birth_precision": "day",
        "sex": 8507 if draw.random() < 0.5 else 8532,
        "first_event": events[0][1],
        "last_event": events[-1][1],
        "observation_start": date(1990, 1, 1),
        "observation_end": date(2030, 1, 1),
    }
    return row, events


def _build(results: Path) -> None:
    site = results / "1_ingest/here"
    files = {name: site / f"{name}.parquet" for name in ("events", "codes")}
    build_cohort(
        site="here",
        name="failure",
        cohort=COHORT,
        phenotype=PHENOTYPE,
        persons=site / "persons.parquet",
        observation_periods=site / "observation_periods.parquet",
        folder=results / "2_cohort/here/failure",
        seed=SEED,
        parts=PARTS,
        **files,
    )
    encode_visits(
        task=TASK,
        encoding=ENCODING,
        phenotype=PHENOTYPE,
        cohort=results / "2_cohort/here/failure/cohort.parquet",
        ancestors=site / "ancestors.parquet",
        folder=results / "3_encode/here/onset/one_hot",
        seed=SEED,
        parts=PARTS,
        **files,
    )


def copy_of(results: Path, folder: Path) -> Path:
    """Copy the site, for a test that tampers with it."""
    copied: Path = shutil.copytree(results, folder / "results")
    return copied


def rewrite(path: Path, **columns: Any) -> None:
    """Give columns of a Parquet file other values."""
    table = pq.read_table(path)
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        field = table.schema.field(name)
        table = table.set_column(place, field, pa.array(values, field.type))
    pq.write_table(table, path)


def verdicts(folder: Path) -> dict[str, Finding]:
    """Findings of a check by their questions."""
    return {finding.question: finding for finding in read_findings(folder / "findings.json")}
