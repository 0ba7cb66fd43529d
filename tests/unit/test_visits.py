"""Which events make one visit: by hand, and against a slow loop that follows the definition."""

import itertools
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from event_tables import Event, event, write_events
from hypothesis import given, settings
from hypothesis import strategies as st

from visitseq.cohort.visits import visit_blocks
from visitseq.engine import connect

Merged = list[tuple[int, int, datetime, datetime, list[str]]]


def merged(path: Path, rows_a_block: int = 1_000) -> Merged:
    """Subject, number, start, end and codes of every visit."""
    found: Merged = []
    with connect() as connection:
        for block in visit_blocks(path, rows_a_block=rows_a_block):
            block.register(connection)
            found += connection.execute(
                'SELECT subject_id, visit, start, "end", list(code ORDER BY code) '
                "FROM visit_event GROUP BY ALL ORDER BY ALL"
            ).fetchall()
    return found


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2010, 1, 1) + timedelta(days=number, hours=hour)


def stay(subject: int, visit_id: int, first: int, last: int) -> list[Event]:
    return [
        event(subject, day(first), "visit/9201", visit_id),
        event(subject, day(last), "visit_end/9201", visit_id),
    ]


def test_a_visit_id_or_else_a_day(tmp_path: Path) -> None:
    events = [
        event(1, day(0, 9), "condition/1", 10),
        event(1, day(0, 11), "drug/1", 10),
        event(1, day(2, 9), "condition/2"),
        event(1, day(2, 17), "procedure/2"),
        event(1, day(3, 1), "condition/3"),
        event(1, day(9), "measurement/1"),
        event(1, day(9), "MEDS_DEATH"),
    ]
    assert merged(write_events(tmp_path / "e.parquet", events)) == [
        (1, 0, day(0, 9), day(0, 11), ["condition/1", "drug/1"]),
        (1, 1, day(2, 9), day(2, 17), ["condition/2", "procedure/2"]),
        (1, 2, day(3, 1), day(3, 1), ["condition/3"]),
    ]


def test_visits_that_overlap_or_share_a_day_are_one(tmp_path: Path) -> None:
    events = [
        *stay(1, 10, 0, 5),
        event(1, day(0, 9), "condition/1", 10),
        event(1, day(3, 9), "drug/1", 11),
        event(1, day(5, 9), "drug/2"),
        event(1, day(6, 9), "drug/3"),
    ]
    assert merged(write_events(tmp_path / "e.parquet", events)) == [
        (1, 0, day(0, 9), day(5, 9), ["condition/1", "drug/1", "drug/2"]),
        (1, 1, day(6, 9), day(6, 9), ["drug/3"]),
    ]


def test_a_stay_of_more_than_366_days_groups_nothing(tmp_path: Path) -> None:
    for length, visits in ((366, 1), (367, 2)):
        events = [
            *stay(1, 10, 0, length),
            event(1, day(0), "condition/1", 10),
            event(1, day(100), "condition/1", 10),
        ]
        path = write_events(tmp_path / "e.parquet", events)
        assert len(merged(path)) == visits
        assert [block.visits.open_ended for block in visit_blocks(path)] == [visits - 1]


class Span(NamedTuple):
    start: datetime
    end: datetime
    codes: list[str]


def share_a_day(one: Span, two: Span) -> bool:
    return one.start.date() <= two.end.date() and two.start.date() <= one.end.date()


def merge_all(spans: list[Span]) -> list[Span]:
    """Merge any two that share a day, until none do."""
    for one, two in itertools.combinations(spans, 2):
        if share_a_day(one, two):
            rest = [span for span in spans if span is not one and span is not two]
            both = Span(min(one.start, two.start), max(one.end, two.end), one.codes + two.codes)
            return merge_all([*rest, both])
    return sorted(spans)


def by_definition(events: list[Event]) -> Merged:
    """Merge visits as the definition reads, without any of the library's code."""
    found: Merged = []
    for subject in sorted({subject for subject, *_ in events}):
        own = [row for row in events if row[0] == subject]
        ends = {row[3]: row[1] for row in own if row[2].startswith("visit_end/")}
        groups: dict[object, list[Event]] = defaultdict(list)
        for row in own:
            if not row[2].startswith("visit"):
                groups[row[3] if row[3] is not None else row[1].date()].append(row)
        spans = []
        for key, rows in groups.items():
            times = [row[1] for row in rows]
            recorded = [ends[key]] if isinstance(key, int) else []
            spans.append(Span(min(times), max(times + recorded), [row[2] for row in rows]))
        for number, span in enumerate(merge_all(spans)):
            found.append((subject, number, span.start, span.end, sorted(span.codes)))
    return found


clinical = st.builds(
    event,
    st.integers(1, 3),
    st.builds(day, st.integers(0, 12), st.integers(0, 23)),
    st.sampled_from(["condition/1", "drug/2"]),
    st.one_of(st.none(), st.integers(1, 4)),
)
stays = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), min_size=4, max_size=4)


@settings(max_examples=30, deadline=None)
@given(st.lists(clinical, max_size=12, unique=True), stays)
def test_merging_follows_the_definition(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], spans: list[tuple[int, int]]
) -> None:
    # Visit id v of subject s is another visit than v of another subject.
    events = [(s, time, code, v and v + 10 * s, None) for s, time, code, v, _ in events]
    events = list(dict.fromkeys(events))
    for subject in {row[0] for row in events}:
        for number, (first, length) in enumerate(spans, start=1):
            events += stay(subject, 10 * subject + number, first, first + length)
    path = write_events(tmp_path_factory.mktemp("visits") / "e.parquet", events)
    assert merged(path) == merged(path, rows_a_block=1) == by_definition(events)
