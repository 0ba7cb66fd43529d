"""A hospital written out by hand, through the whole of stage 2: every criterion at its boundary."""

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from visitseq.cohort.build import build_cohort
from visitseq.cohort.parts import assign_parts
from visitseq.errors import UserError
from visitseq.tables import CODES, COHORT, EVENTS, MATCHES, OBSERVATION_PERIODS, PERSONS

PHENOTYPE = Path(__file__).parents[2] / "workflow/phenotypes/heart_failure.yaml"
HEART_FAILURE = "condition/316139"
INDEX = dt.date(2012, 3, 1)


def after(days: int) -> str:
    """A day so many days after the case's index date."""
    return (INDEX + dt.timedelta(days)).isoformat()


def configuration(matching: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    return {
        "kind": "case_control",
        "phenotype": "heart_failure",
        "qualifying_encounters": 3,
        "qualifying_months": 12,
        "age": [40, 85],
        "eligibility_months": 18,
        "min_visits": 1,
        "washout_months": 0,
        "free_days_after_index": 182,
        "last_contact_days": 30,
        "lookback_months": 0,
        **keys,
        "matching": {
            "method": "random",
            "ratio": 10,
            "exact": ["sex"],
            "age_years": 5,
            "first_visit_days": 365,
            "visits": None,
            "span_days": None,
            "reuse_controls": False,
            **(matching or {}),
        },
    }


def case(**changes: Any) -> dict[str, Any]:
    """A man of 61 who has heart failure from INDEX on: visits on INDEX, 100 and 366 days after."""
    return {
        "birth": "1950-06-15",
        "visits": ["2010-01-10", "2011-12-01"],
        "failing": [after(0), after(100), after(366)],
        **changes,
    }


def control(**changes: Any) -> dict[str, Any]:
    """A man of 61 who can be a control of ``case()``."""
    return {"birth": "1950-06-15", "visits": ["2010-01-10", "2011-12-01", "2012-02-20"], **changes}


def events_of(subject_id: int, person: dict[str, Any]) -> list[tuple[Any, ...]]:
    days = [(day, "procedure/1") for day in person["visits"]]
    days += [(day, HEART_FAILURE) for day in person.get("failing", [])]
    days += [(day, f"care_site/{site}") for day, site in person.get("sites", [])]
    return [
        (subject_id, dt.datetime.fromisoformat(day), code, None, None, None)
        for day, code in sorted(days)
    ]


class Hospital:
    """The tables of stage 1 of a few persons, and the cohort built from them."""

    def __init__(self, folder: Path, persons: dict[int, dict[str, Any]]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        events = [row for key, person in sorted(persons.items()) for row in events_of(key, person)]
        self.write("events", EVENTS, events)
        self.write("persons", PERSONS, [self.person(*item) for item in persons.items()])
        periods = [
            (key, *map(dt.date.fromisoformat, period))
            for key, person in persons.items()
            for period in person.get("periods", [("1990-01-01", "2030-12-31")])
        ]
        self.write("observation_periods", OBSERVATION_PERIODS, periods)
        self.write("codes", CODES, [(HEART_FAILURE, "Heart failure", [])])

    @staticmethod
    def person(subject_id: int, person: dict[str, Any]) -> tuple[Any, ...]:
        birth, death = person["birth"], person.get("death")
        times = [event[1] for event in events_of(subject_id, person)]
        return (
            subject_id,
            birth and dt.date.fromisoformat(birth),
            "day",
            person.get("sex", 8507),
            None,
            None,
            person.get("care_site"),
            death and dt.date.fromisoformat(death),
            min(times, default=None),
            max(times, default=None),
            None,
            None,
        )

    def write(self, name: str, schema: pa.Schema, rows: list[tuple[Any, ...]]) -> None:
        columns = list(zip(*rows, strict=True)) or [()] * len(schema)
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)
        ]
        pq.write_table(pa.table(arrays, schema=schema), self.folder / f"{name}.parquet")

    def build(self, cohort: dict[str, Any], *, parts: int = 1, seed: int = 0) -> None:
        build_cohort(
            site="riverside",
            name="heart_failure",
            cohort=cohort,
            phenotype=PHENOTYPE,
            events=self.folder / "events.parquet",
            persons=self.folder / "persons.parquet",
            observation_periods=self.folder / "observation_periods.parquet",
            codes=self.folder / "codes.parquet",
            folder=self.folder / "cohort",
            seed=seed,
            parts=parts,
        )

    def table(self, name: str) -> pd.DataFrame:
        path = self.folder / "cohort" / name
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)

    def cases(self) -> list[int]:
        cohort = self.table("cohort.parquet")
        return list(cohort.loc[cohort["label"], "subject_id"])

    def controls(self) -> dict[int, list[int]]:
        """Controls of each case."""
        matches = self.table("matches.parquet")
        return {
            int(case): list(matches.loc[matches["case"] == case, "control"])
            for case in matches["case"].unique()
        }

    def left(self, group: str) -> dict[str, int]:
        attrition = self.table("attrition.csv")
        rows = attrition[attrition["group"] == group]
        return dict(zip(rows["criterion"], rows["left"], strict=True))


