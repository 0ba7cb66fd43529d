"""Planted defects, counted by an ingest that knows nothing of them."""

import json
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omop_site import Row, ingest

from visitseq.ingest.site import ingest_site
from visitseq.simulate.messy import ADDED, CHANGED, EVENT_DEFECTS, UNKNOWN, plant_defects
from visitseq.simulate.schemas import TABLES as SCHEMAS
from visitseq.simulate.site import simulate_site

DOMAINS = ["condition", "drug", "procedure", "measurement", "observation"]
TABLES = {
    "condition_occurrence": "condition",
    "drug_exposure": "drug",
    "procedure_occurrence": "procedure",
    "measurement": "measurement",
    "observation": "observation",
}


class Ingested:
    """A simulated site, its summary, and what its truth says was planted."""

    def __init__(self, folder: Path, preset: str, messy: bool) -> None:
        section = {"preset": preset, "persons": 2600, "seed": 5, "order_effect": 0.5}
        simulate_site({**section, "messy": messy}, folder)
        site = {"path": str(folder / "omop"), "schema": "main", "domains": DOMAINS}
        ingest_site(name="messy", site={**site, "latest_date": None}, folder=folder)
        self.summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
        self.folder = folder
        self.database = duckdb.connect()
        for path in [*folder.glob("*.parquet"), *(folder / "omop").glob("*.parquet")]:
            self.database.execute(f"CREATE VIEW {path.stem} AS FROM read_parquet('{path}')")

    def planted(self) -> Counter[tuple[str, str]]:
        """Planted rows by table and defect."""
        rows = self.database.execute(
            'SELECT d."table", d.defect, sum(d.rows) FROM (SELECT unnest(defects) AS d FROM truth) '
            "GROUP BY ALL"
        ).fetchall()
        return Counter({(table, defect): int(count) for table, defect, count in rows})

    def planted_by_person(self, table: str) -> Counter[tuple[int, str]]:
        """Planted rows of a table by person and defect."""
        rows = self.database.execute(
            "SELECT subject_id, d.defect, d.rows FROM "
            '(SELECT subject_id, unnest(defects) AS d FROM truth) WHERE d."table" = ?',
            [table],
        ).fetchall()
        return Counter({(person, defect): rows for person, defect, rows in rows})

    def rows(self, table: str) -> dict[int, Row]:
        """Rows of an event table by their id."""
        found = pq.read_table(self.folder / f"omop/{table}.parquet").to_pylist()
        rows = {row[f"{table}_id"]: row for row in found}
        assert len(rows) == len(found)
        return rows

    def number(self, sql: str) -> int:
        return int(self.database.execute(f"SELECT count(*) FROM ({sql})").fetchall()[0][0])


