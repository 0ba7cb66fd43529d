"""A cohort of everybody: who is in it, until when, and who is drawn."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_tables import Event, event, write_events

from visitseq.cohort.parts import assign_parts
from visitseq.cohort.population import build_population
from visitseq.errors import UserError
from visitseq.tables import COHORT, PERSONS, write_parquet

DAY = dt.datetime(2015, 3, 1)
ALL = {"kind": "all", "min_visits": 2, "persons": None}


def visits(subject: int, *days: float) -> list[Event]:
    return [event(subject, DAY + dt.timedelta(days=day), "condition/1") for day in days]


#: Two visits; one visit of two days with an id, and one of its own; one visit; none at all.
HOSPITAL = {
    7: visits(7, 0, 10.75),
    3: [
        event(3, DAY, "condition/1", 5),
        event(3, DAY + dt.timedelta(days=1), "drug/2", 5),
        event(3, DAY + dt.timedelta(days=30), "visit/9202", 6),
    ],
    5: [*visits(5, 0, 4), event(5, DAY + dt.timedelta(days=9, hours=1), "visit/9202", 8)],
    9: [],
}


def build(folder: Path, hospital: dict[int, list[Event]], *, parts: int = 1, **keys: Any) -> Path:
    events = [one for own in hospital.values() for one in own]
    columns: dict[str, Any] = {name: pa.nulls(len(hospital)) for name in PERSONS.names}
    columns["subject_id"] = list(hospital)
    columns["last_event"] = [
        max((one[1] for one in own), default=None) for own in hospital.values()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(pa.table(columns).cast(PERSONS), folder / "persons.parquet")
    build_population(
        site="riverside",
        name="everyone",
        cohort={**ALL, **keys},
        events=write_events(folder / "events.parquet", events),
        persons=folder / "persons.parquet",
        folder=folder / "cohort",
        seed=4,
        parts=parts,
    )
    return folder / "cohort"


def subjects(folder: Path) -> list[int]:
    found: list[int] = pq.read_table(folder / "cohort.parquet")["subject_id"].to_pylist()
    return found


def test_everybody_with_two_visits_until_the_midnight_after_the_last_event(tmp_path: Path) -> None:
    folder = build(tmp_path, HOSPITAL)
    table = pq.read_table(folder / "cohort.parquet")
    assert table.schema == COHORT
    # Person 3 has one visit of two days: the visit without codes is none.
    assert table.to_pydict() == {
        "set_id": [None, None],
        "subject_id": [5, 7],
        # The last event of 5 is the visit that begins on the tenth day.
        "index_time": [dt.datetime(2015, 3, 11), dt.datetime(2015, 3, 12)],
        "label": [None, None],
        "part": [0, 0],
    }
    attrition = pd.read_csv(folder / "attrition.csv")
    assert attrition.to_numpy().tolist() == [
        ["person", 1, "persons of the site", 4, 0, 4],
        ["person", 2, "at least 2 visits", 4, 2, 2],
    ]
    assert {path.name for path in folder.iterdir()} == {"cohort.parquet", "attrition.csv"}


@pytest.mark.parametrize(("least", "who"), [(1, [3, 5, 7]), (2, [5, 7])])
def test_min_visits(tmp_path: Path, least: int, who: list[int]) -> None:
    assert subjects(build(tmp_path, HOSPITAL, min_visits=least)) == who


def many(number: int) -> dict[int, list[Event]]:
    return {subject: visits(subject, 0, 5) for subject in range(100, 100 + number)}


def test_a_cap_draws_the_same_persons_whoever_else_is_there(tmp_path: Path) -> None:
    drawn = subjects(build(tmp_path / "a", many(200), persons=40))
    assert len(drawn) == 40 == len(set(drawn))
    assert drawn == sorted(drawn) != list(range(100, 140))
    # Of fewer persons, those that were drawn before are drawn again.
    fewer = subjects(build(tmp_path / "b", many(100), persons=40))
    assert {subject for subject in drawn if subject < 200} <= set(fewer)
    turned = dict(reversed(many(200).items()))
    assert subjects(build(tmp_path / "c", turned, persons=40)) == drawn
    assert subjects(build(tmp_path / "d", many(30), persons=40)) == list(range(100, 130))
    attrition = pd.read_csv(tmp_path / "a/cohort/attrition.csv")
    assert attrition.iloc[-1].tolist() == ["person", 3, "drawn, at most 40 persons", 200, 160, 40]


def test_parts_are_those_of_every_cohort_and_the_cap_does_not_choose_among_them(
    tmp_path: Path,
) -> None:
    table = pq.read_table(build(tmp_path, many(2000), parts=5, persons=500) / "cohort.parquet")
    expected = assign_parts(table["subject_id"].to_numpy(), 4, 5)
    np.testing.assert_array_equal(table["part"].to_numpy(), expected)
    assert np.bincount(table["part"].to_numpy()).min() > 70  # of 100 that are expected


def test_nobody_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"everyone of site riverside has nobody.*at least 9 visi"):
        build(tmp_path, HOSPITAL, min_visits=9)
    assert not (tmp_path / "cohort").exists()
