"""Blocks of persons: they change no byte, and what is written is what one plain pass would give."""

import datetime as dt
import hashlib
import random
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from omop_site import (
    Row,
    Tables,
    condition,
    ingest,
    person,
    visit,
    write_database,
    write_folder,
    write_parquet_folder,
)

from visitseq.errors import UserError
from visitseq.ingest import blocks, event_file
from visitseq.ingest.event_counts import NumberedCodes

#: Ids far apart, and below zero; one block has none of the rows of some.
PERSONS = [-(2**62), -7, *range(1, 9), 10**12, 2**63 - 1]
DAY = dt.date(2010, 1, 1)


def made_up(seed: int, rows: int = 400, days: int = 9) -> Tables:
    """Rows in no order, among them copies, rows of nobody and rows that are dropped."""
    draw = random.Random(seed)
    subjects = [*PERSONS[:-2], 55, None]  # 55 is not known, and the last two have no rows

    def day() -> str:
        return (DAY + dt.timedelta(draw.randrange(days))).isoformat()

    visits = [visit(n % 40, draw.choice(subjects), day(), day()) for n in range(60)]
    conditions = [
        condition(
            draw.choice(subjects),
            draw.choice([day(), "1940-01-01"]),
            draw.choice([0, 7, 12, 100]),
            condition_source_value=draw.choice([None, "b", "a", "428.0", "é"]),
            visit_occurrence_id=draw.choice([None, *range(45)]),
        )
        for _ in range(rows)
    ]
    measurements = [
        {
            "person_id": draw.choice(subjects),
            "measurement_concept_id": draw.choice([3, 20]),
            "measurement_date": day(),
            "measurement_source_value": draw.choice(["x", "y", None]),
            "value_as_number": draw.choice([None, -1.5, 0.25, 2.0]),
        }
        for _ in range(rows)
    ]
    return {
        "person": [person(n, 1950, year_of_birth=1950) for n in PERSONS],
        "visit_occurrence": visits + visits[:5],
        "condition_occurrence": conditions,
        "measurement": measurements,
        "death": [{"person_id": 3, "death_date": "2010-01-05"}],
    }


def digest(folder: Path) -> list[str]:
    files = sorted(folder.iterdir())
    assert len(files) == 6
    return [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]


def shrink(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(blocks, "_ROWS", rows)


@pytest.mark.parametrize("rows", [10, 300])
@pytest.mark.parametrize("form", ["csv", "parquet", "database"])
def test_blocks_change_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, rows: int
) -> None:
    tables = made_up(seed=rows)
    ingest(write_folder(tmp_path / "plain", tables), tmp_path / "expected")
    site = {
        "csv": lambda path: write_folder(path, tables),
        "parquet": lambda path: write_parquet_folder(path, tables),
        "database": lambda path: write_database(path.with_suffix(".duckdb"), tables),
    }[form](tmp_path / "site")
    shrink(monkeypatch, rows)
    ingest(site, tmp_path / "out", threads=2)
    assert digest(tmp_path / "out") == digest(tmp_path / "expected")


def test_row_groups_end_where_they_would_without_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_file, "_ROW_GROUP", 2048)
    site = write_folder(tmp_path / "site", made_up(seed=1, rows=4_000, days=600))
    events, _ = ingest(site, tmp_path / "expected")
    assert len(events) > 2 * 2048
    shrink(monkeypatch, 1_000)
    ingest(site, tmp_path / "out")
    assert digest(tmp_path / "out") == digest(tmp_path / "expected")


def test_cuts_between_blocks_change_no_byte(tmp_path: Path) -> None:
    """With so many source codes that a dictionary of them is full, and pages end early."""
    rows, draw = 200_000, random.Random(2)
    codes = NumberedCodes(pa.array(["condition/1"]), pa.array(["condition"]))
    events = pa.table(
        {
            "subject_id": pa.array(range(rows)),
            "time": pa.array([0] * rows, pa.timestamp("us")),
            "code_id": pa.array([0] * rows, pa.int32()),
            "numeric_value": pa.nulls(rows, pa.float32()),
            "visit_id": pa.nulls(rows, pa.int64()),
            "source_code": [f"{draw.random():.14f}" for _ in range(rows)],
        }
    )
    found = set()
    for cuts in ([], [777, 50_001], [1_000, 60_000, 122_881, 170_003]):
        path = tmp_path / "events.parquet"
        with event_file.open_event_file(path, codes) as file:
            for start, end in pairwise([0, *cuts, rows]):
                file.append(events[start:end])
        found.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(found) == 1


def test_blocks_come_in_order_and_no_more_at_once_than_fit_in_memory() -> None:
    assert [blocks.blocks_at_once(*limits) for limits in ((2, 3000), (16, 1000), (4, 60))] == [
        2,
        4,
        1,
    ]
    running, most = [], []

    def work(connection: duckdb.DuckDBPyConnection) -> int:
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()
        (low,) = connection.execute("SELECT getvariable('low')").fetchall()[0]
        connection.execute("CREATE TEMP TABLE of_the_block AS SELECT 1")
        return int(low)

    with duckdb.connect() as connection:
        ranges = [(n, n) for n in range(20)]
        assert list(blocks.map_blocks(connection, ranges, work, 3)) == list(range(20))
    assert max(most) == 3


