"""Skip-gram vectors: what they are learned from, who decides them, and what they find."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arrow_visits import Row, write_histories, write_visits, write_vocabulary
from event_tables import Event, event, write_ancestors, write_codes, write_cohort, write_events

from visitseq.cohort.parts import assign_parts, training_parts
from visitseq.encode import corpus as corpus_module
from visitseq.encode.corpus import Corpus, site_sequences, window_sequences, write_corpus
from visitseq.encode.encode import encode_visits
from visitseq.encode.sequences import known_codes, read_sequences
from visitseq.encode.skipgram import train_site_vectors, train_vectors
from visitseq.encode.vectors import place_rows, place_vectors, read_vectors
from visitseq.tables import vectors_schema

CODES, PARTS, FOLD, SEED = 8, 3, 0, 0  # fold 0 tests on part 0, validates on 1, trains on 2
ENCODING: dict[str, Any] = {
    "vocabulary": "codes",
    "level": 2,
    "sequence": "visit",
    "min_count": 2,
    "vectors": "skipgram",
    "dimension": 12,
    "window": 5,
    "corpus": "site",
    "paper_mode": False,
    "domains": ["condition"],
}
EVERY_CODE = np.arange(CODES, dtype=np.int32)
NAMES = pa.array([f"condition/{code}" for code in range(CODES)])
FIRST_DAY = datetime(2010, 1, 1)
PHENOTYPE = Path(__file__).resolve().parents[2] / "workflow/phenotypes/heart_failure.yaml"
HEART_FAILURE = "condition/316139"
ICD9CM = ["401.9", "250.00", "no code", "428.0"]
#: A person of the training part.
PERSON = int(np.flatnonzero(assign_parts(np.arange(50), SEED, PARTS) == 2)[0])


def companies(n: int = 150, seed: int = 0) -> list[Row]:
    """Persons whose visits hold codes of 0 to 3 or of 4 to 7; who has which never changes."""
    draw = np.random.default_rng(seed)
    part = assign_parts(np.arange(n), SEED, PARTS)
    rows = []
    for subject in range(n):
        own = np.arange(4) + 4 * (subject % 2)
        visits = [sorted(draw.choice(own, size=2, replace=False).tolist()) for _ in range(12)]
        rows.append(Row(visits, False, int(part[subject]), subject_id=subject))
    return rows


def events_of(rows: Sequence[Row]) -> list[Event]:
    return [
        event(row.subject_id, FIRST_DAY + timedelta(days=7 * number), f"condition/{code}")
        for row in rows
        for number, visit in enumerate(row.visits)
        for code in visit
    ]


def learn_site(events: Sequence[Event], folder: Path, **changes: Any) -> Path:
    """Learn the vectors of a site from its events; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    train_site_vectors(
        events=write_events(folder / "events.parquet", events),
        codes=write_codes(folder / "codes.parquet", []),
        ancestors=write_ancestors(folder / "ancestors.parquet"),
        encoding=ENCODING | changes,
        fold=FOLD,
        parts=PARTS,
        seed=SEED,
        folder=folder / "site",
    )
    return folder / "site/vectors.parquet"


def learn(rows: Sequence[Row], folder: Path, *, corpus: str = "site", **changes: Any) -> Path:
    """Learn the vectors of a task from ``rows`` as a site or as windows; return the file."""
    vocabulary = write_vocabulary(rows, CODES, PARTS, folder / "vocabulary.parquet")
    out = folder / "task"
    if corpus == "site":
        vectors = learn_site(events_of(rows), folder, **changes)
        place_vectors(vectors=vectors, vocabulary=vocabulary, folder=out)
    else:
        train_vectors(
            visits=write_visits(rows, folder / "visits.arrow"),
            vocabulary=vocabulary,
            encoding=ENCODING | changes,
            fold=FOLD,
            parts=PARTS,
            seed=SEED,
            folder=out,
        )
    return out / "vectors.safetensors"


