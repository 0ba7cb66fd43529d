"""The order of events, against Python's sort of tuples."""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from visitseq.ingest.event_counts import EventCounts, NumberedCodes
from visitseq.ingest.event_order import order_key, sort_events
from visitseq.tables import TIME

SCHEMA = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("time", TIME),
        ("code_id", pa.int32()),
        ("numeric_value", pa.float32()),
        ("visit_id", pa.int64()),
        ("source_code", pa.string()),
    ]
)
KEY = ("subject_id", "time", "code_id", "visit_id", "numeric_value")

few_ids = st.integers(-2, 2) | st.sampled_from([-(2**63), 2**63 - 1, 2**40])
times = st.sampled_from(
    [
        dt.datetime(1, 1, 1),
        dt.datetime(2010, 1, 1, 8),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    ]
) | st.datetimes(dt.datetime(2010, 1, 1), dt.datetime(2010, 1, 2)).map(
    lambda time: time.replace(fold=0)
)
rows = st.fixed_dictionaries(
    {
        "subject_id": few_ids,
        "time": st.none() | times,
        "code_id": st.integers(0, 4),
        "numeric_value": st.none()
        | st.sampled_from([-1.5, 0.0, -0.0, 2.0, float("inf"), -float("inf")]),
        "visit_id": st.none() | few_ids,
        "source_code": st.none() | st.sampled_from(["", "a", "b", "é", "z"]),
    }
)


def nulls_first(value: Any) -> tuple[bool, Any]:
    return value is not None, value


def expected(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each event once in order; of those that differ in the source code alone the smallest."""

    def place(event: dict[str, Any]) -> Any:
        return [nulls_first(event[name]) for name in KEY]

    def with_source(event: dict[str, Any]) -> Any:
        source = event["source_code"]
        return [*place(event), (source is None, (source or "").encode())]

    once: dict[str, dict[str, Any]] = {}
    for event in sorted(events, key=with_source):
        number = event["numeric_value"]
        event["numeric_value"] = None if number is None else number + 0  # -0 is 0
        once.setdefault(str(place(event)), event)
    return list(once.values())


@given(st.lists(rows, max_size=40))
def test_order_and_what_is_left_of_copies(events: list[dict[str, Any]]) -> None:
    found = sort_events(pa.Table.from_pylist(events, SCHEMA)).to_pylist()
    wanted = pa.Table.from_pylist(expected(events), SCHEMA).to_pylist()
    assert str(found) == str(wanted)  # as text: 0 and -0 are equal, and read otherwise


@given(st.lists(rows, min_size=1, max_size=40))
def test_chunks_change_nothing(events: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(events, SCHEMA)
    chunked = pa.concat_tables([table[: len(table) // 2], table[len(table) // 2 :]])
    assert sort_events(chunked).equals(sort_events(table))


def test_ranges_that_together_need_more_than_64_bits() -> None:
    draw = np.random.default_rng(3)
    columns = [draw.integers(-(2**62), 2**62, 5_000) for _ in range(3)]
    columns += [draw.integers(0, 3, 5_000), draw.integers(0, 2**61, 5_000)]
    columns[0][:4_000] = columns[0][0]  # so that the second column has to decide
    columns[1][:3_000] = columns[1][0]
    columns[2][:2_000] = columns[2][0]
    key = order_key([pa.chunked_array([column]) for column in columns])
    assert np.array_equal(np.argsort(key, kind="stable"), np.lexsort(columns[::-1]))


@given(st.lists(rows, max_size=40))
def test_counts_by_a_plain_pass(events: list[dict[str, Any]]) -> None:
    domains = ["MEDS_BIRTH", "condition", "sex", "visit", "visit_end"]
    codes = NumberedCodes(pa.array([f"{domain}/1" for domain in domains]), pa.array(domains))
    ordered = sort_events(pa.Table.from_pylist(events, SCHEMA))
    counts = EventCounts(codes)
    cut = next((n for n, row in enumerate(ordered["subject_id"]) if row.as_py() > 0), len(ordered))
    counts.add(ordered[:cut])
    counts.add(ordered[cut:])
    plain: dict[str, int] = {}
    seen: dict[int, list[dt.datetime]] = {}
    for event in ordered.to_pylist():
        domain = domains[event["code_id"]]
        plain[domain] = plain.get(domain, 0) + 1
        if domain in ("condition", "visit") and event["time"] is not None:
            seen.setdefault(event["subject_id"], []).append(event["time"])
    of_codes = counts.of_codes().to_pylist()
    assert {row["domain"]: row["events"] for row in of_codes} == plain
    assert counts.of_persons().to_pylist() == [
        {"subject_id": who, "first_event": min(when), "last_event": max(when)}
        for who, when in seen.items()
    ]
