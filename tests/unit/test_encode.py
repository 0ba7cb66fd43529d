"""What of a record reaches a model: windows, leaks, vocabulary and layout, by hand."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_tables import Event, event, write_ancestors, write_codes, write_cohort, write_events

from visitseq.cohort.windows import months_to_days, window_bounds
from visitseq.encode.encode import encode_visits
from visitseq.encode.sequences import read_sequences
from visitseq.tables import VISITS, vocabulary_schema

INDEX = datetime(2012, 1, 1)
TASK = {"observation_months": 12, "prediction_months": 1, "phenotype_codes": "drop"}
ENCODING = {
    "vocabulary": "codes",
    "sequence": "visit",
    "domains": ["condition", "drug", "procedure"],
}
PHENOTYPE = Path(__file__).resolve().parents[2] / "workflow/phenotypes/heart_failure.yaml"
END = INDEX - timedelta(days=31)
START = END - timedelta(days=366)
SUBJECT_1 = (1, INDEX, True, 0)


def encode(
    folder: Path,
    events: list[Event],
    cohort: list[tuple[int, datetime, bool, int]] | None = None,
    *,
    task: dict[str, Any] | None = None,
    encoding: dict[str, Any] | None = None,
    codes: list[Event] | None = None,
) -> Path:
    """Encode for subject 1 at INDEX unless told otherwise; return the folder written."""
    folder.mkdir(parents=True, exist_ok=True)
    encode_visits(
        task=TASK | (task or {}),
        encoding=ENCODING | (encoding or {}),
        phenotype=PHENOTYPE,
        cohort=write_cohort(folder / "cohort.parquet", [SUBJECT_1] if cohort is None else cohort),
        events=write_events(folder / "events.parquet", events),
        codes=write_codes(folder / "codes.parquet", codes or events),
        ancestors=write_ancestors(folder / "ancestors.parquet"),
        folder=folder / "out",
        seed=0,
        parts=3,
    )
    return folder / "out"


def visits_of(out: Path) -> list[list[list[str]]]:
    """Codes by name of each visit of each row."""
    names = pq.read_table(out / "vocabulary.parquet")["code"].to_pylist()
    with pa.memory_map(str(out / "visits.arrow")) as source:
        rows = pa.ipc.open_file(source).read_all()["visits"].to_pylist()
    return [[[names[code] for code in visit] for visit in row] for row in rows]


def counted(out: Path) -> dict[str, int]:
    with pa.memory_map(str(out / "visits.arrow")) as source:
        metadata = pa.ipc.open_file(source).schema.metadata
    return {name.decode(): int(count) for name, count in metadata.items()}


def test_months_are_days_rounded_up() -> None:
    assert [months_to_days(months) for months in (0, 1, 6, 12, 18, 0.5)] == [
        0,
        31,
        183,
        366,
        548,
        16,
    ]
    start, end = window_bounds(np.array([1000]), 12, 1)
    assert (start[0], end[0]) == (1000 - 31 - 366, 1000 - 31)


def test_the_window_holds_its_first_day_and_not_its_end(tmp_path: Path) -> None:
    minute = timedelta(minutes=1)
    events = [
        event(1, START - minute, "condition/1"),
        event(1, START, "condition/2"),
        event(1, END - minute, "condition/3"),
        event(1, END, "condition/4"),
        event(1, INDEX + minute, "condition/5"),
        event(1, START - timedelta(days=1), "condition/6", 7),
        event(1, START - timedelta(hours=13), "drug/6", 7),
        event(1, START + timedelta(days=9), "drug/7", 8),
        event(1, START + timedelta(days=11), "condition/8", 8),
    ]
    out = encode(tmp_path, events)
    assert visits_of(out) == [[["condition/2"], ["condition/8", "drug/7"], ["condition/3"]]]
    sequences = read_sequences(out / "visits.arrow")
    assert sequences.days.tolist() == [0, 9, 356]
    assert sequences.days_to_index.tolist() == [397, 388, 32]
    assert counted(out)["straddling"] == 0


def test_what_happens_at_or_after_the_end_changes_no_byte(tmp_path: Path) -> None:
    events = [
        event(1, START + timedelta(days=1), "condition/1", 5),
        event(1, END - timedelta(days=2), "visit/9201", 6),
        event(1, END - timedelta(days=2), "condition/2", 6),
        event(1, END + timedelta(days=2), "visit_end/9201", 6),
        event(1, END, "condition/3", None, "ICD9CM/428.0"),
        event(1, END + timedelta(days=3), "drug/4", 6),
        event(1, INDEX, "condition/316139", 9),
        event(1, INDEX + timedelta(days=700), "procedure/5"),
    ]
    later = [
        (
            s,
            time,
            "condition/99" if time >= END and "/" in code and "visit" not in code else code,
            visit,
            "changed" if time >= END else source,
        )
        for s, time, code, visit, source in events
    ]
    assert later != events
    one = encode(tmp_path / "one", events, codes=events + later)
    two = encode(tmp_path / "two", later, codes=events + later)
    for name in ("visits.arrow", "vocabulary.parquet"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert visits_of(one) == [[["condition/1"]]]


def test_planted_codes_do_not_appear(tmp_path: Path) -> None:
    events = [
        event(1, datetime(1950, 1, 1), "MEDS_BIRTH"),
        event(1, datetime(1950, 1, 1), "sex/8507"),
        event(1, START + timedelta(days=1), "visit/9202", 4),
        event(1, START + timedelta(days=1), "care_site/3", 4),
        event(1, START + timedelta(days=1), "condition/1", 4),
        event(1, START + timedelta(days=1), "measurement/1", 4),
        # A discharge code stamped back to the start of a stay that ends after the window.
        event(1, END - timedelta(days=1), "visit/9201", 5),
        event(1, END - timedelta(days=1), "condition/777", 5),
        event(1, END + timedelta(days=1), "visit_end/9201", 5),
        event(1, INDEX + timedelta(minutes=1), "condition/888"),
        event(1, INDEX + timedelta(days=9), "MEDS_DEATH"),
    ]
    out = encode(tmp_path, events, task={"prediction_months": 0, "observation_months": 13})
    assert visits_of(out) == [[["condition/1"], ["condition/777"]]]
    out = encode(tmp_path / "gap", events)
    assert visits_of(out) == [[["condition/1"]]]
    assert counted(out)["straddling"] == 1
    assert pq.read_table(out / "vocabulary.parquet")["code"].to_pylist() == ["condition/1"]


@pytest.mark.parametrize(
    ("keeps", "expected"),
    [
        ("drop", [["condition/1"], ["drug/3"]]),
        ("keep", [["condition/1", "condition/2"], ["condition/316139"], ["drug/3"]]),
    ],
)
def test_phenotype_codes(tmp_path: Path, keeps: str, expected: list[list[str]]) -> None:
    events = [
        event(1, START + timedelta(days=1), "condition/1"),
        event(1, START + timedelta(days=1), "condition/2", None, "ICD9CM/428.0"),
        event(1, START + timedelta(days=5), "condition/316139"),
        event(1, START + timedelta(days=9), "drug/3", None, "428.0"),
    ]
    out = encode(tmp_path, events, task={"phenotype_codes": keeps})
    assert visits_of(out) == [expected]
    left_out = counted(out)
    assert (left_out["phenotype_codes"], left_out["emptied"]) == (
        (2, 1) if keeps == "drop" else (0, 0)
    )


def test_vocabulary_counts_visits_by_part(tmp_path: Path) -> None:
    day = START + timedelta(days=3)
    events = [
        event(1, day, "condition/1"),
        event(1, day + timedelta(hours=3), "condition/1"),
        event(1, day + timedelta(days=1), "condition/1"),
        event(2, day, "condition/1"),
        event(2, day, "condition/10"),
    ]
    cohort = [(1, INDEX, True, 2), (2, INDEX, False, 0), (3, INDEX, False, 1)]
    out = encode(tmp_path, events, cohort)
    vocabulary = pq.read_table(out / "vocabulary.parquet")
    assert vocabulary.schema.equals(vocabulary_schema(3))
    assert [tuple(row.values()) for row in vocabulary.to_pylist()] == [
        (0, "condition/1", "name of condition/1", 1, 0, 2),
        (1, "condition/10", "name of condition/10", 1, 0, 0),
    ]
    assert visits_of(out) == [
        [["condition/1"], ["condition/1"]],
        [["condition/1", "condition/10"]],
        [],
    ]


def test_a_subject_with_two_index_dates_has_two_rows(tmp_path: Path) -> None:
    events = [event(1, START + timedelta(days=3), "condition/1")]
    later = INDEX + timedelta(days=800)
    out = encode(tmp_path, events, [(1, INDEX, False, 0), (1, later, True, 0)])
    assert visits_of(out) == [[["condition/1"]], []]


def test_a_cohort_of_nobody_has_no_visits(tmp_path: Path) -> None:
    out = encode(tmp_path, [event(1, START, "condition/1")], [])
    assert visits_of(out) == []
    assert set(counted(out).values()) == {0}


def test_the_file_is_one_uncompressed_batch_of_the_contract(tmp_path: Path) -> None:
    out = encode(tmp_path, [event(1, START, "condition/1")])
    with pa.memory_map(str(out / "visits.arrow")) as source:
        reader = pa.ipc.open_file(source)
        assert reader.num_record_batches == 1
        assert reader.schema.equals(VISITS)
        before = pa.total_allocated_bytes()
        reader.get_batch(0)
        assert pa.total_allocated_bytes() == before


def test_one_step_a_code_in_random_order(tmp_path: Path) -> None:
    events = [
        event(subject, START + timedelta(days=offset), f"condition/{code}")
        for subject in range(1, 60)
        for offset in (1, 5)
        for code in (1, 2, 3)
    ]
    cohort = [(subject, INDEX, True, 0) for subject in range(1, 60)]
    out = encode(tmp_path, events, cohort, encoding={"sequence": "code"})
    rows = visits_of(out)
    assert all(len(step) == 1 for row in rows for step in row)
    halves = [tuple(step[0] for step in row[half : half + 3]) for row in rows for half in (0, 3)]
    assert all(set(half) == {f"condition/{code}" for code in (1, 2, 3)} for half in halves)
    assert len(set(halves)) == 6  # every order occurs
    sequences = read_sequences(out / "visits.arrow")
    assert sequences.days[:6].tolist() == [0, 0, 0, 4, 0, 0]
    # The order of one person's codes does not depend on who else is there.
    alone = encode(tmp_path / "alone", events, cohort[:1], encoding={"sequence": "code"})
    assert visits_of(alone)[0] == rows[0]
