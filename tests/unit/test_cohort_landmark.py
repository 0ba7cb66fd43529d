"""A landmark cohort: who has a row on which 1 January, and what came of it, at every boundary."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cohort_build import PHENOTYPE, Hospital

from visitseq.cohort.day_lists import NEVER, DayLists
from visitseq.cohort.landmark import build_landmark, outcome_table
from visitseq.cohort.outcomes import fell_ill_in_gap
from visitseq.cohort.records import Records
from visitseq.tables import COHORT, OUTCOMES

LANDMARK: dict[str, Any] = {
    "kind": "landmark",
    "phenotype": "heart_failure",
    "qualifying_encounters": 3,
    "qualifying_months": 12,
    "age": [40, 85],
    "lookback_months": 12,
    "horizon_months": 12,
    "min_visits": 1,
    "eligibility_months": 18,
    "persons": None,
}
#: The horizon of 12 months ends before this day, of the index date in 2012: 366 days on.
BEYOND = dt.date(2013, 1, 1)
#: The last day on which a run that begins on the horizon's last day can be complete.
LAST = dt.date(2014, 1, 1)


def person(**changes: Any) -> dict[str, Any]:
    """A man of 61 with a visit before the 1 January of 2011 and of 2012, observed for a year."""
    return {
        "birth": "1950-06-15",
        "visits": ["2010-03-01", "2011-12-01"],
        "periods": [("2009-12-31", LAST.isoformat())],
        **changes,
    }


#: Who comes last, so that the records end on LAST; too old to be of the cohort.
WITNESS = person(birth="1900-01-01", visits=[LAST.isoformat()])


def failing(day: dt.date) -> list[str]:
    """A run that begins on a day: visits on it, and 100 and 366 days later."""
    return [(day + dt.timedelta(days)).isoformat() for days in (0, 100, 366)]


def build(
    folder: Path, patients: dict[int, dict[str, Any]], *, parts: int = 1, **keys: Any
) -> Hospital:
    """Build the cohort of some persons, and of the witness unless another is among them."""
    hospital = Hospital(folder, {99: WITNESS, **patients})
    build_landmark(
        site="riverside",
        name="each_january",
        cohort={**LANDMARK, **keys},
        phenotype=PHENOTYPE,
        events=folder / "events.parquet",
        persons=folder / "persons.parquet",
        observation_periods=folder / "observation_periods.parquet",
        codes=folder / "codes.parquet",
        folder=folder / "cohort",
        seed=0,
        parts=parts,
    )
    return hospital


def rows_of(hospital: Hospital) -> list[tuple[int, int, int, str]]:
    """Person, year, days and outcome of every row."""
    table = pq.read_table(hospital.folder / "cohort/outcomes.parquet").to_pydict()
    years = [time.year for time in table["index_time"]]
    return list(zip(table["subject_id"], years, table["days"], table["outcome"], strict=True))


#: Somebody who falls ill, without whom a cohort is refused.
ILL = person(failing=failing(dt.date(2012, 6, 1)))
ILL_ROWS = [(1, 2011, 366, "free"), (1, 2012, 152, "onset")]


def test_a_cohort_has_a_row_a_person_and_january(tmp_path: Path) -> None:
    hospital = build(tmp_path, {7: person(), 1: ILL})
    cohort = pq.read_table(tmp_path / "cohort/cohort.parquet")
    outcomes = pq.read_table(tmp_path / "cohort/outcomes.parquet")
    assert cohort.schema == COHORT
    assert outcomes.schema == OUTCOMES
    assert cohort.to_pydict() == {
        "set_id": [None] * 4,
        "subject_id": [1, 1, 7, 7],
        "index_time": [dt.datetime(year, 1, 1) for year in (2011, 2012, 2011, 2012)],
        "label": [False, True, False, False],
        "part": [0] * 4,
    }
    assert rows_of(hospital) == [*ILL_ROWS, (7, 2011, 366, "free"), (7, 2012, 366, "free")]


#: What a person is like, and the rows that come of it.
BOUNDARIES: dict[str, tuple[dict[str, Any], list[tuple[int, int, str]]]] = {
    "a run on the 1 January itself": (
        {"failing": failing(dt.date(2012, 1, 1))},
        [(2011, 365, "onset"), (2012, 0, "onset")],  # 366 days are a day more than 2011
    ),
    "a run on the day before": (
        {"failing": failing(dt.date(2011, 12, 31))},
        [(2011, 364, "onset")],
    ),
    "a run on the last day of the horizon": (
        {"failing": failing(BEYOND - dt.timedelta(1))},
        [(2011, 366, "free"), (2012, 365, "onset")],
    ),
    "a run on the day after": (
        {"failing": failing(BEYOND)},
        [(2011, 366, "free"), (2012, 366, "free")],
    ),
    "a code that is no run": (
        {"failing": failing(dt.date(2012, 6, 1))[:2]},
        [(2011, 366, "free"), (2012, 366, "free")],
    ),
    "death on the index date": (
        {"death": "2012-01-01"},
        [(2011, 365, "death"), (2012, 0, "death")],
    ),
    "death on the day before": ({"death": "2011-12-31"}, [(2011, 364, "death")]),
    "death on the day of the run": (
        {"failing": failing(dt.date(2012, 6, 1)), "death": "2012-06-01"},
        [(2011, 366, "free"), (2012, 152, "onset")],
    ),
    "a run after death": (
        {"failing": failing(dt.date(2012, 6, 1)), "death": "2012-05-31"},
        [(2011, 366, "free"), (2012, 151, "death")],
    ),
    "death after the end of observation": (
        {"periods": [("2009-12-31", "2012-05-31")], "death": "2012-06-01"},
        [(2011, 366, "free"), (2012, 151, "censored")],
    ),
    "death on the last day of observation": (
        {"periods": [("2009-12-31", "2012-06-01")], "death": "2012-06-01"},
        [(2011, 366, "free"), (2012, 152, "death")],
    ),
    "a run on the last day of observation": (
        {"failing": failing(dt.date(2012, 6, 1)), "periods": [("2009-12-31", "2012-06-01")]},
        [(2011, 366, "free"), (2012, 152, "onset")],
    ),
    "a run after the end of observation": (
        {"failing": failing(dt.date(2012, 6, 1)), "periods": [("2009-12-31", "2012-05-31")]},
        [(2011, 366, "free"), (2012, 151, "censored")],
    ),
    "observed on the last day of the horizon": (
        {"periods": [("2009-12-31", "2012-12-31")]},
        [(2011, 366, "free"), (2012, 366, "free")],
    ),
    "observed until the day before it": (
        {"periods": [("2009-12-31", "2012-12-30")]},
        [(2011, 366, "free"), (2012, 364, "censored")],
    ),
    "observed until the day before the index date": (
        {"periods": [("2009-12-31", "2011-12-31")]},
        [(2011, 364, "censored")],
    ),
    "observed 366 days before the index date": (
        {"periods": [("2010-12-31", LAST.isoformat())]},
        [(2012, 366, "free")],
    ),
    "observed 365 days before the index date": ({"periods": [("2011-01-01", "2013-12-31")]}, []),
    "not observed for a while": (
        {"periods": [("2009-12-31", "2011-05-01"), ("2011-06-01", LAST.isoformat())]},
        [(2011, 120, "censored")],
    ),
    "born on a 1 January": ({"birth": "1972-01-01"}, [(2012, 366, "free")]),
    "born on the day after": ({"birth": "1972-01-02"}, []),
    "85 until the day before the index date": ({"birth": "1926-01-01"}, [(2011, 366, "free")]),
    "birth unknown": ({"birth": None}, []),
    "a visit 548 days before": (
        {"visits": ["2010-07-02"]},
        [(2011, 366, "free"), (2012, 366, "free")],
    ),
    "a visit 549 days before": ({"visits": ["2010-07-01"]}, [(2011, 366, "free")]),
    "a visit on the index date": ({"visits": ["2012-01-01"]}, []),
}  # fmt: skip


@pytest.fixture(scope="module")
def boundaries(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    """A hospital to which everybody of ``BOUNDARIES`` goes, numbered from 10."""
    persons = {10 + number: person(**own) for number, (own, _) in enumerate(BOUNDARIES.values())}
    return build(tmp_path_factory.mktemp("boundaries"), {1: ILL, **persons})


@pytest.mark.parametrize("what", BOUNDARIES)
def test_boundaries(boundaries: Hospital, what: str) -> None:
    subject = 10 + list(BOUNDARIES).index(what)
    rows = [row[1:] for row in rows_of(boundaries) if row[0] == subject]
    assert rows == BOUNDARIES[what][1]


def test_the_label_is_the_onset(boundaries: Hospital) -> None:
    cohort = pq.read_table(boundaries.folder / "cohort/cohort.parquet")
    outcomes = pq.read_table(boundaries.folder / "cohort/outcomes.parquet")
    is_onset = [outcome == "onset" for outcome in outcomes["outcome"].to_pylist()]
    assert cohort["label"].to_pylist() == is_onset
    for name in ("subject_id", "index_time"):
        assert cohort[name].equals(outcomes[name])


def test_every_step_is_counted_by_person_and_by_index_date(tmp_path: Path) -> None:
    # Ill in 2011, so that 2012 is out; and somebody without a visit.
    early = person(failing=failing(dt.date(2011, 12, 30)))
    build(tmp_path, {1: ILL, 2: early, 3: person(visits=[])}, persons=10)
    attrition = pd.read_csv(tmp_path / "cohort/attrition.csv")
    steps = [
        # persons 1, 2, 3 and the witness in 2010 to 2014
        ("each 1 January since the person was first observed", 4, 20),
        ("the site's records go on for 732 days (horizon and a run's visits)", 4, 12),
        ("birth date known", 4, 12),
        ("age 40 to 85 at the index date", 3, 9),
        ("alive at the index date", 3, 9),
        ("observed at the index date", 3, 9),
        ("observed 366 days before the index date", 3, 6),
        ("at least 1 visit in the 548 days before the index date", 2, 4),
        ("drawn, at most 10 persons", 2, 4),
        ("no qualifying run before the index date", 2, 3),
    ]
    found = dict(list(attrition.groupby("group")))
    assert found["person"]["criterion"].tolist() == ["persons of the site", *(s[0] for s in steps)]
    assert found["person"]["left"].tolist() == [4, *(s[1] for s in steps)]
    assert found["person-year"]["criterion"].tolist() == [s[0] for s in steps]
    assert found["person-year"]["left"].tolist() == [s[2] for s in steps]
    assert (attrition["in"] - attrition["out"] == attrition["left"]).all()


def test_whoever_falls_ill_in_the_gap_is_counted(tmp_path: Path) -> None:
    ill = {
        key: person(failing=failing(dt.date(2012, 1, 1) - dt.timedelta(days)))
        for key, days in ((2, 1), (3, 92), (4, 92), (5, 93))
    }
    build(tmp_path, {1: ILL, **ill})
    path = tmp_path / "cohort/onset_before.csv"
    assert path.read_text() == "days,person_years\n1,1\n92,2\n93,1\n"
    # Three months are 92 days: the run of person 5 begins on the last day of the window.
    assert [fell_ill_in_gap(path, months) for months in (0, 0.03, 3, 4)] == [0, 1, 3, 4]


def test_a_run_of_one_visit_is_known_on_its_day(tmp_path: Path) -> None:
    hospital = build(tmp_path, {1: ILL}, qualifying_encounters=1)
    # The horizon of 2013 ends on 1 January 2014, the last day; ill before 2013.
    assert rows_of(hospital) == ILL_ROWS
    later = {1: ILL, 2: person(visits=["2012-09-01"])}
    rows = rows_of(build(tmp_path, later, qualifying_encounters=1))
    assert (2, 2013, 366, "free") in rows
    assert not [row for row in rows if row[1] > 2013]


def test_the_records_have_to_go_on_to_the_last_day_on_which_a_run_can_be_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sooner = {**WITNESS, "visits": ["2013-12-31"]}
    rows = rows_of(build(tmp_path, {1: ILL, 99: sooner}))
    assert "has nobody who falls ill within 12 months of a 1 January" in caplog.text
    assert rows
    assert "onset" not in {row[3] for row in rows}


def test_a_cap_is_of_persons(tmp_path: Path) -> None:
    many = dict.fromkeys(range(1, 31), ILL)
    whole = build(tmp_path / "all", many, parts=3)
    some = build(tmp_path / "some", many, parts=3, persons=10)
    rows = rows_of(some)
    assert len(rows) == 20
    assert len({row[0] for row in rows}) == 10
    assert set(rows) < set(rows_of(whole))
    assert {row[0] for row in rows} != set(range(1, 11))


def test_a_cohort_of_nobody_is_empty(tmp_path: Path) -> None:
    assert rows_of(build(tmp_path, {1: person(birth=None)})) == []


days = st.integers(-800, 1_200)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(days, st.one_of(days, st.just(NEVER)), days), min_size=1, max_size=6),
    st.integers(1, 500),
)
def test_outcomes_are_what_a_day_by_day_diary_says(
    persons: list[tuple[int, int, int]], horizon: int
) -> None:
    """Each day of the horizon is asked in turn: ill, dead, the last day observed?"""
    start, size = -1_000, len(persons)
    onset, death, until = (
        np.array(column, dtype=np.int64) for column in zip(*persons, strict=True)
    )
    until = np.abs(until)  # observed on day 0
    onset, death = np.abs(onset), np.abs(death)
    none = DayLists.from_pairs(np.array([], np.int64), np.array([], np.int64), size)
    zeros = np.zeros(size, dtype=np.int64)
    records = Records(
        subject_id=np.arange(size), part=zeros.astype(np.int32), sex=zeros, birth=zeros,
        death=death, first_qualifying=onset, run_start=onset, visits=none,
        period_starts=DayLists.from_pairs(np.arange(size), np.full(size, start), size),
        period_ends=until, site_changes=none, sites=np.array([], np.int64),
    )  # fmt: skip
    found = outcome_table(records, np.arange(size), zeros, horizon).to_pylist()
    for row, (ill, dead, last) in zip(found, zip(onset, death, until, strict=True), strict=True):
        expected = (horizon, "free")
        for day in range(horizon):
            if day == ill:
                expected = (day, "onset")
            elif day == dead:
                expected = (day, "death")
            elif day == last and day < horizon - 1:
                expected = (day, "censored")
            else:
                continue
            break
        assert (row["days"], row["outcome"]) == expected


def test_a_site_without_observation_periods_is_followed_to_the_horizon(tmp_path: Path) -> None:
    one = person(periods=[], visits=["2009-12-31", "2011-12-01"])
    persons = {1: {**one, "failing": failing(dt.date(2012, 6, 1))}, 2: one}
    persons[99] = {**WITNESS, "periods": []}
    assert rows_of(build(tmp_path, persons)) == [
        *ILL_ROWS,
        (2, 2011, 366, "free"),
        (2, 2012, 366, "free"),
    ]
