"""Visits of odd records, against the definition in SQL, and how they are read."""

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visitseq.cohort.event_blocks import event_blocks, read_subjects
from visitseq.cohort.phenotype import IS_QUALIFYING, Concept, Phenotype, register_phenotype
from visitseq.cohort.qualifying_visits import qualifying_visits
from visitseq.cohort.visits import visit_blocks
from visitseq.engine import connect
from visitseq.tables import CODES, EVENTS

DEFINITION = Path(__file__).with_name("visit_event.sql").read_text("utf-8")
SUBJECTS = [-(2**63), -3, 1, 2, 2**63 - 1]

VISIT_IDS = [-(2**63), -5, 0, 1, 2**63 - 1]
CLINICAL: list[str | None] = [
    "condition/1",
    "condition/2",
    "drug/1",
    "drug/1",
    "measurement/1",
    "condition",
]
OTHER: list[str | None] = ["visit", "visitor/1", "visit_end", "care_site/1", "MEDS_BIRTH", None]


def odd_events(seed: int) -> list[dict[str, Any]]:
    """Records with everything in them that a visit may have to cope with.

    Visit ids that persons share, with stays that last long, end before they begin, have no start,
    no end or several; events outside of the stay, without a visit id, without a time.
    """
    random = Random(seed)
    events = []

    def add(subject: int, day: int, code: str | None, visit_id: int | None) -> None:
        minutes = random.choice([0, 1, 600, 1439])
        time = datetime(1969, 12, 20) + timedelta(days=day, minutes=minutes)
        event = {
            "subject_id": subject,
            "time": time if random.random() < 0.95 else None,
            "code": code,
            "numeric_value": None,
            "visit_id": visit_id,
            "source_code": random.choice([None, "a", "ICD9CM/428.0"]),
        }
        events.append(event)

    visit_ids = random.sample([None, *VISIT_IDS], random.randint(1, 4))
    for subject in random.sample(SUBJECTS, random.randint(0, 3)):
        for visit_id in random.choices(visit_ids, k=random.randint(0, 8)):
            first = random.randint(0, 30)
            last = first + random.choice([-2, 0, 0, 1, 3, 365, 366, 367, 500])
            for day, code in ((first, "visit/9201"), (last, "visit_end/9201")):
                for _ in range(random.choice([0, 1, 1, 1, 1, 2])):
                    add(subject, day, code, visit_id if random.random() < 0.9 else None)
            for _ in range(random.randint(0, 4)):
                name = random.choice(CLINICAL if random.random() < 0.8 else OTHER)
                add(subject, first + random.choice([-1, 0, 0, 0, 1, 2, 40]), name, visit_id)
    return events


records = st.builds(odd_events, st.integers(0, 2**32))
reading = st.fixed_dictionaries(
    {
        "domains": st.sampled_from([["condition", "drug"], ["measurement", "condition"], []]),
        "subjects": st.one_of(st.none(), st.lists(st.sampled_from(SUBJECTS), unique=True)),
        "rows_a_block": st.sampled_from([1, 10, 40, 1000]),
    }
)


def write(path: Path, events: list[dict[str, Any]], *, by_time: bool) -> Path:
    """Write events by person, in row groups of three, in the order of time or in none."""
    keys = ["subject_id", *(["time", "code", "visit_id"] if by_time else [])]
    table = pa.Table.from_pylist(events, schema=EVENTS)
    order = [(key, "ascending", "at_start") for key in keys]
    pq.write_table(table.sort_by(order), path, row_group_size=3)
    return path


def defined(
    path: Path, domains: list[str], subjects: list[int] | None
) -> tuple[list[tuple[Any, ...]], int]:
    """Rows of visit_event and the number of open-ended visit ids, as the SQL has them."""
    chosen = SUBJECTS if subjects is None else subjects
    with connect() as connection:
        connection.register("domain", pa.table({"name": pa.array(domains, pa.string())}))
        connection.register("subject", pa.table({"subject_id": pa.array(chosen, pa.int64())}))
        connection.execute(
            f"CREATE TEMP TABLE event AS FROM read_parquet('{path}') "
            "WHERE subject_id IN (FROM subject) "
            "AND (code LIKE 'visit%' OR split_part(code, '/', 1) IN (FROM domain))"
        )
        connection.execute(f"CREATE TEMP TABLE visit_event AS {DEFINITION}")
        open_ended = connection.execute(
            "SELECT count(*) FROM (SELECT DISTINCT subject_id, open_visit_id FROM visit_event "
            "WHERE open_visit_id IS NOT NULL)"
        ).fetchall()
        return shown(connection), open_ended[0][0]


