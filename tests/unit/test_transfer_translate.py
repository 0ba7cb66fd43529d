"""Two hospitals by hand: one's visits in the other's vocabulary, and how much of them it has."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arrow_visits import Row, record_batch, visit, write_batch, write_histories
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from visitseq import tables
from visitseq.encode.sequences import open_batch
from visitseq.errors import UserError
from visitseq.transfer import translate as translate_module
from visitseq.transfer import translate_vectors, translate_visits

PARTS = 3
Files = dict[str, Path]


def write_site(
    rows: Sequence[Row], codes: Sequence[str], folder: Path, labels: bool = False
) -> Files:
    """visits.arrow and vocabulary.parquet; a visit's labels are its codes."""
    counts = np.zeros((PARTS, len(codes)), dtype=np.int64)
    for row in rows:
        for held in row.visits:
            counts[row.part, list(held)] += 1
    columns = {f"part_{part}": counts[part] for part in range(PARTS)}
    described = [f"{code}, described" for code in codes]
    table = pa.table(
        {"id": range(len(codes)), "code": codes, "description": described, **columns},
        schema=tables.vocabulary_schema(PARTS),
    )
    files = {"vocabulary": folder / "vocabulary.parquet"}
    if labels:
        files["labels"] = folder / "labels.parquet"
    for path in files.values():
        tables.write_parquet(table, path)
    write = write_histories if labels else lambda *what: write_batch(record_batch(what[0]), what[1])
    return {**files, "visits": write(rows, folder / "visits.arrow")}


def translate(source: Files, target: Files, folder: Path, **other: Any) -> Any:
    """Translate and give coverage.json."""
    if "ancestors" not in other:
        other["ancestors"] = write_ancestors([], folder / "above.parquet")
    named = {f"source_{name}": path for name, path in source.items()}
    translate_visits(**{**named, **target, **other}, folder=folder / "out")
    return json.loads((folder / "out/coverage.json").read_text("utf-8"))


def write_ancestors(rows: Sequence[tuple[str, str, int]], path: Path) -> Path:
    names = ("code", "ancestor", "levels")
    listed = [dict(zip(names, row, strict=True)) for row in rows]
    tables.write_parquet(pa.Table.from_pylist(listed, schema=tables.ANCESTORS), path)
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}


SOURCE = [
    Row([[0], [0, 2]], True, 0, subject_id=1),
    Row([[1]], False, 1, subject_id=2),
]
SOURCE_CODES = ["condition/1", "condition/4", "drug/group/7"]
TARGET = [
    Row([[0, 1, 2], [1]], True, 0, subject_id=2),
    Row([[]], False, 2, subject_id=3),
    Row([[2, 3], [3]], False, 1, subject_id=4),
    Row([[1, 3]], False, 1, subject_id=4),
]
TARGET_CODES = ["condition/3", "condition/4", "drug/5", "drug/6"]
ABOVE = [
    ("condition/3", "condition/2", 1),
    ("condition/3", "condition/1", 2),
    ("condition/3", "condition/4", 1),
    ("condition/4", "condition/1", 1),
    ("drug/5", "drug/7", 3),
    ("drug/6", "drug/8", 1),
]