@pytest.fixture(scope="module", params=["primary_care", "intensive_care"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Ingested, Ingested]:
    folder = tmp_path_factory.mktemp(request.param)
    clean = Ingested(folder / "clean", request.param, messy=False)
    return clean, Ingested(folder / "messy", request.param, messy=True)


def test_a_clean_site_loses_nothing(pair: tuple[Ingested, Ingested]) -> None:
    clean, _ = pair
    assert not clean.planted()
    assert clean.summary["detached"] == 0
    assert all(not any(t["dropped"].values()) for t in clean.summary["tables"].values())


def test_ingest_drops_what_was_planted(pair: tuple[Ingested, Ingested]) -> None:
    clean, messy = pair
    planted = messy.planted()
    for table, counted in messy.summary["tables"].items():
        expected = {
            defect: rows
            for (where, defect), rows in planted.items()
            if where == table and defect not in ("null_visit_id", "detached", "no_mapping")
        }
        dropped = {reason: rows for reason, rows in counted["dropped"].items() if rows}
        assert dropped == expected, table
        assert counted["kept"] == clean.summary["tables"][table]["kept"], table
    assert {defect for _, defect in planted} >= {
        "unknown_person", "no_date", "before_birth", "after_death", "implausible_date",
        "no_concept", "duplicate",
    }  # fmt: skip


def test_what_is_kept_shows_its_defect(pair: tuple[Ingested, Ingested]) -> None:
    clean, messy = pair
    planted = messy.planted()
    detached = sum(rows for (_, defect), rows in planted.items() if defect == "detached")
    assert messy.summary["detached"] == detached > 100
    for table, domain in TABLES.items():
        events = f"SELECT 1 FROM events WHERE code LIKE '{domain}/%'"
        without = planted[table, "null_visit_id"] + planted[table, "detached"]
        assert messy.number(f"{events} AND visit_id IS NULL") == without
        unmapped = [site.number(f"{events} AND code LIKE '%/source/%'") for site in pair]
        assert unmapped[1] - unmapped[0] == planted[table, "no_mapping"]
        assert messy.number(events) == clean.number(events)


def test_every_defect_is_planted_at_its_rate(pair: tuple[Ingested, Ingested]) -> None:
    clean, messy = pair
    rows = clean.summary["tables"]["condition_occurrence"]["read"]
    for defect, rate in {"null_visit_id": 0.02, "no_mapping": 0.01, "duplicate": 0.006}.items():
        count = messy.planted()["condition_occurrence", defect]
        assert abs(count - rate * rows) < 5 * (rate * rows) ** 0.5 + 0.1 * rate * rows


def test_truth_names_the_person_of_each_defect(pair: tuple[Ingested, Ingested]) -> None:
    clean, messy = pair
    before, after = clean.rows("observation"), messy.rows("observation")
    deaths = dict(clean.database.execute("SELECT person_id, death_date FROM death").fetchall())
    found = Counter(
        _defect(row, before.get(number), deaths)
        for number, row in after.items()
        if row != before.get(number)
    )
    assert before.keys() <= after.keys()
    assert found == messy.planted_by_person("observation")


def _defect(row: Row, good: Row | None, deaths: dict[int, date]) -> tuple[int, str]:
    """Person and defect of a row that isn't as in the clean site: one thing about it is wrong."""
    person, day = row["person_id"] % UNKNOWN, row["observation_date"]
    if good is not None:
        wrong = {
            "null_visit_id": row["visit_occurrence_id"] is None,
            "detached": day != good["observation_date"],
            "no_mapping": row["observation_concept_id"] == 0,
        }
    else:
        wrong = {
            "unknown_person": row["person_id"] != person,
            "no_date": day is None,
            "before_birth": day == date(1800, 1, 1),
            "after_death": day is not None and person in deaths and day > deaths[person],
            "no_concept": row["observation_source_value"] is None,
        }
    defects = [defect for defect, holds in wrong.items() if holds] or ["duplicate"]
    assert len(defects) == 1
    return person, defects[0]


def test_only_changed_events_differ_from_the_clean_ones(pair: tuple[Ingested, Ingested]) -> None:
    clean, messy = pair
    changed = sum(rows for (_, defect), rows in messy.planted().items() if defect in CHANGED)
    before = f"SELECT * FROM read_parquet('{clean.folder}/events.parquet')"
    assert messy.number(f"{before} EXCEPT ALL SELECT * FROM events") == changed
    assert messy.number(f"SELECT * FROM events EXCEPT ALL {before}") == changed


def test_detached_events_stay_within_the_record(pair: tuple[Ingested, Ingested]) -> None:
    clean, messy = pair
    before = clean.rows("procedure_occurrence")
    periods = pq.read_table(clean.folder / "observation_periods.parquet").to_pylist()
    period = {row["subject_id"]: row for row in periods}
    moved = 0
    for number, row in messy.rows("procedure_occurrence").items():
        day = row["procedure_date"]
        if number in before and day != before[number]["procedure_date"]:
            assert period[row["person_id"]]["start"] <= day <= period[row["person_id"]]["end"]
            assert abs(day - before[number]["procedure_date"]) >= timedelta(weeks=3)
            assert row["procedure_datetime"].date() == day
            moved += 1
    assert moved == messy.planted()["procedure_occurrence", "detached"] > 0


def test_the_same_seed_plants_the_same_whatever_the_threads(tmp_path: Path) -> None:
    section = {"preset": "counts_only", "persons": 2100, "seed": 3, "order_effect": 0.5}
    for threads in (1, 2):
        simulate_site({**section, "messy": True}, tmp_path / str(threads), threads)
    for path in sorted((tmp_path / "1").rglob("*.parquet")):
        other = tmp_path / "2" / path.relative_to(tmp_path / "1")
        assert path.read_bytes() == other.read_bytes(), path.name


def one_record() -> dict[str, pa.Table]:
    """One person with one visit, one condition at it, a period around it, and a death after it."""
    day, time = date(2010, 5, 1), datetime(2010, 5, 1, 9, 30)
    ids = {"person_id": 1, "visit_occurrence_id": 1}
    rows: dict[str, Row] = {
        "person": {
            "person_id": 1, "gender_concept_id": 8507, "year_of_birth": 1950,
            "month_of_birth": 3, "day_of_birth": 9, "birth_datetime": datetime(1950, 3, 9),
        },
        "observation_period": {
            "observation_period_id": 1, "person_id": 1,
            "observation_period_start_date": date(2010, 1, 1),
            "observation_period_end_date": date(2010, 12, 31),
        },
        "visit_occurrence": {
            **ids, "visit_concept_id": 9202,
            "visit_start_date": day, "visit_start_datetime": time,
            "visit_end_date": day, "visit_end_datetime": time,
        },
        "death": {"person_id": 1, "death_date": date(2010, 12, 31)},
        "condition_occurrence": {
            **ids, "condition_occurrence_id": 1, "condition_concept_id": 316139,
            "condition_start_date": day, "condition_start_datetime": time,
            "condition_source_value": "428.0",
        },
    }  # fmt: skip
    return {name: pa.Table.from_pylist([row], SCHEMAS[name]) for name, row in rows.items()}


#: What a condition and its visit id are where every condition has one defect and no other.
OUTCOMES: dict[str, list[tuple[str, datetime, int | None]]] = {
    "null_visit_id": [("condition/316139", datetime(2010, 5, 1, 9, 30), None)],
    "detached": [("condition/316139", datetime(2010, 6, 30, 9, 30), None)],
    "no_mapping": [("condition/source/428.0", datetime(2010, 5, 1, 9, 30), 1)],
}
UNTOUCHED = [("condition/316139", datetime(2010, 5, 1, 9, 30), 1)]


@pytest.mark.parametrize("defect", EVENT_DEFECTS)
def test_one_defect_on_a_record_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defect: str
) -> None:
    rates = {name: float(name == defect) for name in EVENT_DEFECTS}
    monkeypatch.setattr("visitseq.simulate.messy.EVENT_DEFECTS", rates)
    monkeypatch.setattr("visitseq.simulate.messy.ADDED", dict.fromkeys(ADDED, 0.0))
    monkeypatch.setattr("visitseq.simulate.messy.PERSON_RATE", 0.0)
    tables, planted = plant_defects(one_record(), np.random.default_rng(0), 0)
    (tmp_path / "omop").mkdir()
    for name, table in tables.items():
        assert table.schema.equals(SCHEMAS[name])
        pq.write_table(table, tmp_path / "omop" / f"{name}.parquet")
    events, summary = ingest(tmp_path / "omop", tmp_path / "out")
    conditions = [
        (event["code"], event["time"], event["visit_id"])
        for event in events
        if event["code"].startswith("condition")
    ]
    assert planted.to_pylist() == [
        {"subject_id": 1, "table": "condition_occurrence", "defect": defect, "rows": 1}
    ]
    assert conditions == OUTCOMES.get(defect, UNTOUCHED)
    assert summary["detached"] == int(defect == "detached")
    added = {} if defect in CHANGED else {defect: 1}
    assert summary["tables"]["condition_occurrence"]["dropped"] == added