def altered(rows: Sequence[Row], part: int) -> list[Row]:
    """Mix the two companies in the records of a part's persons."""
    visits = [[0, 4], [1, 5], [2, 7], [3, 6]] * 3
    return [
        Row(visits, r.label, part, subject_id=r.subject_id) if r.part == part else r for r in rows
    ]


@pytest.mark.parametrize("source", ["site", "cohort"])
def test_codes_that_keep_the_same_company_come_to_lie_near(tmp_path: Path, source: str) -> None:
    file = learn(companies(), tmp_path / "out", corpus=source)
    vectors = read_vectors(file, EVERY_CODE)
    assert vectors.shape == (CODES, 12)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    same = np.arange(CODES)[:, None] // 4 == np.arange(CODES) // 4
    assert cosine[same].min() > cosine[~same].max() + 0.5


@pytest.mark.parametrize("source", ["site", "cohort"])
def test_the_training_parts_alone_decide_every_byte(tmp_path: Path, source: str) -> None:
    rows = companies(60)
    before = learn(rows, tmp_path / "before", corpus=source).read_bytes()
    for part in range(PARTS):
        after = learn(altered(rows, part), tmp_path / str(part), corpus=source).read_bytes()
        assert (after == before) == (part not in training_parts(FOLD, PARTS)), part


@pytest.mark.parametrize("source", ["site", "cohort"])
def test_in_paper_mode_the_test_part_decides_too(tmp_path: Path, source: str) -> None:
    rows = companies(60)
    options: dict[str, Any] = {"corpus": source, "paper_mode": True}
    before = learn(rows, tmp_path / "before", **options).read_bytes()
    assert learn(rows, tmp_path / "again", **options).read_bytes() == before
    after = learn(altered(rows, FOLD), tmp_path / "after", **options).read_bytes()
    assert after != before


def lengths(file: Path) -> npt.NDArray[np.float32]:
    """Length of the vector of each code, shape (CODES,)."""
    found: npt.NDArray[np.float32] = np.linalg.norm(read_vectors(file, EVERY_CODE), axis=1)
    return found


@pytest.mark.parametrize("source", ["site", "cohort"])
def test_a_code_that_too_few_visits_of_the_corpus_hold_has_the_vector_0(
    tmp_path: Path, source: str
) -> None:
    rows = [Row([[0, 7], [1], [7], [0, 1]], part=2, subject_id=PERSON)]
    found = {
        minimum: lengths(learn(rows, tmp_path / str(minimum), corpus=source, min_count=minimum)) > 0
        for minimum in (1, 2, 3)
    }
    assert found[1].tolist() == found[2].tolist() == [code in (0, 1, 7) for code in EVERY_CODE]
    assert not found[3].any()


def test_vectors_are_placed_by_name() -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3, 4], pa.float32()), 2)
    learned = pa.table([pa.array(["a", "c"]), vectors], schema=vectors_schema(2))
    placed = place_rows(learned, pa.array(["c", "b", "a", "c"]))
    assert placed.tolist() == [[3, 4], [0, 0], [1, 2], [3, 4]]
    nothing = place_rows(learned.slice(0, 0), pa.array(["c", "b"]))
    assert nothing.tolist() == [[0, 0], [0, 0]]


def hospital(persons: int = 90) -> list[Event]:
    """Visits of a year with codes of which most are rare, some with an ICD-9-CM source code."""
    draw = np.random.default_rng(1)
    found = []
    for person in range(persons):
        for day in draw.choice(360, size=8, replace=False).tolist():
            for code in np.unique(draw.zipf(1.4, size=3) % 60).tolist():
                source = f"ICD9CM/{ICD9CM[code % 4]}" if code % 3 else None
                name = f"condition/{code}" if code > 1 else HEART_FAILURE
                found.append(event(person, FIRST_DAY + timedelta(days=day), name, None, source))
    return found