@pytest.mark.parametrize("labels", [False, True])
def test_two_hospitals_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: bool
) -> None:
    monkeypatch.setattr(translate_module, "BLOCK", 2)
    source = write_site(SOURCE, SOURCE_CODES, tmp_path / "source", labels)
    target = write_site(TARGET, TARGET_CODES, tmp_path / "target", labels)
    above = write_ancestors(ABOVE, tmp_path / "above.parquet")
    coverage = translate(source, target, tmp_path, ancestors=above)
    # 3, drug/5 and drug/6 get the ids 3, 4 and 5; 4 has the source's id 1.
    expected = [[[1, 3, 4], [1]], [[]], [[4, 5], [5]], [[1, 5]]]
    own, found = open_batch(target["visits"]), open_batch(tmp_path / "out/visits.arrow")
    assert found.schema.equals(own.schema, check_metadata=True)
    for name in own.schema.names:
        same = found.column(name).to_pylist() == own.column(name).to_pylist()
        translated = name in ("visits", "targets")
        assert same != translated, name
        assert not translated or found.column(name).to_pylist() == expected
    vocabulary = pq.read_table(tmp_path / "out/vocabulary.parquet")
    assert vocabulary.schema.equals(tables.vocabulary_schema(PARTS))
    codes = [*SOURCE_CODES, "condition/3", "drug/5", "drug/6"]
    assert vocabulary.to_pydict() == {
        "id": list(range(6)),
        "code": codes,
        "description": [f"{code}, described" for code in codes],
        "part_0": [0, 2, 0, 1, 1, 0],
        "part_1": [0, 1, 0, 0, 1, 3],
        "part_2": [0] * 6,
    }
    candidates = pq.read_table(tmp_path / "out/ancestors.parquet")
    assert candidates.schema.equals(tables.SHARED_ANCESTORS)
    by_hand = [(3, 1, 1), (3, 0, 2), (4, 2, 3)]
    kinds = ("code", "label") if labels else ("code",)
    assert [tuple(row.values()) for row in candidates.to_pylist()] == [
        (kind, *row) for kind in kinds for row in by_hand
    ]
    of_codes = {
        "codes": {"source": 3, "target": 4, "shared": 1, "with_ancestor": 2},
        "by_code": {"target_in_source": 1 / 4, "source_in_target": 1 / 3},
        "by_event": {"target_in_source": 3 / 9, "source_in_target": 1 / 4},
    }
    assert coverage == {
        **of_codes,
        **({"labels": of_codes} if labels else {}),
        "unknown_rate": 1 - 3 / 9,
        # Person 2 has two of four codes, person 3 none at all, person 4 one of five.
        "by_patient": {
            "target_in_source": pytest.approx((2 / 4 + 1 / 5) / 2),
            "source_in_target": pytest.approx((0 / 3 + 1 / 1) / 2),
        },
        "persons": {"relation": "assumed disjoint", "in_both": None},
    }
    assert (tmp_path / "out/labels.parquet").exists() == labels
    declared = translate(source, target, tmp_path, same_persons=True)
    assert declared["persons"] == {"relation": "ids shared (declared)", "in_both": 1}


def test_a_model_without_records_knows_one_side(tmp_path: Path) -> None:
    source = write_site(SOURCE, SOURCE_CODES, tmp_path / "source")
    target = write_site(TARGET, TARGET_CODES, tmp_path / "target")
    coverage = translate({"vocabulary": source["vocabulary"]}, target, tmp_path)
    assert coverage["by_code"]["source_in_target"] == pytest.approx(1 / 3)
    for by in ("by_event", "by_patient"):
        assert coverage[by]["source_in_target"] is None
        assert coverage[by]["reason"] == "the source is a model that came without records"
        assert coverage[by]["target_in_source"] > 0
    assert coverage["persons"]["relation"] == "assumed disjoint"


