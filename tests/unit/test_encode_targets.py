"""Whole records with the labels of each visit, by hand."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_tables import Event, event, write_ancestors, write_codes, write_events

from visitseq.encode.histories import read_histories
from visitseq.encode.rollup import icd_category, roll_up
from visitseq.encode.targets import encode_targets
from visitseq.errors import UserError
from visitseq.tables import ANCESTORS, COHORT, VISIT_TARGETS, vocabulary_schema, write_parquet

START, INDEX = datetime(2012, 1, 1), datetime(2012, 6, 1)
TASK = {"kind": "forecast", "visits_ahead": 1, "labels": ["condition"], "rollup": "none"}
ENCODING = {
    "vocabulary": "codes",
    "sequence": "visit",
    "domains": ["condition", "drug", "procedure"],
}


def on(subject: int, day: float, code: str, visit: int | None = None) -> Event:
    return event(subject, START + timedelta(days=day), code, visit)


#: Person 1: a visit of two days, one of a drug alone, one of two conditions, one whose recorded end
#: lies beyond the index. Person 2: two visits. Person 4: a single visit.
EVENTS = [
    on(1, 0, "condition/20", 50),
    on(1, 1, "drug/7", 50),
    on(1, 10, "drug/7"),
    on(1, 40, "condition/3"),
    on(1, 40.5, "condition/20"),
    on(1, 40.5, "condition/20"),
    on(1, 151, "visit/9201", 51),
    on(1, 151.5, "condition/source/x", 51),
    on(1, 170, "visit_end/9201", 51),
    on(2, 3, "procedure/1"),
    on(2, 5, "condition/3"),
    on(4, 2, "condition/3"),
]


def encode(
    folder: Path,
    events: list[Event],
    persons: tuple[int, ...] = (1, 2, 4),
    vocabulary: str = "codes",
    **keys: Any,
) -> Path:
    rows = {
        "set_id": pa.nulls(len(persons)),
        "subject_id": list(persons),
        "index_time": [INDEX] * len(persons),
        "label": pa.nulls(len(persons)),
        "part": [subject % 3 for subject in persons],
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(pa.table(rows).cast(COHORT), folder / "cohort.parquet")
    encode_targets(
        task={**TASK, **keys},
        encoding={**ENCODING, "vocabulary": vocabulary},
        cohort=folder / "cohort.parquet",
        events=write_events(folder / "events.parquet", events),
        codes=write_codes(folder / "codes.parquet", events),
        ancestors=write_ancestors(folder / "ancestors.parquet"),
        folder=folder / "out",
        parts=3,
    )
    return folder / "out"


def table_of(out: Path) -> pa.Table:
    with pa.memory_map(str(out / "visits.arrow")) as source:
        return pa.ipc.open_file(source).read_all()


def named(out: Path, column: str, table: str) -> list[list[list[str]]]:
    names = pq.read_table(out / f"{table}.parquet")["code"].to_pylist()
    rows = table_of(out)[column].to_pylist()
    return [[[names[number] for number in visit] for visit in row] for row in rows]


def test_visits_and_their_labels_by_hand(tmp_path: Path) -> None:
    out = encode(tmp_path, EVENTS)
    table = table_of(out)
    assert table.schema.equals(VISIT_TARGETS)
    assert table["subject_id"].to_pylist() == [1, 2]
    assert table["label"].null_count == table["set_id"].null_count == 2
    assert table["index_time"].to_pylist() == [INDEX] * 2
    assert named(out, "visits", "vocabulary") == [
        [["condition/20", "drug/7"], ["drug/7"], ["condition/20", "condition/3"], [SOURCE]],
        [["procedure/1"], ["condition/3"]],
    ]
    assert named(out, "targets", "labels") == [
        [["condition/20"], [], ["condition/20", "condition/3"], [SOURCE]],
        [[], ["condition/3"]],
    ]
    assert table["days"].to_pylist() == [[0, 10, 30, 111], [0, 2]]
    assert table["days_to_index"].null_count == 2
    assert table.schema.metadata == {b"short": b"1", b"open_ended": b"0", b"after_death": b"0"}


SOURCE = "condition/source/x"


def test_names_and_counts_of_codes_and_labels(tmp_path: Path) -> None:
    out = encode(tmp_path, EVENTS)
    labels = pq.read_table(out / "labels.parquet")
    assert labels.schema == vocabulary_schema(3)
    # Person 1 is in part 1, person 2 in part 2; person 4, who is left out, counts nowhere.
    assert labels.to_pydict() == {
        "id": [0, 1, 2],
        "code": ["condition/20", "condition/3", SOURCE],
        "description": [f"name of {code}" for code in ("condition/20", "condition/3", SOURCE)],
        "part_0": [0, 0, 0],
        "part_1": [2, 1, 1],
        "part_2": [0, 1, 0],
    }
    vocabulary = pq.read_table(out / "vocabulary.parquet")
    assert vocabulary.select(["code", "part_1"]).to_pydict() == {
        "code": ["condition/20", "condition/3", SOURCE, "drug/7", "procedure/1"],
        "part_1": [2, 1, 1, 2, 0],
    }


def test_labels_of_other_domains(tmp_path: Path) -> None:
    out = encode(tmp_path, EVENTS, labels=["drug", "procedure"])
    assert named(out, "targets", "labels") == [
        [["drug/7"], ["drug/7"], [], []],
        [["procedure/1"], []],
    ]
    assert pq.read_table(out / "labels.parquet")["id"].to_pylist() == [0, 1]


@pytest.mark.parametrize(("ahead", "who"), [(0, [1, 2, 4]), (1, [1, 2]), (2, [1]), (3, [1])])
def test_who_has_too_few_visits_is_left_out_and_counted(
    tmp_path: Path, ahead: int, who: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        table = table_of(encode(tmp_path, EVENTS, visits_ahead=ahead))
    assert table["subject_id"].to_pylist() == who
    assert table.schema.metadata[b"short"] == str(3 - len(who)).encode()
    assert f"counted: {3 - len(who)} short, 0 open_ended, 0 after_death" in caplog.text


def test_nobody_with_visits_enough_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"None of the 3 persons .* more than the 4 visits"):
        encode(tmp_path, EVENTS, visits_ahead=4)


def test_histories_are_read_as_they_were_written(tmp_path: Path) -> None:
    histories = read_histories(encode(tmp_path, EVENTS) / "visits.arrow")
    assert histories.visit_offsets.tolist() == [0, 4, 6]
    assert histories.code_offsets.tolist() == [0, 2, 3, 5, 6, 7, 8]
    assert histories.codes.tolist() == [0, 3, 3, 0, 1, 2, 4, 1]
    assert histories.label_offsets.tolist() == [0, 1, 1, 3, 4, 4, 5]
    assert histories.labels.tolist() == [0, 0, 1, 2, 1]
    assert histories.days.tolist() == histories.durations.tolist() == [0, 10, 30, 111, 0, 2]
    assert histories.rows_of_parts([2]).tolist() == [1]
    assert not histories.codes.flags.writeable


def test_open_ended_visit_ids_are_counted(tmp_path: Path) -> None:
    events = [
        *EVENTS,
        on(2, -500, "visit/9202", 60),
        on(2, 20, "visit_end/9202", 60),
        on(2, -500, "condition/3", 60),
        on(2, 20, "drug/7", 60),
    ]
    table = table_of(encode(tmp_path, events))
    assert table.schema.metadata[b"open_ended"] == b"1"
    assert len(table["visits"].to_pylist()[1]) == 4


NEXT_VISIT: dict[str, Any] = {"kind": "next_visit", "split": "parts", "level": 2}


@pytest.mark.parametrize("keys", [NEXT_VISIT, {}], ids=["next_visit", "forecast"])
def test_visits_after_the_day_of_death_are_dropped_and_counted(
    tmp_path: Path, keys: dict[str, Any]
) -> None:
    """Person 1 dies on the day of the third visit, person 2 between two visits, person 4 never."""
    events = [*EVENTS, on(1, 40.0, "MEDS_DEATH"), on(2, 4, "MEDS_DEATH")]
    table = table_of(encode(tmp_path, sorted(events, key=lambda e: (e[0], e[1])), **keys))
    assert table["subject_id"].to_pylist() == [1]
    assert len(table["visits"].to_pylist()[0]) == 3
    assert table.schema.metadata == {b"short": b"2", b"open_ended": b"0", b"after_death": b"2"}


def test_the_next_visit_needs_two(tmp_path: Path) -> None:
    table = table_of(encode(tmp_path, EVENTS, **NEXT_VISIT))
    assert table["subject_id"].to_pylist() == [1, 2]
    with pytest.raises(UserError, match=r"None of the 1 persons .* has two visits"):
        encode(tmp_path, EVENTS, persons=(4,), **NEXT_VISIT)


def with_source(subject: int, day: float, code: str, source: str | None) -> Event:
    return (*on(subject, day, code)[:4], source)


def test_labels_rolled_up_to_icd_categories_by_hand(tmp_path: Path) -> None:
    """Two codes of a visit become one label, one code with two sources becomes two."""
    events = [
        with_source(1, 0, "condition/20", "ICD9CM/428.0"),
        with_source(1, 0, "condition/21", "ICD9CM/428.20"),
        with_source(1, 0, "drug/7", "RxNorm/123"),
        with_source(1, 5, "condition/20", "ICD10CM/I50.9"),
        with_source(1, 5, "condition/20", "428.1"),
        with_source(1, 9, "condition/source/E880.1", None),
        with_source(1, 9, "condition/22", "local"),
        with_source(1, 12, "procedure/1", "ICD9Proc/428.0"),
    ]
    keys: dict[str, Any] = {**NEXT_VISIT, "labels": ["condition", "drug"], "rollup": "icd3"}
    out = encode(tmp_path, events, persons=(1,), **keys)
    assert named(out, "targets", "labels") == [
        [
            ["condition/icd9/428", "drug/7"],
            ["condition/icd10/I50", "condition/icd9/428"],
            ["condition/22", "condition/icd9/E880"],
            [],
        ]
    ]
    metadata = table_of(out).schema.metadata
    assert {name: int(metadata[name.encode()]) for name in COUNTS} == COUNTS
    labels = pq.read_table(out / "labels.parquet").to_pydict()
    assert dict(zip(labels["code"], labels["part_1"], strict=True)) == {
        "condition/22": 1,
        "condition/icd10/I50": 1,
        "condition/icd9/428": 2,
        "condition/icd9/E880": 1,
        "drug/7": 1,
    }


def test_what_is_read_is_rolled_up_as_the_labels_are(tmp_path: Path) -> None:
    events = [
        with_source(1, 0, "condition/20", "ICD9CM/428.0"),
        with_source(1, 0, "condition/21", "ICD9CM/428.20"),
        with_source(1, 0, "drug/7", None),
        with_source(1, 5, "condition/20", "ICD10CM/I50.9"),
        with_source(1, 5, "condition/20", "428.1"),
        with_source(1, 9, "condition/22", "local"),
        with_source(1, 9, "procedure/1", "ICD9Proc/428.0"),
    ]
    keys: dict[str, Any] = {**NEXT_VISIT, "rollup": "icd3"}
    out = encode(tmp_path, events, persons=(1,), vocabulary="rollup", **keys)
    conditions = [
        ["condition/icd9/428"],
        ["condition/icd10/I50", "condition/icd9/428"],
        ["condition/22"],
    ]
    others: list[list[str]] = [["drug/7"], [], ["procedure/1"]]
    both = [held + besides for held, besides in zip(conditions, others, strict=True)]
    assert named(out, "visits", "vocabulary") == [both]
    assert named(out, "targets", "labels") == [conditions]
    vocabulary = pq.read_table(out / "vocabulary.parquet")
    assert vocabulary.select(["code", "part_1"]).to_pydict() == {
        "code": sorted({code for visit in both for code in visit}),
        "part_1": [1, 1, 2, 1, 1],
    }
    metadata = table_of(out).schema.metadata
    counted = {key: int(metadata[key.encode()]) for key in ("rolled_up_condition", UNROLLED)}
    assert counted == {"rolled_up_condition": 3, UNROLLED: 1}


UNROLLED = "not_rolled_up_procedure"


def test_a_rollup_that_reaches_few_codes_is_said_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        encode(tmp_path, EVENTS, **{**NEXT_VISIT, "rollup": "icd3", "level": 2})
    assert "rollup icd3: " in caplog.text
    assert "codes of domain condition could not be rolled up" in caplog.text


def test_codes_are_not_rolled_up_where_labels_are_codes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="with rollup none the labels are codes"):
        encode(tmp_path, EVENTS, vocabulary="rollup", **NEXT_VISIT)


COUNTS = {
    "rolled_up_condition": 4,
    "not_rolled_up_condition": 1,
    "rolled_up_drug": 0,
    "not_rolled_up_drug": 1,
}


@pytest.mark.parametrize(
    ("rollup", "labels"),
    [
        ("none", [["condition/1", "condition/2"], ["condition/3", "drug/7", "drug/8"]]),
        ("icd3", [["condition/icd9/428"], ["condition/3", "drug/8", "drug/group/70"]]),
        ("ccs", [["condition/ccs/108"], ["condition/3", "drug/8", "drug/group/70"]]),
        (
            "ancestor",
            [["condition/2", "condition/group/9"], ["condition/3", "drug/8", "drug/group/70"]],
        ),
    ],
)
def test_each_rollup_by_hand(rollup: str, labels: list[list[str]]) -> None:
    codes = ["condition/1", "condition/2", "condition/3", "drug/7", "drug/8"]
    sources = [["ICD9CM/428.0"], ["428.20"], ["SNOMED/3"], [""], ["RxNorm/8"]]
    record = pa.table({"code": codes, "source_codes": sources})
    code_table = pa.table({"code": codes, "description": codes})
    above = [
        ("condition/1", "condition/9", 1, None),
        ("drug/7", "drug/71", 1, None),
        ("drug/7", "drug/70", 2, "a class"),
        ("drug/7", "drug/5", 3, None),
    ]
    names = ("code", "ancestor", "levels", "description")
    ancestors = pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in above], ANCESTORS
    )
    task = {"labels": ["condition", "drug"], "rollup": rollup, "level": 2}
    found = roll_up(record, np.array([0, 0, 1, 1, 1]), code_table, ancestors, task)
    labelled = found.names.to_pylist()
    pairs = list(zip(found.visit.tolist(), [labelled[place] for place in found.ids], strict=True))
    assert pairs == [(visit, label) for visit in (0, 1) for label in labels[visit]]
    if rollup != "none":
        described = dict(zip(*found.described.to_pydict().values(), strict=True))
        assert described["drug/group/70"] == "a class"
        assert found.counts["not_rolled_up_drug"] == found.counts["rolled_up_drug"] == 1


@pytest.mark.parametrize(
    ("code", "source", "category"),
    [
        ("condition/1", "ICD9CM/428.20", "condition/icd9/428"),
        ("condition/1", "icd9cm/ 42820", "condition/icd9/428"),
        ("condition/1", "ICD9CM/E812.0", "condition/icd9/E812"),
        ("condition/1", "ICD9CM/V58.61", "condition/icd9/V58"),
        ("condition/1", "ICD10CM/i50.9", "condition/icd10/I50"),
        ("condition/1", "ICD10/I10", "condition/icd10/I10"),
        ("condition/1", "ICD10PCS/I50.9", None),
        ("condition/1", "ICD9Proc/42.81", None),
        ("condition/1", "SNOMED/428.0", None),
        ("condition/1", "428.0", "condition/icd9/428"),
        ("condition/1", "I50.9", "condition/icd10/I50"),
        ("condition/1", "V10.1", None),
        ("condition/1", "4280", None),
        ("condition/1", "ICD9CM/42", None),
        ("condition/1", "ICD9CM/038.9", "condition/icd9/038"),
        ("condition/1", "ICD9CM/38.9", None),  # 389 is another
        ("condition/1", "ICD9CM/8.45", None),
        ("condition/1", "ICD9CM/0380.1", None),
        ("condition/source/428.0", "", "condition/icd9/428"),
        ("condition/1", "", None),
        ("procedure/1", "ICD9CM/428.0", None),
    ],
)
def test_the_category_of_a_source_code(code: str, source: str, category: str | None) -> None:
    assert icd_category(code, source) == category


def test_the_same_bytes_again(tmp_path: Path) -> None:
    one, two = encode(tmp_path / "one", EVENTS), encode(tmp_path / "two", EVENTS[::-1])
    for name in ("visits.arrow", "vocabulary.parquet", "labels.parquet"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