Boundaries = list[tuple[dict[str, Any], dict[str, Any], bool]]

CONTROL_BOUNDARIES: Boundaries = [
    # (what the control is like, what differs in the configuration, is it eligible)
    ({}, {}, True),
    ({"sex": 8532}, {}, False),
    ({"sex": None}, {}, False),
    ({"sex": 8532}, {"matching": {"exact": []}}, True),
    # Age: 61 at the index date, five years to either side, birthdays on the index day.
    ({"birth": "1956-03-01"}, {}, True),
    ({"birth": "1956-03-02"}, {}, False),
    ({"birth": "1945-03-02"}, {}, True),
    ({"birth": "1945-03-01"}, {}, False),
    ({"birth": "1945-03-01"}, {"matching": {"age_years": None}}, True),
    ({"birth": "1950-03-01"}, {"matching": {"age_years": 1}, "age": [61, 62]}, True),
    ({"birth": "1949-03-01"}, {"matching": {"age_years": None}, "age": [61, 62]}, False),
    ({"birth": "1951-03-01"}, {"matching": {"age_years": None}, "age": [61, 62]}, True),
    ({"birth": "1951-03-02"}, {"matching": {"age_years": None}, "age": [61, 62]}, False),
    ({"birth": None}, {"matching": {"age_years": None}, "age": [0, 150]}, False),
    # First visit: 365 days to either side of 2010-01-10.
    ({"visits": ["2011-01-10", "2012-02-20"]}, {}, True),
    ({"visits": ["2011-01-11", "2012-02-20"]}, {}, False),
    ({"visits": ["2009-01-10", "2012-02-20"]}, {}, True),
    ({"visits": ["2009-01-09", "2012-02-20"]}, {}, False),
    ({"visits": ["2009-01-09", "2012-02-20"]}, {"matching": {"first_visit_days": None}}, True),
    # A qualifying run of its own, 182 days after the index at the earliest; less than a run may be.
    ({"failing": [after(182), after(183), after(184)]}, {}, True),
    ({"failing": [after(181), after(182), after(183)]}, {}, False),
    ({"failing": [after(-5), after(-4), after(-3)]}, {}, False),
    ({"failing": [after(1), after(2)]}, {}, True),
    ({"failing": [after(1), after(2), after(1 + 366)]}, {}, False),
    ({"failing": [after(1), after(2), after(1 + 367)]}, {}, True),
    ({"failing": [after(1), after(2), after(3)]}, {"free_days_after_index": 1}, True),
    # Last contact.
    ({"visits": ["2010-01-10", after(-30)]}, {}, True),
    ({"visits": ["2010-01-10", after(-31)]}, {}, False),
    ({"visits": ["2010-01-10", after(-31)]}, {"last_contact_days": 31}, True),
    # Alive and observed on the index day.
    ({"death": after(0)}, {}, True),
    ({"death": after(-1)}, {}, False),
    ({"periods": [("1990-01-01", after(0))]}, {}, True),
    ({"periods": [("1990-01-01", after(-1))]}, {}, False),
    ({"periods": [("1990-01-01", after(-9)), (after(0), after(1))]}, {}, True),
    ({"periods": [("1990-01-01", after(-9)), (after(1), after(2))]}, {}, False),
    ({"periods": []}, {}, False),
    # Washout and lookback: 12 months are 366 days, of one observation period.
    ({"periods": [(after(-366), after(9))]}, {"washout_months": 12}, True),
    ({"periods": [(after(-365), after(9))]}, {"washout_months": 12}, False),
    ({"periods": [(after(-366), after(9))]}, {"lookback_months": 12}, True),
    ({"periods": [(after(-365), after(9))]}, {"lookback_months": 12}, False),
    ({"periods": [(after(-900), after(-9)), (after(-7), after(9))]}, {"lookback_months": 1}, False),
    # Visits in the 548 days before the index day, which itself is outside.
    ({"visits": ["2010-01-10", after(-548), after(5)]}, {}, True),
    ({"visits": ["2010-01-10", after(-549), after(5)]}, {}, False),
    ({"visits": ["2010-01-10", after(0)]}, {}, False),
    ({"visits": ["2010-01-10", after(-1)]}, {"eligibility_months": 0.01}, True),
    ({"visits": ["2010-01-10", after(0)]}, {"min_visits": 0}, True),
    # The case has one visit in the eligibility window; two visits span 90 days.
    ({"visits": ["2010-01-10", after(-9), after(-8)]}, {"matching": {"visits": 1}}, True),
    ({"visits": ["2010-01-10", after(-9), after(-8)]}, {"matching": {"visits": 0}}, False),
    ({"visits": ["2010-01-10", after(-99), after(-9)]}, {"matching": {"span_days": 90}}, True),
    ({"visits": ["2010-01-10", after(-99), after(-9)]}, {"matching": {"span_days": 89}}, False),
]