def test_what_a_mapping_makes_one_stands_once(tmp_path: Path) -> None:
    """Ancestors are written as codes are."""
    source = write_site(SOURCE, SOURCE_CODES, tmp_path / "source")
    target = write_site(TARGET, TARGET_CODES, tmp_path / "target")
    mapping = tmp_path / "mapping.csv"
    rows = ["condition/3,condition/1", "condition/4,condition/1", "drug/8,drug/group/7", "x,y"]
    mapping.write_text("\n".join(["target_code,source_code", *rows]) + "\n", "utf-8")
    above = write_ancestors(ABOVE, tmp_path / "above.parquet")
    coverage = translate(source, target, tmp_path, mapping=mapping, ancestors=above)
    found = open_batch(tmp_path / "out/visits.arrow").column("visits").to_pylist()
    assert found == [[[0, 3], [0]], [[]], [[3, 4], [4]], [[0, 4]]]
    assert coverage["codes"] == {"source": 3, "target": 3, "shared": 1, "with_ancestor": 2}
    vocabulary = pq.read_table(tmp_path / "out/vocabulary.parquet")
    assert vocabulary["part_0"].to_pylist() == [2, 0, 0, 1, 0]
    assert vocabulary["code"].to_pylist()[3:] == ["drug/5", "drug/6"]
    candidates = pq.read_table(tmp_path / "out/ancestors.parquet").to_pylist()
    assert [(row["id"], row["ancestor"]) for row in candidates] == [(3, 2), (4, 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target_code,source\na,b\n", r"its columns are target_code, source\. Name them"),
        ("target_code,source_code\na,b\na,c\n", "1 target codes stand in several rows"),
        ("target_code,source_code\na,\n,b\nc,d\n", "2 rows lack a code"),
        ("target_code,source_code\na,b,c\n", "it is no CSV file"),
        ("", "it is no CSV file"),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    source = write_site(SOURCE, SOURCE_CODES, tmp_path / "source")
    (tmp_path / "mapping.csv").write_text(text, "utf-8")
    with pytest.raises(UserError, match=f"^Mapping .*mapping.csv: {message}"):
        translate(source, source, tmp_path, mapping=tmp_path / "mapping.csv")


def test_vectors_by_hand(tmp_path: Path) -> None:
    source = write_site(SOURCE, SOURCE_CODES, tmp_path / "source")
    target = write_site(TARGET, TARGET_CODES, tmp_path / "target")
    own = np.array([[1.0, 4.0], [3.0, 0.0], [0.0, 0.0], [5.0, 5.0]], dtype=np.float32)
    save_file({"vectors": own}, tmp_path / "own.safetensors", metadata={"persons": "a digest"})
    same = {"vectors": tmp_path / "own.safetensors", "own_vocabulary": target["vocabulary"]}
    translate(source, target, tmp_path)
    joint = {"vocabulary": tmp_path / "out/vocabulary.parquet", "folder": tmp_path / "out"}
    translate_vectors(**same, **joint)
    found = load_file(tmp_path / "out/vectors.safetensors")["vectors"]
    assert found.tolist() == [[0, 0], own[1].tolist(), [0, 0], *own[[0, 2, 3]].tolist()]
    # 3, 4 and drug/5 become one; of drug/5 nothing was learned.
    mapping = tmp_path / "mapping.csv"
    rows = ["condition/3,condition/1", "condition/4,condition/1", "drug/5,condition/1"]
    mapping.write_text("\n".join(["target_code,source_code", *rows]), "utf-8")
    translate(source, target, tmp_path, mapping=mapping)
    translate_vectors(**same, **joint, mapping=mapping)
    found = load_file(tmp_path / "out/vectors.safetensors")["vectors"]
    assert found.tolist() == [[2, 2], [0, 0], [0, 0], [5, 5]]
    # Into its own vocabulary nothing changes.
    translate(target, target, tmp_path)
    translate_vectors(**same, **joint)
    assert np.array_equal(load_file(tmp_path / "out/vectors.safetensors")["vectors"], own)


histories = st.lists(st.lists(visit, max_size=4), min_size=1, max_size=5).map(
    lambda cohort: [
        Row(visits, subject_id=subject // 2, part=subject % PARTS)
        for subject, visits in enumerate(cohort)
    ]
)
CODES = [f"condition/{code}" for code in range(7)]


@given(rows=histories, labels=st.booleans(), order=st.permutations(range(7)))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_into_its_own_vocabulary_nothing_changes(
    tmp_path: Path, rows: list[Row], labels: bool, order: list[int]
) -> None:
    """Nor does it for a hospital that writes the same under other names, once they are mapped."""
    source = write_site(rows, CODES, tmp_path / "source", labels)
    coverage = translate(source, source, tmp_path)
    first = content(tmp_path)
    for name, path in source.items():
        assert first[path.name] == path.read_bytes(), name
    assert pq.read_table(tmp_path / "out/ancestors.parquet").num_rows == 0
    everything = {1.0} if any(map(any, (row.visits for row in rows))) else {None}
    assert {*coverage["by_event"].values(), *coverage["by_patient"].values()} == everything
    # Code c is called other/k there, where order[k] is c.
    place = np.argsort(order)
    other = [
        replace(row, visits=[sorted(int(place[code]) for code in held) for held in row.visits])
        for row in rows
    ]
    target = write_site(other, [f"other/{k}" for k in range(7)], tmp_path / "target", labels)
    pairs = [f"other/{k},condition/{code}" for k, code in enumerate(order)]
    mapping = tmp_path / "mapping.csv"
    mapping.write_text("\n".join(["target_code,source_code", *pairs]), "utf-8")
    assert translate(source, target, tmp_path, mapping=mapping) == coverage
    assert content(tmp_path) == first
    assert translate(source, target, tmp_path)["codes"]["shared"] == 0