def encode(events: list[Event], folder: Path, encoding: dict[str, Any], **task: Any) -> pa.Table:
    """Encode everybody's window before the end of the year; return the vocabulary."""
    folder.mkdir(exist_ok=True)
    persons = np.unique([subject for subject, *_ in events])
    parts = assign_parts(persons, SEED, PARTS).tolist()
    index = FIRST_DAY + timedelta(days=360)
    rows = [(p, index, False, part) for p, part in zip(persons.tolist(), parts, strict=True)]
    encode_visits(
        task={"observation_months": 12, "prediction_months": 0, "phenotype_codes": "keep"} | task,
        encoding=encoding,
        phenotype=PHENOTYPE,
        cohort=write_cohort(folder / "cohort.parquet", rows),
        events=write_events(folder / "events.parquet", events),
        codes=write_codes(folder / "codes.parquet", events),
        ancestors=write_ancestors(folder / "ancestors.parquet"),
        folder=folder,
        seed=SEED,
        parts=PARTS,
    )
    return pq.read_table(folder / "vocabulary.parquet")


@pytest.mark.parametrize("vocabulary", ["codes", "groups"])
def test_what_a_fold_knows_has_the_same_vector_in_every_task(
    tmp_path: Path, vocabulary: str
) -> None:
    encoding = ENCODING | {"vocabulary": vocabulary, "min_count": 4}
    tasks: list[dict[str, Any]] = [{}, {"observation_months": 4}, {"phenotype_codes": "drop"}]
    events = hospital()
    file = learn_site(events, tmp_path, **encoding)
    learned = pq.read_table(file)
    assert learned.schema.equals(vectors_schema(12))
    of_name = dict(zip(learned["code"].to_pylist(), learned["vector"].to_pylist(), strict=True))
    for number, task in enumerate(tasks):
        folder = tmp_path / str(number)
        names = encode(events, folder, encoding, **task)
        place_vectors(vectors=file, vocabulary=folder / "vocabulary.parquet", folder=folder)
        known = known_codes(names, training_parts(FOLD, PARTS), 4)
        assert 0 < len(known) < len(names)
        vectors = read_vectors(folder / "vectors.safetensors", known)
        expected = [of_name[name] for name in names["code"].take(pa.array(known)).to_pylist()]
        np.testing.assert_array_equal(vectors, expected)
        assert np.linalg.norm(vectors, axis=1).min() > 0
    # What the last task drops is no input there, and has a vector all the same.
    if vocabulary == "codes":
        assert HEART_FAILURE in of_name
        assert HEART_FAILURE not in names["code"].to_pylist()


def test_a_visit_in_two_windows_is_one_of_the_site(tmp_path: Path) -> None:
    """The fold counts it twice and knows its code, for which nothing was learned."""
    row = Row([[0], [1]], part=2, subject_id=PERSON)
    write_vocabulary([row, row], CODES, PARTS, tmp_path / "vocabulary.parquet")
    known = known_codes(pq.read_table(tmp_path / "vocabulary.parquet"), [2], 2)
    assert known.tolist() == [0, 1]
    site = learn_site([*events_of([row]), event(PERSON, FIRST_DAY, "condition/1")], tmp_path)
    place_vectors(vectors=site, vocabulary=tmp_path / "vocabulary.parquet", folder=tmp_path)
    assert lengths(tmp_path / "vectors.safetensors")[:2].astype(bool).tolist() == [False, True]


def corpus_of_site(
    events: list[Event], folder: Path, parts: Sequence[int], **changes: Any
) -> Corpus:
    files = {
        "events": write_events(folder / "events.parquet", events),
        "codes": write_codes(folder / "codes.parquet", []),
        "ancestors": write_ancestors(folder / "ancestors.parquet"),
    }
    encoding = ENCODING | changes
    blocks = site_sequences(files, encoding, parts, seed=SEED, parts=PARTS)
    return write_corpus(blocks, folder / "corpus.arrow")