def by_configuration(
    boundaries: Boundaries,
) -> list[tuple[dict[str, Any], dict[int, tuple[dict[str, Any], bool]]]]:
    """Gather the persons (numbered from 101) that one configuration judges: one build for all."""
    groups: dict[str, tuple[dict[str, Any], dict[int, tuple[dict[str, Any], bool]]]] = {}
    for number, (person, changes, verdict) in enumerate(boundaries, start=101):
        groups.setdefault(repr(changes), (changes, {}))[1][number] = (person, verdict)
    return list(groups.values())


@pytest.mark.parametrize(("changes", "persons"), by_configuration(CONTROL_BOUNDARIES))
def test_control_boundaries(
    changes: dict[str, Any], persons: dict[int, tuple[dict[str, Any], bool]], tmp_path: Path
) -> None:
    first = case(birth="1950-03-01") if "age" in changes else case()
    # Fit for every configuration above, so that there always is a control.
    spare = control(visits=["2010-01-10", after(-9)], birth="1950-03-01")
    if changes.get("eligibility_months") == 0.01:
        first["visits"].append(after(-1))
        spare["visits"].append(after(-1))
    others = {number: control(**person) for number, (person, _) in persons.items()}
    hospital = Hospital(tmp_path, {1: first, 2: spare, **others})
    # With reuse, since some have a qualifying run and are cases that take controls themselves.
    matching = changes.get("matching", {}) | {"reuse_controls": True, "ratio": 100}
    hospital.build(configuration(**changes | {"matching": matching}))
    expected = [number for number, (_, eligible) in persons.items() if eligible]
    assert hospital.controls()[1] == [2, *expected]


