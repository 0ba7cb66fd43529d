"""Skip-gram vectors: what they are learned from, who decides them, and what they find."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arrow_visits import Row, write_histories, write_visits, write_vocabulary
from event_tables import Event, event, write_ancestors, write_codes, write_cohort, write_events

from visitseq.cohort.parts import assign_parts, training_parts
from visitseq.encode import corpus as corpus_module
from visitseq.encode.corpus import Corpus, site_sequences, window_sequences, write_corpus
from visitseq.encode.encode import encode_visits
from visitseq.encode.sequences import read_sequences
from visitseq.encode.skipgram import train_vectors
from visitseq.encode.vectors import read_vectors

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


def learn(
    rows: Sequence[Row], folder: Path, *, vocabulary: Sequence[Row] | None = None, **changes: Any
) -> Path:
    """Learn vectors from ``rows`` as a site or as windows; return the file."""
    folder.mkdir(parents=True)
    encoding = ENCODING | changes
    if encoding["corpus"] == "site":
        records = write_events(folder / "events.parquet", events_of(rows))
    else:
        records = write_visits(rows, folder / "visits.arrow")
    names = folder / "vocabulary.parquet"
    train_vectors(
        records=records,
        codes=write_codes(folder / "codes.parquet", []),
        ancestors=write_ancestors(folder / "ancestors.parquet"),
        vocabulary=write_vocabulary(vocabulary or rows, CODES, PARTS, names),
        encoding=encoding,
        fold=FOLD,
        parts=PARTS,
        seed=SEED,
        folder=folder / "out",
    )
    return folder / "out/vectors.safetensors"


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
    options: dict[str, Any] = {"vocabulary": rows, "corpus": source, "paper_mode": True}
    before = learn(rows, tmp_path / "before", **options).read_bytes()
    assert learn(rows, tmp_path / "again", **options).read_bytes() == before
    after = learn(altered(rows, FOLD), tmp_path / "after", **options).read_bytes()
    assert after != before


def test_a_code_that_the_fold_does_not_know_has_the_vector_0(tmp_path: Path) -> None:
    rows = companies(30)
    known = [Row([v[:1] for v in r.visits if 7 not in v], part=r.part) for r in rows]
    file = learn(rows, tmp_path / "some", vocabulary=known)
    lengths = np.linalg.norm(read_vectors(file, EVERY_CODE), axis=1)
    assert lengths[7] == 0
    assert (lengths[:3] > 0).all()
    nothing = learn(rows, tmp_path / "none", min_count=10_000)
    assert not read_vectors(nothing, EVERY_CODE).any()


def corpus_of_site(
    events: list[Event], folder: Path, parts: Sequence[int], names: pa.Array = NAMES, **changes: Any
) -> Corpus:
    files = {
        "events": write_events(folder / "events.parquet", events),
        "codes": write_codes(folder / "codes.parquet", []),
        "ancestors": write_ancestors(folder / "ancestors.parquet"),
    }
    encoding = ENCODING | changes
    blocks = site_sequences(files, encoding, names, parts, seed=SEED, parts=PARTS)
    return write_corpus(blocks, names, folder / "corpus.arrow")


def test_visits_come_in_order_and_their_codes_in_that_of_the_steps(tmp_path: Path) -> None:
    """As an encoding with sequence code lays the same records out."""
    rows = companies(40)
    events, persons = events_of(rows), range(40)
    index = FIRST_DAY + timedelta(days=100)
    encode_visits(
        task={"observation_months": 12, "prediction_months": 0, "phenotype_codes": "keep"},
        encoding=ENCODING | {"sequence": "code"},
        phenotype=tmp_path / "not_read",
        cohort=write_cohort(
            tmp_path / "cohort.parquet", [(subject, index, True, 0) for subject in persons]
        ),
        events=write_events(tmp_path / "events.parquet", events),
        codes=write_codes(tmp_path / "codes.parquet", events),
        ancestors=write_ancestors(tmp_path / "ancestors.parquet"),
        folder=tmp_path,
        seed=SEED,
        parts=PARTS,
    )
    steps = read_sequences(tmp_path / "visits.arrow")
    names = pq.read_table(tmp_path / "vocabulary.parquet")["code"].to_pylist()
    expected = [names[code] for code in steps.codes]
    corpus = corpus_of_site(events, tmp_path, range(PARTS))
    assert list(chain.from_iterable(corpus)) == expected
    assert [len(sequence) for sequence in corpus] == [24] * 40
    ordered = [list(pair) == sorted(pair) for pair in zip(*[iter(expected)] * 2, strict=True)]
    assert corpus.counts.tolist() == [expected.count(name) for name in NAMES.to_pylist()]
    assert not all(ordered)
    # The windows of that file are the same sequences: there a step is a code, and keeps its place.
    blocks = window_sequences(tmp_path / "visits.arrow", EVERY_CODE, NAMES, range(PARTS), seed=SEED)
    assert list(write_corpus(blocks, NAMES, tmp_path / "windows.arrow")) == list(corpus)


def test_a_code_stands_once_in_a_visit_and_an_unknown_one_nowhere(tmp_path: Path) -> None:
    person = int(np.flatnonzero(assign_parts(np.arange(50), SEED, PARTS) == 2)[0])
    hour, day = timedelta(hours=1), timedelta(days=1)
    events = [
        event(person, FIRST_DAY, "condition/3"),
        event(person, FIRST_DAY + hour, "condition/3"),
        event(person, FIRST_DAY + hour, "condition/99"),
        event(person, FIRST_DAY + day, "condition/99"),
        event(person, FIRST_DAY + 2 * day, "condition/1"),
        event(person, FIRST_DAY + 2 * day, "drug/1"),
    ]
    assert list(corpus_of_site(events, tmp_path, [2])) == [["condition/3", "condition/1"]]
    assert list(corpus_of_site(events, tmp_path, [0, 1])) == []


def test_a_site_is_read_in_the_groups_of_the_vocabulary(tmp_path: Path) -> None:
    person = int(np.flatnonzero(assign_parts(np.arange(50), SEED, PARTS) == 2)[0])
    events = [
        event(person, FIRST_DAY, "condition/3", None, "ICD9CM/401.9"),
        event(person, FIRST_DAY, "condition/4", None, "ICD9CM/401.1"),
        event(person, FIRST_DAY + timedelta(days=1), "condition/3"),
        event(person, FIRST_DAY + timedelta(days=2), "condition/5", None, "ICD9CM/250.00"),
    ]
    names = pa.array(["condition/3", "condition/ccs/49", "condition/ccs/98"])
    corpus = corpus_of_site(events, tmp_path, [2], names, vocabulary="groups")
    assert list(corpus) == [["condition/ccs/98", "condition/3", "condition/ccs/49"]]


def test_a_corpus_is_read_block_by_block_and_as_often_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = [pa.array(lists, pa.list_(pa.int32())) for lists in ([[0, 1, 2], [3]], [], [[4, 4]])]
    corpus = write_corpus(blocks, NAMES, tmp_path / "corpus.arrow")
    expected = [[NAMES[place].as_py() for place in places] for places in ([0, 1, 2], [3], [4, 4])]
    assert (list(corpus), list(corpus)) == (expected, expected)
    assert (corpus.sequences, corpus.counts.tolist()) == (3, [1, 1, 1, 1, 2, 0, 0, 0])
    monkeypatch.setattr(corpus_module, "LONGEST", 2)
    assert [len(piece) for piece in corpus] == [2, 1, 1, 2]
    assert [*chain(*corpus)] == [*chain(*expected)]


def test_the_windows_of_a_forecast_are_a_corpus_too(tmp_path: Path) -> None:
    rows = [Row([[0, 1], [], [2]], part=2, subject_id=5), Row([[3]], part=0, subject_id=6)]
    visits = write_histories(rows, tmp_path / "visits.arrow")
    blocks = list(window_sequences(visits, EVERY_CODE, NAMES, [2], seed=SEED))
    assert [sorted(block.to_pylist()[0][:2]) + block.to_pylist()[0][2:] for block in blocks] == [
        [0, 1, 2]
    ]