def test_visits_come_in_order_and_their_codes_in_that_of_the_steps(tmp_path: Path) -> None:
    """As an encoding with sequence code lays the same records out."""
    rows = companies(40)
    events = events_of(rows)
    names = encode(events, tmp_path, ENCODING | {"sequence": "code"})["code"].combine_chunks()
    steps = read_sequences(tmp_path / "visits.arrow")
    expected = names.take(pa.array(steps.codes)).to_pylist()
    corpus = corpus_of_site(events, tmp_path, range(PARTS))
    assert list(chain.from_iterable(corpus)) == expected
    assert [len(sequence) for sequence in corpus] == [24] * 40
    ordered = [list(pair) == sorted(pair) for pair in zip(*[iter(expected)] * 2, strict=True)]
    assert corpus.counts.tolist() == [expected.count(name) for name in corpus.names]
    assert not all(ordered)
    # The windows of that file are the same sequences: there a step is a code, and keeps its place.
    blocks = window_sequences(tmp_path / "visits.arrow", names, range(PARTS), seed=SEED)
    assert list(write_corpus(blocks, tmp_path / "windows.arrow")) == list(corpus)


def test_a_code_stands_once_in_a_visit_and_one_of_another_domain_nowhere(tmp_path: Path) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    events = [
        event(PERSON, FIRST_DAY, "condition/3"),
        event(PERSON, FIRST_DAY + hour, "condition/3"),
        event(PERSON, FIRST_DAY + day, "drug/2"),
        event(PERSON, FIRST_DAY + 2 * day, "condition/1"),
        event(PERSON, FIRST_DAY + 2 * day, "drug/1"),
    ]
    assert list(corpus_of_site(events, tmp_path, [2])) == [["condition/3", "condition/1"]]
    assert list(corpus_of_site(events, tmp_path, [0, 1])) == []


def test_a_site_is_read_in_the_groups_of_the_vocabulary(tmp_path: Path) -> None:
    events = [
        event(PERSON, FIRST_DAY, "condition/3", None, "ICD9CM/401.9"),
        event(PERSON, FIRST_DAY, "condition/4", None, "ICD9CM/401.1"),
        event(PERSON, FIRST_DAY + timedelta(days=1), "condition/3"),
        event(PERSON, FIRST_DAY + timedelta(days=2), "condition/5", None, "ICD9CM/250.00"),
    ]
    corpus = corpus_of_site(events, tmp_path, [2], vocabulary="groups")
    assert list(corpus) == [["condition/ccs/98", "condition/3", "condition/ccs/49"]]


def lists_of(lists: list[list[str]]) -> pa.ListArray:
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int32)
    names = pa.array([*chain(*lists)], pa.string()).dictionary_encode()
    return pa.ListArray.from_arrays(pa.array(offsets), names)


def test_a_corpus_is_read_block_by_block_and_as_often_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [["b", "c", "d"], ["a"], ["e", "e"]]
    blocks = [lists_of(lists) for lists in (expected[:2], [], expected[2:])]
    corpus = write_corpus(blocks, tmp_path / "corpus.arrow")
    assert (list(corpus), list(corpus)) == (expected, expected)
    counts = dict(zip(corpus.names, corpus.counts.tolist(), strict=True))
    assert (corpus.sequences, counts) == (3, {"a": 1, "b": 1, "c": 1, "d": 1, "e": 2})
    monkeypatch.setattr(corpus_module, "LONGEST", 2)
    assert [len(piece) for piece in corpus] == [2, 1, 1, 2]
    assert [*chain(*corpus)] == [*chain(*expected)]


def test_the_windows_of_a_forecast_are_a_corpus_too(tmp_path: Path) -> None:
    rows = [Row([[0, 1], [], [2]], part=2, subject_id=5), Row([[3]], part=0, subject_id=6)]
    visits = write_histories(rows, tmp_path / "visits.arrow")
    blocks = list(window_sequences(visits, NAMES, [2], seed=SEED))
    [[sequence]] = [block.to_pylist() for block in blocks]
    assert sorted(sequence[:2]) + sequence[2:] == NAMES.to_pylist()[:3]