CASE_BOUNDARIES: Boundaries = [
    ({}, {}, True),
    # Three days within 366, the restart rule, and distinct visits.
    ({"failing": [after(0), after(100), after(367)]}, {}, False),
    ({"failing": [after(-400), after(0), after(100), after(366)]}, {}, True),
    ({"failing": [after(0), after(0), after(100)]}, {}, False),
    ({"failing": [after(0), after(366)]}, {"qualifying_encounters": 2}, True),
    ({"failing": [after(0), after(367)]}, {"qualifying_encounters": 2}, False),
    ({"failing": [after(0)]}, {"qualifying_encounters": 1, "qualifying_months": 0}, True),
    # Age 40 to 85 at the index date.
    ({"birth": "1972-03-01"}, {}, True),
    ({"birth": "1972-03-02"}, {}, False),
    ({"birth": "1926-03-02"}, {}, True),
    ({"birth": "1926-03-01"}, {}, False),
    ({"birth": None}, {}, False),
    ({"death": after(0)}, {}, True),
    ({"death": after(-1)}, {}, False),
    ({"periods": [("1990-01-01", after(0))]}, {}, True),
    ({"periods": [("1990-01-01", after(-1))]}, {}, False),
    ({"periods": [(after(1), after(900))]}, {}, False),
    # Washout counts to the person's very first qualifying day, lookback to the index date.
    ({"periods": [(after(-366), after(900))]}, {"washout_months": 12}, True),
    ({"periods": [(after(-365), after(900))]}, {"washout_months": 12}, False),
    (
        {
            "periods": [(after(-400 - 366), after(900))],
            "failing": [after(-400), after(0), after(9), after(19)],
        },
        {"washout_months": 12},
        True,
    ),
    (
        {
            "periods": [(after(-400 - 365), after(900))],
            "failing": [after(-400), after(0), after(9), after(19)],
        },
        {"washout_months": 12},
        False,
    ),
    (
        {
            "periods": [(after(-400 - 365), after(900))],
            "failing": [after(-400), after(0), after(9), after(19)],
        },
        {"lookback_months": 25},
        True,
    ),
    ({"periods": [(after(-366), after(900))]}, {"lookback_months": 12}, True),
    ({"periods": [(after(-365), after(900))]}, {"lookback_months": 12}, False),
    # Visits in the 548 days before the index day.
    ({"visits": [after(-548)]}, {}, True),
    ({"visits": [after(-549)]}, {}, False),
    ({"visits": []}, {}, False),
    ({"visits": []}, {"min_visits": 0}, True),
    ({"visits": [after(-9)]}, {"min_visits": 2}, False),
    ({"visits": [after(-9), after(-8)]}, {"min_visits": 2}, True),
]


@pytest.mark.parametrize(("changes", "persons"), by_configuration(CASE_BOUNDARIES))
def test_case_boundaries(
    changes: dict[str, Any], persons: dict[int, tuple[dict[str, Any], bool]], tmp_path: Path
) -> None:
    # Fit for every configuration above, so that there always is a case.
    spare = case(visits=["2010-01-10", "2011-12-01", "2012-02-20"])
    candidates = {number: case(**person) for number, (person, _) in persons.items()}
    hospital = Hospital(tmp_path, {1: spare, 2: control(), **candidates})
    matching = {"age_years": None, "first_visit_days": None, "reuse_controls": True}
    hospital.build(configuration(**changes, matching=matching))
    expected = [number for number, (_, qualifies) in persons.items() if qualifies]
    assert hospital.cases() == [1, *expected]
    cohort = hospital.table("cohort.parquet")
    assert set(cohort["index_time"]) == {pd.Timestamp(INDEX)}


def test_index_is_the_first_day_of_a_merged_visit_at_midnight(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, {1: case(), 2: control()})
    path = tmp_path / "events.parquet"
    events = pd.read_parquet(path)
    # The code of the index day is dated three days later, in a stay that begins on the index day.
    stay = (events["subject_id"] == 1) & (events["time"] == pd.Timestamp(INDEX))
    admitted = events[stay].assign(code="procedure/1", visit_id=77)
    admitted["time"] += pd.Timedelta("10:00:00")
    events.loc[stay, "visit_id"] = 77
    events.loc[stay, "time"] += pd.Timedelta("3 days 13:00:00")
    events = pd.concat([events, admitted])
    events = events.sort_values(["subject_id", "time", "code"])
    pq.write_table(pa.Table.from_pandas(events, EVENTS, preserve_index=False), path)
    hospital.build(configuration())
    assert set(hospital.table("cohort.parquet")["index_time"]) == {pd.Timestamp(INDEX)}