def shown(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return connection.execute(
        'SELECT subject_id, visit, start, "end", code, source_code FROM visit_event ORDER BY ALL'
    ).fetchall()


@settings(max_examples=100, deadline=None)
@given(records, st.booleans(), reading)
def test_visits_are_those_of_the_definition(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[dict[str, Any]],
    by_time: bool,
    asked: dict[str, Any],
) -> None:
    path = write(tmp_path_factory.mktemp("visits") / "e.parquet", events, by_time=by_time)
    subjects = asked["subjects"]
    chosen = None if subjects is None else np.array(subjects, dtype=np.int64)
    found, open_ended = [], 0
    with connect() as connection:
        for block in visit_blocks(path, **{**asked, "subjects": chosen}):
            block.register(connection)
            found += shown(connection)
            open_ended += block.visits.open_ended
    assert (found, open_ended) == defined(path, asked["domains"], subjects)


HEART_FAILURE = Phenotype(
    name="heart_failure",
    description="",
    source="",
    domain="condition",
    concepts=(Concept(1, "one", descendants=False),),
    exclude=(),
    listed=(),
    icd9cm=("428.0",),
    icd10cm=(),
    patterns=(),
)


@settings(max_examples=50, deadline=None)
@given(records)
def test_a_visit_qualifies_if_one_of_its_events_does(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]]
) -> None:
    path = write(tmp_path_factory.mktemp("visits") / "e.parquet", events, by_time=True)
    with connect() as connection:
        register_phenotype(connection, HEART_FAILURE, CODES.empty_table())
        for block in visit_blocks(path, rows_a_block=40):
            block.register(connection)
            asked = connection.execute(
                f"SELECT bool_or({IS_QUALIFYING}) FROM visit_event "
                "GROUP BY subject_id, visit ORDER BY subject_id, visit"
            ).fetchall()
            assert qualifying_visits(connection, block).tolist() == [one for (one,) in asked]


def many_events() -> list[dict[str, Any]]:
    """Of person p (10, 20, …) p // 10 events."""
    empty = dict.fromkeys(EVENTS.names)
    time = datetime(2010, 1, 1)
    return [
        {**empty, "subject_id": person, "time": time, "code": f"condition/{number}"}
        for person in range(10, 80, 10)
        for number in range(person // 10)
    ]


def test_a_block_holds_whole_persons(tmp_path: Path) -> None:
    path = write(tmp_path / "e.parquet", many_events(), by_time=True)
    for rows_a_block in range(1, 40):
        blocks = list(event_blocks(path, None, rows_a_block))
        assert pa.concat_tables(blocks)["code"].to_pylist() == [e["code"] for e in many_events()]
        persons = [set(block["subject_id"].to_pylist()) for block in blocks]
        assert sum(map(len, persons)) == len(set.union(*persons)) == 7
        # More than a block's rows, a row group (3) and the largest person's rows (7) is never held.
        assert all(len(block) < rows_a_block + 3 + 7 for block in blocks)
    assert len(blocks) == 1


def test_row_groups_without_a_person_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "e.parquet", many_events(), by_time=True)
    read = []

    def read_row_group(file: pq.ParquetFile, number: int, **how: Any) -> pa.Table:
        read.append(number)
        return of_file(file, number, **how)

    of_file = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    for persons, groups in {(5, 99): [], (10, 35): [0], (30, 70): [1, 7, 8, 9], (25,): []}.items():
        read.clear()
        found = pa.concat_tables(event_blocks(path, np.array(persons), 100))
        assert set(found["subject_id"].to_pylist()) == set(persons) & set(range(10, 80, 10))
        assert read == groups


def test_names_that_no_row_has_do_not_pile_up(tmp_path: Path) -> None:
    path = write(tmp_path / "e.parquet", many_events(), by_time=True)
    for persons, names in {(10,): 1, (10, 30): 3, (20, 70): 7}.items():
        (block,) = event_blocks(path, np.array(persons), 100)
        assert len(block["code"].chunk(0).dictionary) == names


def test_persons_of_a_file(tmp_path: Path) -> None:
    events = many_events()
    Random(0).shuffle(events)
    path = write(tmp_path / "e.parquet", events, by_time=False)
    assert read_subjects(path).tolist() == list(range(10, 80, 10))
    assert not len(read_subjects(write(tmp_path / "none.parquet", [], by_time=True)))


def test_persons_out_of_order_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(many_events()[::-1], schema=EVENTS)
    pq.write_table(table, tmp_path / "e.parquet")
    with pytest.raises(ValueError, match="not sorted by subject_id"):
        list(event_blocks(tmp_path / "e.parquet", None))
