"""Which rows become which events, and why others do not, on persons written out by hand."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from meds.schema import DataSchema
from omop_site import Row, Tables, condition, ingest, person, visit, write_folder

from visitseq.errors import UserError
from visitseq.tables import ANCESTORS, CODES, EVENTS, OBSERVATION_PERIODS, PERSONS


def read(tmp_path: Path, tables: Tables, **site: Any) -> tuple[list[Row], Row]:
    return ingest(write_folder(tmp_path / "omop", tables), tmp_path / "out", **site)


def codes(events: list[Row]) -> list[tuple[str, datetime]]:
    return [(event["code"], event["time"]) for event in events]


def account(summary: Row, table: str) -> tuple[int, int, Row]:
    counted = summary["tables"][table]
    assert counted["read"] == counted["kept"] + sum(counted["dropped"].values())
    return counted["read"], counted["kept"], counted["dropped"]


def test_a_record_by_hand_becomes_these_events(tmp_path: Path) -> None:
    tables = {
        "person": [person(7, 1950, month_of_birth=3, day_of_birth=9, care_site_id=4)],
        "visit_occurrence": [
            visit(
                1,
                7,
                "2010-05-01",
                "2010-05-03",
                visit_start_datetime="2010-05-01 08:30:00",
                care_site_id=4,
            )
        ],
        "condition_occurrence": [
            condition(
                7,
                "2010-05-02",
                visit_occurrence_id=1,
                condition_source_value=" 428.0 ",
                condition_source_concept_id=44,
            )
        ],
        "measurement": [
            {
                "person_id": 7,
                "measurement_concept_id": 3,
                "measurement_date": "2010-05-02",
                "measurement_datetime": "2010-05-02T09:15",
                "value_as_number": "1.5",
                "visit_occurrence_id": 99,
            }
        ],
        "death": [{"person_id": 7, "death_date": "2011-01-01"}],
        "observation_period": [
            {
                "person_id": 7,
                "observation_period_start_date": "2009-01-01",
                "observation_period_end_date": "2011-01-01",
            }
        ],
        "concept": [
            {
                "concept_id": 44,
                "concept_name": "Congestive heart failure, unspecified",
                "vocabulary_id": "ICD9CM",
                "concept_code": "428.0",
            },
            {
                "concept_id": 316139,
                "concept_name": "Heart failure",
                "vocabulary_id": "SNOMED",
                "concept_code": "84114007",
            },
            {
                "concept_id": 6,
                "concept_name": "Heart disease",
                "vocabulary_id": "SNOMED",
                "concept_code": "56265001",
            },
        ],
        "concept_ancestor": [
            {
                "ancestor_concept_id": 5,
                "descendant_concept_id": 316139,
                "min_levels_of_separation": 2,
            },
            {
                "ancestor_concept_id": 6,
                "descendant_concept_id": 316139,
                "min_levels_of_separation": 1,
            },
            {
                "ancestor_concept_id": 316139,
                "descendant_concept_id": 316139,
                "min_levels_of_separation": 0,
            },
        ],
        "care_site": [{"care_site_id": 4, "care_site_name": "Clinic"}],
    }
    events, summary = read(tmp_path, tables)
    birth, start = datetime(1950, 3, 9), datetime(2010, 5, 1, 8, 30)
    assert [tuple(event.values()) for event in events] == [
        (7, birth, "MEDS_BIRTH", None, None, None),
        (7, birth, "sex/8507", None, None, None),
        (7, start, "care_site/4", None, 1, None),
        (7, start, "visit/9202", None, 1, None),
        (7, datetime(2010, 5, 2), "condition/316139", None, 1, "ICD9CM/428.0"),
        (7, datetime(2010, 5, 2, 9, 15), "measurement/3", 1.5, None, None),
        (7, datetime(2010, 5, 3), "visit_end/9202", None, 1, None),
        (7, datetime(2011, 1, 1), "MEDS_DEATH", None, None, None),
    ]
    assert (summary["persons"], summary["visits"], summary["events"]) == (1, 1, 8)
    assert (summary["last_year"], summary["detached"]) == (2010, 0)
    assert set(summary["tables"]) == {
        "person",
        "observation_period",
        "visit_occurrence",
        "condition_occurrence",
        "measurement",
        "death",
        "care_site",
    }
    out = tmp_path / "out"
    assert pq.read_schema(out / "events.parquet").names == EVENTS.names
    DataSchema.validate(pq.read_table(out / "events.parquet"))
    persons = pq.read_table(out / "persons.parquet")
    assert persons.schema.equals(PERSONS)
    assert persons.to_pylist()[0] | {"race": 0, "ethnicity": 0} == {
        "subject_id": 7,
        "birth_date": date(1950, 3, 9),
        "birth_precision": "day",
        "sex": 8507,
        "race": 0,
        "ethnicity": 0,
        "care_site": 4,
        "death_date": date(2011, 1, 1),
        "first_event": start,
        "last_event": datetime(2010, 5, 2, 9, 15),
        "observation_start": date(2009, 1, 1),
        "observation_end": date(2011, 1, 1),
    }
    known = pq.read_table(out / "codes.parquet")
    assert known.schema.equals(CODES)
    described = {row["code"]: row for row in known.to_pylist()}
    assert described["condition/316139"]["description"] == "Heart failure"
    assert described["condition/316139"]["parent_codes"] == ["condition/6", "condition/5"]
    assert described["sex/8507"]["parent_codes"] == []
    assert set(described) == {event["code"] for event in events}
    assert described["care_site/4"]["description"] == "Clinic"
    ancestors = pq.read_table(out / "ancestors.parquet")
    assert ancestors.schema.equals(ANCESTORS)
    assert [tuple(row.values()) for row in ancestors.to_pylist()] == [
        ("condition/316139", "condition/6", 1, "Heart disease"),
        ("condition/316139", "condition/5", 2, None),
    ]
    assert pq.read_schema(out / "observation_periods.parquet").equals(OBSERVATION_PERIODS)


DROPPED = [
    ("unknown_person", condition(2, "2010-01-01")),
    ("unknown_person", condition("", "2010-01-01")),
    ("no_date", condition(1, "")),
    ("no_date", condition(1, "2015-02-30")),
    ("no_date", condition(1, "0000-00-00")),
    ("before_birth", condition(1, "1949-12-31")),
    ("before_birth", condition(1, "1800-01-01")),
    ("after_death", condition(1, "2012-02-01")),
    ("no_concept", condition(1, "2010-01-01", 0)),
    ("no_concept", condition(1, "2010-01-01", "", condition_source_value="  ")),
]


@pytest.mark.parametrize(("reason", "row"), DROPPED)
def test_a_row_is_dropped_for_its_reason(tmp_path: Path, reason: str, row: Row) -> None:
    kept = [condition(1, "1950-01-01"), condition(1, "2012-01-31")]
    tables = {
        "person": [person(1)],
        "condition_occurrence": [*kept, row],
        "death": [{"person_id": 1, "death_date": "2012-01-01"}],
    }
    _, summary = read(tmp_path, tables)
    assert account(summary, "condition_occurrence") == (3, 2, {reason: 1})


def test_implausible_dates(tmp_path: Path) -> None:
    days = ["1900-01-01", "1900-01-02", "2020-06-30", "2020-07-01"]
    tables = {
        "person": [person(1, 1900)],
        "condition_occurrence": [condition(1, day) for day in days],
    }
    events, summary = read(tmp_path, tables, latest_date="2020-06-30")
    assert account(summary, "condition_occurrence") == (4, 2, {"implausible_date": 2})
    kept = [time for code, time in codes(events) if code.startswith("condition")]
    assert kept == [datetime(1900, 1, 2), datetime(2020, 6, 30)]


def test_records_shifted_into_the_future_are_kept(tmp_path: Path) -> None:
    tables = {"person": [person(1, 2150)], "condition_occurrence": [condition(1, "2190-01-01")]}
    _, summary = read(tmp_path, tables)
    assert account(summary, "condition_occurrence") == (1, 1, {})
    assert summary["last_year"] == 2190


def test_of_duplicates_the_smallest_source_code_stays(tmp_path: Path) -> None:
    sources = ["b", "A", "a"]
    tables = {
        "person": [person(1)],
        "condition_occurrence": [
            condition(1, "2010-01-01", condition_source_value=source) for source in sources
        ],
    }
    events, summary = read(tmp_path, tables)
    assert account(summary, "condition_occurrence") == (3, 1, {"duplicate": 2})
    assert [event["source_code"] for event in events if event["source_code"]] == ["A"]


def test_a_row_without_concept_keeps_its_source_value(tmp_path: Path) -> None:
    rows = [condition(1, "2010-01-01", 0, condition_source_value=" X/y 1\t")]
    events, _ = read(tmp_path, {"person": [person(1)], "condition_occurrence": rows})
    assert events[-1]["code"] == "condition/source/X/y 1"
    assert events[-1]["source_code"] == "X/y 1"


def test_visits_and_the_events_that_keep_their_id(tmp_path: Path) -> None:
    days = ["2010-03-08", "2010-03-09", "2010-03-13", "2010-03-14"]
    tables = {
        "person": [person(1), person(2)],
        "visit_occurrence": [
            visit(5, 1, "2010-03-10", "2010-03-12"),
            visit(5, 1, "2010-03-10", "2010-03-12"),
            visit(6, 3, "2010-03-10"),
            visit(7, 2, "2010-03-10", "2010-03-01", visit_concept_id=""),
        ],
        "condition_occurrence": [
            *(condition(1, day, visit_occurrence_id=5) for day in days),
            condition(1, "2010-05-01", visit_occurrence_id=6),
            condition(1, "2010-05-02", visit_occurrence_id=7),
            condition(1, "2010-05-03", visit_occurrence_id=""),
        ],
    }
    events, summary = read(tmp_path, tables)
    linked = [
        (event["time"].date().isoformat(), event["visit_id"])
        for event in events
        if event["code"].startswith("condition")
    ]
    assert linked == [
        ("2010-03-08", None),
        ("2010-03-09", 5),
        ("2010-03-13", 5),
        ("2010-03-14", None),
        ("2010-05-01", None),
        ("2010-05-02", None),
        ("2010-05-03", None),
    ]
    assert summary["detached"] == 2
    assert account(summary, "visit_occurrence") == (4, 2, {"duplicate": 1, "unknown_person": 1})
    # A visit without a concept is kept; an end before the start is no end.
    assert [code for code, _ in codes(events) if code.startswith("visit")] == [
        "visit/9202",
        "visit_end/9202",
        "visit/0",
    ]


@pytest.mark.parametrize(
    ("columns", "born", "precision"),
    [
        ({}, date(1950, 7, 1), "year"),
        ({"month_of_birth": 2}, date(1950, 2, 15), "month"),
        ({"month_of_birth": 2, "day_of_birth": 29}, date(1950, 2, 15), "month"),
        ({"month_of_birth": 2, "day_of_birth": 28}, date(1950, 2, 28), "day"),
        ({"birth_datetime": "1950-05-06 07:08:00"}, date(1950, 5, 6), "day"),
        ({"year_of_birth": "", "birth_datetime": "1951-05-06"}, date(1951, 5, 6), "day"),
    ],
)
def test_birth(tmp_path: Path, columns: Row, born: date, precision: str) -> None:
    tables = {
        "person": [person(1) | columns],
        "condition_occurrence": [condition(1, "2010-01-01")],
    }
    read(tmp_path, tables)
    row = pq.read_table(tmp_path / "out/persons.parquet").to_pylist()[0]
    assert (row["birth_date"], row["birth_precision"]) == (born, precision)


def test_persons_without_birth_twice_or_without_events(tmp_path: Path) -> None:
    tables = {
        "person": [person(1), person(1, 1960), person(2, ""), person(3), person("")],
        "condition_occurrence": [condition(1, "2010-01-01"), condition(2, "2010-01-01")],
    }
    events, summary = read(tmp_path, tables)
    dropped = {"duplicate": 1, "no_date": 1, "unknown_person": 1}
    assert account(summary, "person") == (5, 2, dropped)
    assert account(summary, "condition_occurrence") == (2, 1, {"unknown_person": 1})
    assert summary["persons"] == 2
    assert {event["subject_id"] for event in events} == {1, 3}


def test_observation_periods_that_touch_are_one(tmp_path: Path) -> None:
    spans = [
        ("2010-01-01", "2010-06-30"),
        ("2010-07-01", "2010-12-31"),
        ("2012-01-01", "2012-02-01"),
        ("2010-02-01", "2010-03-01"),
        ("2012-01-01", "2012-02-01"),
        ("2013-01-01", ""),
    ]
    tables = {
        "person": [person(1)],
        "condition_occurrence": [condition(1, "2010-01-01")],
        "observation_period": [
            {
                "person_id": 1,
                "observation_period_start_date": start,
                "observation_period_end_date": end,
            }
            for start, end in spans
        ],
    }
    _, summary = read(tmp_path, tables)
    assert account(summary, "observation_period") == (6, 4, {"duplicate": 1, "no_date": 1})
    periods = pq.read_table(tmp_path / "out/observation_periods.parquet").to_pylist()
    assert [(row["start"], row["end"]) for row in periods] == [
        (date(2010, 1, 1), date(2010, 12, 31)),
        (date(2012, 1, 1), date(2012, 2, 1)),
    ]


def test_an_ancestor_stands_once_at_its_least_distance(tmp_path: Path) -> None:
    rows = [(9, 3), (10, 1), (9, 1), (316139, 0), (8, None)]
    tables = {
        "person": [person(1)],
        "condition_occurrence": [condition(1, "2010-01-01")],
        "concept_ancestor": [
            {
                "ancestor_concept_id": ancestor,
                "descendant_concept_id": 316139,
                "min_levels_of_separation": levels,
            }
            for ancestor, levels in rows
        ],
    }
    read(tmp_path / "with", tables)
    found = pq.read_table(tmp_path / "with/out/ancestors.parquet").to_pylist()
    assert [(row["ancestor"], row["levels"]) for row in found] == [
        ("condition/9", 1),
        ("condition/10", 1),
        ("condition/8", None),
    ]
    codes = pq.read_table(tmp_path / "with/out/codes.parquet").to_pylist()
    parents = {row["code"]: row["parent_codes"] for row in codes}
    assert parents["condition/316139"] == ["condition/9", "condition/10", "condition/8"]
    del tables["concept_ancestor"]
    read(tmp_path / "without", tables)
    assert pq.read_table(tmp_path / "without/out/ancestors.parquet").equals(ANCESTORS.empty_table())


def test_the_date_serves_where_the_datetime_says_no_more(tmp_path: Path) -> None:
    rows = [
        condition(1, "2010-01-01", 1, condition_start_datetime="2010-01-01 10:11:12.5"),
        condition(1, "2010-01-02", 2, condition_start_datetime=""),
        condition(1, "20100103", 3, condition_start_datetime="2010-01-03"),
        condition(1, "2010-01-04", 4, condition_start_datetime="2010-01-04T23:59:00+02:00"),
        condition(1, "2010-01-05 00:00:00", 5),
    ]
    events, _ = read(tmp_path, {"person": [person(1)], "condition_occurrence": rows})
    assert [event["time"] for event in events if event["code"].startswith("condition")] == [
        datetime(2010, 1, 1, 10, 11, 12, 500_000),
        datetime(2010, 1, 2),
        datetime(2010, 1, 3),
        datetime(2010, 1, 4, 23, 59),
        datetime(2010, 1, 5),
    ]


def test_ids_are_exact(tmp_path: Path) -> None:
    large = [2**63 - 1, -(2**63), 2**53 + 1]
    tables = {
        "person": [person(str(number)) for number in large],
        "condition_occurrence": [condition(f"{number}", "2010-01-01") for number in large],
    }
    events, _ = read(tmp_path, tables)
    found = {event["subject_id"] for event in events if event["code"].startswith("condition")}
    assert found == set(large)


@pytest.mark.parametrize("value", ["12.5", "abc", "1e3", "9223372036854775808"])
def test_text_that_is_no_integer_in_an_id_column(tmp_path: Path, value: str) -> None:
    tables = {"person": [person(1)], "condition_occurrence": [condition(value, "2010-01-01")]}
    with pytest.raises(UserError, match=r"condition_occurrence\.person_id") as caught:
        read(tmp_path, tables)
    assert value not in str(caught.value)


@pytest.mark.parametrize("value", ["31/12/2010", "2010-12-31 11:30:00 PM", "2010-12-31 x", "7"])
def test_text_that_is_no_date(tmp_path: Path, value: str) -> None:
    tables = {"person": [person(1)], "condition_occurrence": [condition(1, value)]}
    with pytest.raises(UserError, match=r"condition_occurrence\.condition_start_date") as caught:
        read(tmp_path, tables)
    assert value not in str(caught.value).replace("2010-12-31)", "")


def test_only_the_named_domains_are_read(tmp_path: Path) -> None:
    broken: Row = {"person_id": "x", "drug_concept_id": 1, "drug_exposure_start_date": "?"}
    tables = {
        "person": [person(1)],
        "condition_occurrence": [condition(1, "2010-01-01")],
        "drug_exposure": [broken],
    }
    _, summary = read(tmp_path, tables, domains=["condition"])
    assert "drug_exposure" not in summary["tables"]