@pytest.mark.parametrize(
    ("of_case", "of_control", "eligible"),
    [
        ({"care_site": 7}, {"care_site": 7}, True),
        ({"care_site": 7}, {"care_site": 8}, False),
        ({"care_site": 7}, {}, False),
        ({}, {}, True),
        # Without one of their own: the commonest strictly before the index day.
        ({"care_site": 7}, {"sites": [(after(-2), 7), (after(-1), 8), (after(-1), 7)]}, True),
        ({"care_site": 7}, {"sites": [(after(-2), 7), (after(0), 8), (after(1), 8)]}, True),
        ({"care_site": 7}, {"sites": [(after(-3), 8), (after(-2), 7)]}, True),
        ({"care_site": 8}, {"sites": [(after(-3), 8), (after(-2), 7)]}, False),
        ({"care_site": 10}, {"sites": [(after(-3), 10), (after(-2), 9)]}, False),
        ({"care_site": 9}, {"sites": [(after(-3), 10), (after(-2), 9)]}, True),
        ({}, {"sites": [(after(0), 8)]}, True),
        ({}, {"sites": [(after(-1), 8)]}, False),
        ({"sites": [(after(-1), 8)]}, {"care_site": 8, "sites": [(after(-1), 9)]}, True),
    ],
)
def test_care_site(
    of_case: dict[str, Any], of_control: dict[str, Any], eligible: bool, tmp_path: Path
) -> None:
    spare = control(**of_case)
    hospital = Hospital(tmp_path, {1: case(**of_case), 2: control(**of_control), 3: spare})
    hospital.build(configuration(matching={"exact": ["sex", "care_site"]}))
    assert hospital.controls()[1] == ([2, 3] if eligible else [3])


def test_without_observation_periods_observed_time_begins_with_the_first_event(
    tmp_path: Path,
) -> None:
    """And has no end: a control whose last visit comes 30 days before the index may serve."""
    early = control(visits=[after(-366), after(-30)], periods=[])
    late = control(visits=[after(-365), after(-30)], periods=[])
    hospital = Hospital(tmp_path, {1: case(periods=[]), 2: early, 3: late})
    hospital.build(configuration(lookback_months=12, matching={"first_visit_days": None}))
    assert hospital.controls() == {1: [2]}


def test_a_case_serves_before_its_time_and_both_are_counted(tmp_path: Path) -> None:
    later = control(failing=[after(400), after(401), after(402)])
    hospital = Hospital(
        tmp_path, {1: case(), 2: later, 3: control(visits=["2010-01-10", after(390)])}
    )
    hospital.build(configuration())
    cohort = hospital.table("cohort.parquet")
    assert cohort[["set_id", "subject_id", "label"]].to_numpy().tolist() == [
        [0, 1, True],
        [0, 2, False],
        [1, 2, True],
        [1, 3, False],
    ]
    assert list(cohort["index_time"]) == [pd.Timestamp(after(days)) for days in (0, 0, 400, 400)]
    balance = hospital.table("balance.csv").set_index(["measure", "variable"])["value"]
    assert balance["reuse", "controls_that_become_cases"] == 1
    assert balance["reuse", "cases_used_as_controls"] == 1
    assert balance["reuse", "controls_used_once"] == 2


def many(cases: int, controls: int, **changes: Any) -> dict[int, dict[str, Any]]:
    """Cases 1, 2, … and controls 1001, 1002, … that are all alike."""
    persons = {1 + number: case() for number in range(cases)}
    return persons | {1001 + number: control(**changes) for number in range(controls)}


@pytest.mark.parametrize("method", ["random", "nearest", "optimal"])
def test_scarce_controls_are_spread(method: str, tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, many(4, 6))
    hospital.build(configuration(matching={"method": method, "ratio": 3}))
    matches = hospital.table("matches.parquet")
    assert matches["control"].is_unique
    sampled = matches.groupby("case")["n_sampled"].agg(["size", "min", "max"])
    assert sampled["size"].sum() == 6
    assert (sampled["size"] >= 1).all()
    assert (sampled["min"] == sampled["size"]).all()
    assert set(matches["n_eligible"]) == {6}
    if method != "optimal":
        assert sorted(sampled["size"]) == [1, 1, 2, 2]


@pytest.mark.parametrize("method", ["random", "nearest", "optimal"])
def test_reuse(method: str, tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, many(4, 3))
    hospital.build(configuration(matching={"method": method, "ratio": 3, "reuse_controls": True}))
    assert hospital.controls() == {number: [1001, 1002, 1003] for number in (1, 2, 3, 4)}
    cohort = hospital.table("cohort.parquet")
    rows = cohort.loc[cohort["subject_id"] == 1001, ["set_id", "label"]].to_numpy().tolist()
    assert rows == [[0, False], [1, False], [2, False], [3, False]]
    balance = hospital.table("balance.csv").set_index(["measure", "variable"])["value"]
    assert balance["reuse", "controls_used_more_than_once"] == 3