@pytest.mark.parametrize("seed", range(3))
def test_events_by_a_plain_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    tables = made_up(seed)
    shrink(monkeypatch, 50)
    events, summary = ingest(write_folder(tmp_path / "site", tables), tmp_path / "out")
    assert [tuple(event.values()) for event in events] == plain_pass(tables)
    for table in ("visit_occurrence", "condition_occurrence", "measurement"):
        counted = summary["tables"][table]
        assert counted["read"] == len(tables[table])
        assert counted["read"] == counted["kept"] + sum(counted["dropped"].values())
        nobody = sum(row["person_id"] in (None, 55) for row in tables[table])
        assert counted["dropped"]["unknown_person"] == nobody
    assert summary["events"] == len(events)


def plain_pass(tables: Tables) -> list[tuple[Any, ...]]:
    """The events of ``made_up`` tables in Python: a set of rows, sorted."""
    spans: dict[Any, list[str]] = {}
    found: dict[tuple[Any, ...], list[str]] = {}

    def add(who: int, when: str, code: str, row: Row) -> None:
        key = (who, when, code, row.get("value_as_number"), row.get("visit"))
        sources = found.setdefault(key, [])
        if row.get("source") is not None:
            sources.append(row["source"])

    for who in PERSONS:
        add(who, "1950-07-01", "MEDS_BIRTH", {})
        add(who, "1950-07-01", "sex/8507", {})
    add(3, "2010-01-05", "MEDS_DEATH", {})
    for row in tables["visit_occurrence"]:
        who, start, end = row["person_id"], row["visit_start_date"], row["visit_end_date"]
        if who in PERSONS:
            stay = spans.setdefault((who, row["visit_occurrence_id"]), [])
            stay += [start, max(start, end)]
            key = {"visit": row["visit_occurrence_id"]}
            add(who, start, "visit/9202", key)
    for (who, number, start), end in _ends(tables).items():
        add(who, end, "visit_end/9202", {"visit": number, "start": start})
    for domain, table in (
        ("condition", "condition_occurrence"),
        ("measurement", "measurement"),
    ):
        for row in tables[table]:
            date = row.get(f"{domain}_start_date") or row[f"{domain}_date"]
            concept, source = row[f"{domain}_concept_id"], row[f"{domain}_source_value"]
            if row["person_id"] not in PERSONS or date < "1950" or not (concept or source):
                continue
            stay = spans.get((row["person_id"], row.get("visit_occurrence_id")), [])
            inside = stay and _shift(min(stay), -1) <= date <= _shift(max(stay), 1)
            own = {
                "value_as_number": row.get("value_as_number"),
                "visit": row.get("visit_occurrence_id") if inside else None,
                "source": source,
            }
            code = f"{domain}/{concept}" if concept else f"{domain}/source/{source}"
            add(row["person_id"], date, code, own)
    rows = [
        (who, dt.datetime.fromisoformat(when), code, value, number, min(sources, default=None))
        for (who, when, code, value, number), sources in found.items()
    ]
    return sorted(rows, key=_order)


def _ends(tables: Tables) -> dict[tuple[Any, ...], str]:
    """The last end of each visit, by person, id and start; an end before the start is none."""
    ends: dict[tuple[Any, ...], str] = {}
    for row in tables["visit_occurrence"]:
        start, end = row["visit_start_date"], row["visit_end_date"]
        key = (row["person_id"], row["visit_occurrence_id"], start)
        if row["person_id"] in PERSONS and end >= start:
            ends[key] = max(ends.get(key, end), end)
    return ends


def _shift(day: str, days: int) -> str:
    return (dt.date.fromisoformat(day) + dt.timedelta(days)).isoformat()


def _order(event: tuple[Any, ...]) -> tuple[Any, ...]:
    who, when, code, value, number, _ = event
    return who, when, code.encode(), number is not None, number or 0, value is not None, value or 0


def test_a_wrong_value_in_a_later_block_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = made_up(seed=1)
    tables["measurement"][-1]["measurement_date"] = "soon"
    site = write_parquet_folder(tmp_path / "site", tables)
    shrink(monkeypatch, 50)
    with pytest.raises(UserError, match=r"measurement\.measurement_date holds a value") as error:
        ingest(site, tmp_path / "out")
    assert "soon" not in str(error.value)


def test_a_file_that_cannot_be_written_ends_the_ingest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out/events.parquet").mkdir(parents=True)
    site = write_folder(tmp_path / "site", made_up(seed=1))
    shrink(monkeypatch, 50)  # so that there are blocks that nobody takes any more
    with pytest.raises(UserError, match=r"events\.parquet or a table beside it cannot be written"):
        ingest(site, tmp_path / "out")