def test_cases_without_a_control_are_dropped_and_counted(tmp_path: Path) -> None:
    persons = many(2, 3) | {9: case(sex=8532)}
    hospital = Hospital(tmp_path, persons)
    hospital.build(configuration())
    assert hospital.cases() == [1, 2]
    assert set(hospital.table("matches.parquet")["set_id"]) == {0, 1}
    last = hospital.table("attrition.csv").query("group == 'case'").iloc[-1]
    assert last["criterion"] == "matched to at least one control"
    assert [last["in"], last["out"], last["left"]] == [3, 1, 2]


def test_nearest_takes_the_smallest_distance(tmp_path: Path) -> None:
    persons = {
        1: case(),
        2: case(birth="1953-06-15", visits=["2010-02-10", "2011-12-01"]),
        3: control(birth="1953-06-14"),
        4: control(birth="1950-06-16"),
        5: control(birth="1948-06-15"),
    }
    hospital = Hospital(tmp_path, persons)
    hospital.build(configuration(matching={"method": "nearest", "ratio": 1}))
    assert hospital.controls() == {1: [4], 2: [3]}
    # Standard deviations over the cases: half the difference of two.
    years, days = (dt.date(1953, 6, 15) - dt.date(1950, 6, 15)).days / 365.25 / 2, 31 / 2
    expected = [1 / 365.25 / years, math.hypot(1 / 365.25 / years, 31 / days)]
    assert hospital.table("matches.parquet")["distance"].to_numpy() == pytest.approx(expected)


def test_nobody_straddles_parts(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, many(30, 200))
    hospital.build(configuration(matching={"ratio": 2}), parts=7, seed=5)
    cohort = hospital.table("cohort.parquet")
    ids = cohort["subject_id"].to_numpy()
    assert cohort["part"].nunique() == 7
    assert (cohort["part"] == assign_parts(ids, 5, 7)).all()
    assert (cohort.groupby("set_id")["part"].nunique() == 1).all()


def test_schemas_and_order(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, many(3, 20))
    hospital.build(configuration(matching={"reuse_controls": True}))
    assert pq.read_schema(tmp_path / "cohort/cohort.parquet") == COHORT
    assert pq.read_schema(tmp_path / "cohort/matches.parquet") == MATCHES
    cohort = hospital.table("cohort.parquet")
    key = ["subject_id", "index_time", "set_id"]
    assert cohort[key].equals(cohort[key].sort_values(key).reset_index(drop=True))
    matches = hospital.table("matches.parquet")
    key = ["set_id", "control"]
    assert matches[key].equals(matches[key].sort_values(key).reset_index(drop=True))


def test_same_bytes_on_every_run_and_in_any_order_of_rows(tmp_path: Path) -> None:
    persons = many(5, 30)
    first = Hospital(tmp_path / "first", persons)
    second = Hospital(tmp_path / "second", dict(reversed(persons.items())))
    written = [(hospital.folder / "persons.parquet").read_bytes() for hospital in (first, second)]
    assert written[0] != written[1]
    for hospital in (first, second):
        hospital.build(configuration(matching={"ratio": 4}), parts=2)
    for name in ("cohort.parquet", "matches.parquet", "attrition.csv", "balance.csv"):
        assert (first.folder / "cohort" / name).read_bytes() == (
            second.folder / "cohort" / name
        ).read_bytes()


def test_a_case_keeps_its_controls_when_another_case_appears(tmp_path: Path) -> None:
    """With reuse a case's draw is its own: neither other cases nor their order matter."""
    matching = {"ratio": 3, "reuse_controls": True}
    alone = Hospital(tmp_path / "alone", {2: case(), **many(0, 30)})
    joined = Hospital(tmp_path / "joined", {1: case(), 2: case(), 3: case(), **many(0, 30)})
    for hospital in (alone, joined):
        hospital.build(configuration(matching=matching))
    assert alone.controls()[2] == joined.controls()[2]
    assert joined.controls()[1] != joined.controls()[2]


def test_attrition(tmp_path: Path) -> None:
    persons = {
        1: case(),
        2: case(birth="1980-01-01"),
        3: case(failing=[after(0)]),
        4: case(death=after(-1)),
        5: case(visits=["2010-01-10"]),
        11: control(),
        12: control(sex=8532),
        13: control(birth="1940-01-01"),
        14: control(birth="1920-01-01"),
        15: control(visits=["2009-01-01", "2012-02-20"]),
        16: control(visits=["2010-01-10", "2011-12-01"]),
        17: control(death="2012-02-21"),
        18: control(periods=[]),
        19: control(visits=["2010-01-10", after(3)]),
    }
    hospital = Hospital(tmp_path, persons)
    hospital.build(configuration(matching={"ratio": 1}))
    assert hospital.left("case") == {
        "persons of the site": 14,
        "a visit with a qualifying code": 5,
        "3 visits with a qualifying code within 12 months": 4,
        "birth date known": 4,
        "age 40 to 85 at the index date": 3,
        "alive at the index date": 2,
        "observed at the index date": 2,
        "at least 1 visit in the 548 days before the index date": 1,
        "matched to at least one control": 1,
    }
    # Person 3, with one visit for heart failure, may be a control.
    assert hospital.left("control") == {
        "persons of the site": 14,
        "another person of a case's part and sex": 12,
        "age 40 to 85 at the index date": 10,
        "age within 5 years of the case's": 9,
        "first visit within 365 days of the case's": 8,
        "no qualifying run before 182 days after the index date": 6,
        "a visit from 30 days before the index date on": 5,
        "alive at the index date": 4,
        "observed at the index date": 3,
        "at least 1 visit in the 548 days before the index date": 2,
        "drawn as a control": 1,
    }
    attrition = hospital.table("attrition.csv")
    assert list(attrition.columns) == ["group", "step", "criterion", "in", "out", "left"]
    assert (attrition["in"] - attrition["out"] == attrition["left"]).all()
    for _, rows in attrition.groupby("group"):
        assert list(rows["step"]) == list(range(1, len(rows) + 1))
        assert (rows["in"].iloc[1:].to_numpy() == rows["left"].iloc[:-1].to_numpy()).all()
        assert rows["out"].iloc[0] == 0


def test_attrition_counts_a_person_once_who_fits_several_cases(tmp_path: Path) -> None:
    """Person 12 is too old for one case and began too late for the other: no case fits both."""
    persons = {
        1: case(),
        2: case(birth="1940-06-15", visits=["2011-06-01", "2011-12-01"]),
        11: control(),
        12: control(birth="1942-01-01", visits=["2009-11-01", "2012-02-20"]),
        13: control(birth="1940-06-15", visits=["2011-06-01", "2012-02-20"]),
    }
    hospital = Hospital(tmp_path, persons)
    hospital.build(configuration())
    left = hospital.left("control")
    assert left["age within 5 years of the case's"] == 3
    assert left["first visit within 365 days of the case's"] == 2


def test_balance(tmp_path: Path) -> None:
    """Two men as cases, one with two controls and one with a single one."""
    persons = {
        1: case(birth="1950-03-01"),
        2: case(birth="1970-03-01", visits=["2011-01-01", "2011-12-01", "2012-02-01"]),
        11: control(birth="1952-03-01", visits=["2010-01-20", "2012-02-20"]),
        12: control(birth="1948-03-01", visits=["2010-01-30", "2011-12-22", "2012-02-20"]),
        13: control(birth="1971-03-01", visits=["2011-01-11", "2012-02-20"]),
        14: control(birth="1990-03-01"),
        15: control(birth="1950-03-01", sex=8532),
    }
    hospital = Hospital(tmp_path, persons)
    hospital.build(configuration())
    balance = hospital.table("balance.csv")
    assert list(balance.columns) == ["measure", "variable", "when", "cases", "controls", "value"]
    differences = balance[balance["measure"] == "smd"].set_index(["variable", "when"])

    def expected(cases: list[float], controls: list[float], weights: list[float]) -> list[float]:
        total = sum(weights)
        mean_case = sum(cases) / len(cases)
        mean_control = sum(w * x for w, x in zip(weights, controls, strict=True)) / total
        var_case = sum((x - mean_case) ** 2 for x in cases) / len(cases)
        var_control = (
            sum(w * (x - mean_control) ** 2 for w, x in zip(weights, controls, strict=True)) / total
        )
        spread = math.sqrt((var_case + var_control) / 2)
        return [mean_case, mean_control, (mean_case - mean_control) / spread if spread else 0.0]

    def years(*births: str) -> list[float]:
        return [(INDEX - dt.date.fromisoformat(birth)).days / 365.25 for birth in births]

    def day(text: str) -> float:
        return float((dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days)

    sets = [0.5, 0.5, 1.0]
    births = years("1952-03-01", "1948-03-01", "1971-03-01")
    after_matching = {
        "age": expected(years("1950-03-01", "1970-03-01"), births, sets),
        "sex": [0, 0, 0],
        "visits": expected([1, 3], [1, 2, 2], sets),
        "span_days": expected([0, day("2012-02-01") - day("2011-01-01")], [0, 60, 405], sets),
        "first_visit": expected(
            [day("2010-01-10"), day("2011-01-01")],
            [day("2010-01-20"), day("2010-01-30"), day("2011-01-11")],
            sets,
        ),
    }
    columns = ["cases", "controls", "value"]
    for variable, numbers in after_matching.items():
        assert list(differences.loc[(variable, "after"), columns]) == pytest.approx(numbers)
    # Before matching the woman counts, the man of 22 does not; all cases have the same index date.
    weights = [1.0] * 4
    births = years("1952-03-01", "1948-03-01", "1971-03-01", "1950-03-01")
    before = {
        "age": expected(years("1950-03-01", "1970-03-01"), births, weights),
        "sex": expected([0, 0], [0, 0, 0, 1], weights),
        "visits": expected([1, 3], [1, 2, 2, 2], weights),
    }
    for variable, numbers in before.items():
        assert list(differences.loc[(variable, "before"), columns]) == pytest.approx(numbers)
    counts = balance[balance["measure"] == "ratio"].set_index("variable")["value"]
    assert dict(counts) == {str(n): float(n in (1, 2)) for n in range(1, 11)}


def test_balance_of_groups_that_do_not_vary(tmp_path: Path) -> None:
    """Three cases and nine controls of one age; the cases have one visit less."""
    hospital = Hospital(tmp_path, many(3, 9))
    hospital.build(configuration(matching={"ratio": 3}))
    table = hospital.table("balance.csv").query("measure == 'smd'")
    values = table.set_index(["variable", "when"])["value"]
    for when in ("before", "after"):
        assert values["age", when] == values["sex", when] == values["first_visit", when] == 0
        assert math.isnan(values["visits", when])
    assert set(hospital.table("matches.parquet")["distance"]) == {0}


def test_no_case_is_an_error_that_says_what_was_found(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, {1: case(failing=[after(0), after(1)]), 2: control()})
    with pytest.raises(UserError) as caught:
        hospital.build(configuration())
    message = str(caught.value)
    for words in (
        "Cohort heart_failure of site riverside has no case",
        "3 visits with a qualifying code within 12 months",
        "89 condition concepts, 52 ICD codes",
        "persons of the site: 2; a visit with a qualifying code: 1;",
    ):
        assert words in message
    assert not (tmp_path / "cohort").exists()


def test_a_site_without_any_visit_has_no_case(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, {1: control(visits=[]), 2: control(visits=[], periods=[])})
    with pytest.raises(UserError, match="a visit with a qualifying code: 0;"):
        hospital.build(configuration(matching={"exact": ["sex", "care_site"]}))


def test_no_control_is_an_error(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, {1: case(), 2: control(sex=8532)})
    with pytest.raises(UserError, match="has 1 case but none with an eligible control"):
        hospital.build(configuration())


def test_optimal_matching_that_does_not_fit_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visitseq.cohort.assignment.LARGEST_MATRIX", 2 * 2 * 3 * 8 - 1)
    hospital = Hospital(tmp_path, many(2, 3))
    with pytest.raises(
        UserError, match=r"Cohort heart_failure of site riverside: optimal.*nearest"
    ):
        hospital.build(configuration(matching={"method": "optimal", "ratio": 2}))
