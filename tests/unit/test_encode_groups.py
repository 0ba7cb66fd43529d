"""Codes in groups: by CCS, by an ancestor or not at all, by hand and against independent SQL."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_tables import Event, event, write_cohort, write_events
from omop_site import ingest

from visitseq.encode.ccs import ccs_category, ccs_labels
from visitseq.encode.encode import encode_visits
from visitseq.encode.groups import columns_of
from visitseq.encode.sequences import count_matrix, known_codes, read_sequences
from visitseq.encode.targets import encode_targets
from visitseq.tables import ANCESTORS, CODES, COHORT, write_parquet

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
PHENOTYPE = Path(__file__).resolve().parents[2] / "workflow/phenotypes/heart_failure.yaml"
START, INDEX = datetime(2011, 6, 1), datetime(2012, 1, 1)
TASK = {"observation_months": 12, "prediction_months": 0, "phenotype_codes": "drop"}
DOMAINS = ["condition", "drug", "procedure"]
ENCODING = {"vocabulary": "groups", "level": 2, "sequence": "visit", "domains": DOMAINS}

#: Each code's ancestors, and how many steps above it each stands.
ABOVE: dict[str, dict[str, int]] = {
    "condition/10": {"condition/500": 1, "condition/90": 2, "condition/600": 3},
    "condition/11": {},
    "condition/316139": {"condition/90": 1},
    "drug/20": {"drug/70": 0, "drug/1000": 2, "drug/999": 2, "drug/5": 4},
    "drug/21": {"drug/70": 0},
    "procedure/30": {"procedure/8": 1},
    "procedure/31": {"procedure/8": 2},
}
UNNAMED = "procedure/8"  # the site's concept table lacks it


def on(day: float, code: str, source: str | None = None, subject: int = 1) -> Event:
    return event(subject, START + timedelta(days=day), code, None, source)


#: One patient. Day 0: by CCS, two spellings of one category. Day 5: by an ancestor. Day 9: neither.
EVENTS = [
    on(0, "condition/10", "ICD9CM/401.9"),
    on(0, "condition/11", "icd9cm/4011"),
    on(0, "condition/source/250.00", "250.00"),
    on(5, "condition/10", "ICD10CM/I10"),
    on(5, "drug/20", "RxNorm/1"),
    on(5, "procedure/30"),
    on(5, "procedure/31", "ICD9Proc/40.19"),
    on(9, "condition/11"),
    on(9, "drug/21"),
    on(9, "drug/source/401.9", "ICD9CM/401.9"),
    # Two source codes of two categories, and none, on one concept.
    on(20, "condition/10", "ICD9CM/401.9"),
    on(20.5, "condition/10", "ICD9CM/V58.61"),
    on(20.5, "condition/10"),
]


def write_known(folder: Path) -> dict[str, Path]:
    """Write codes.parquet and ancestors.parquet; return where they are."""
    codes = [(code, f"name of {code}", list(above)) for code, above in ABOVE.items()]
    ancestors = [
        (code, ancestor, levels, None if ancestor == UNNAMED else f"name of {ancestor}")
        for code, above in ABOVE.items()
        for ancestor, levels in above.items()
    ]
    tables: dict[str, tuple[list[Any], pa.Schema]]
    tables = {"codes": (codes, CODES), "ancestors": (ancestors, ANCESTORS)}
    for name, (rows, schema) in tables.items():
        named_rows = [dict(zip(schema.names, row, strict=True)) for row in rows]
        write_parquet(pa.Table.from_pylist(named_rows, schema), folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in tables}


def encode(folder: Path, events: list[Event], task: dict[str, Any] = TASK, **keys: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    subjects = sorted({subject for subject, *_ in events})
    encode_visits(
        task=task,
        encoding=ENCODING | keys,
        phenotype=PHENOTYPE,
        cohort=write_cohort(folder / "cohort.parquet", [(s, INDEX, True, 0) for s in subjects]),
        events=write_events(folder / "events.parquet", events),
        **write_known(folder),
        folder=folder / "out",
        seed=0,
        parts=3,
    )
    return folder / "out"


def batch_of(out: Path) -> pa.Table:
    with pa.memory_map(str(out / "visits.arrow")) as source:
        return pa.ipc.open_file(source).read_all()


def named(out: Path, column: str = "visits", table: str = "vocabulary") -> list[list[list[str]]]:
    names = pq.read_table(out / f"{table}.parquet")["code"].to_pylist()
    rows = batch_of(out)[column].to_pylist()
    return [[[names[code] for code in visit] for visit in row] for row in rows]


@pytest.mark.parametrize(
    ("source", "category"),
    [
        ("ICD9CM/428.0", 108),
        ("icd9cm/ 4280 ", 108),
        ("ICD9/428.0", 108),
        ("ICD9CM/v58.61", 257),
        ("ICD9CM/E880.1", 2603),
        ("428.0", 108),
        ("E880.1", 2603),
        ("ICD9CM/428", None),  # a heading, never billed
        ("4280", None),  # may be a local number
        ("V10.11", None),  # a code of ICD-10 has this form too
        ("ICD10CM/428.0", None),
        ("ICD9Proc/42.81", None),
        ("ICD9Proc/428.0", None),
        ("SNOMED/428.0", None),
        ("999.99", None),
        ("", None),
    ],
)
def test_category_of_a_source_code(source: str, category: int | None) -> None:
    assert ccs_category(source) == category


@pytest.mark.skipif(not SHARED.is_dir(), reason="the code lists of ../shared/data are absent")
def test_categories_are_those_of_the_published_list() -> None:
    text = (SHARED / "codelists/CCS-SingleDiagnosisGrouper.txt").read_text("utf-8")
    published: dict[str, int] = {}
    category = 0
    for line in text.splitlines()[3:]:
        heading = re.match(r"(\d+)\s", line)
        if heading:
            category = int(heading[1])
        else:
            published |= dict.fromkeys(line.split(), category)
    assert len(published) == 15072
    assert {code: ccs_category(f"ICD9CM/{code}") for code in published} == published
    assert set(ccs_labels()) == set(published.values())
    assert len(ccs_labels()) == 283


def test_a_patient_by_hand(tmp_path: Path) -> None:
    out = encode(tmp_path, EVENTS)
    assert named(out) == [
        [
            ["condition/ccs/49", "condition/ccs/98"],
            ["condition/group/90", "drug/group/999", "procedure/group/8"],
            ["condition/11", "drug/21", "drug/source/401.9"],
            ["condition/ccs/257", "condition/ccs/98", "condition/group/90"],
        ]
    ]
    vocabulary = pq.read_table(out / "vocabulary.parquet")
    described = dict(
        zip(*(vocabulary[n].to_pylist() for n in ("code", "description")), strict=True)
    )
    assert described["condition/ccs/98"] == "Essential hypertension"
    assert described["drug/group/999"] == "name of drug/999"
    assert described["procedure/group/8"] is None  # ``UNNAMED``
    assert described["drug/21"] == "name of drug/21"
    counts = dict(zip(*(vocabulary[n].to_pylist() for n in ("code", "part_0")), strict=True))
    assert counts["condition/ccs/98"] == 2


def test_what_was_grouped_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        out = encode(tmp_path, EVENTS)
    metadata = {n.decode(): int(v) for n, v in batch_of(out).schema.metadata.items()}
    assert {name: count for name, count in metadata.items() if "_" in name} == {
        "phenotype_codes": 0,
        "open_ended": 0,
        "ccs_condition": 5,
        "ccs_condition_codes": 3,
        "ancestor_condition": 2,
        "ancestor_condition_codes": 1,
        "ancestor_drug": 1,
        "ancestor_drug_codes": 1,
        "ancestor_procedure": 2,
        "ancestor_procedure_codes": 2,
        "ungrouped_condition": 1,
        "ungrouped_condition_codes": 1,
        "ungrouped_drug": 2,
        "ungrouped_drug_codes": 2,
        "ungrouped_procedure": 0,
        "ungrouped_procedure_codes": 0,
    }
    assert "5 ccs_condition, 3 ccs_condition_codes" in caplog.text


@pytest.mark.parametrize(
    ("level", "groups"),
    [
        (1, ["condition/group/500", "drug/20", "procedure/31", "procedure/group/8"]),
        (2, ["condition/group/90", "drug/group/999", "procedure/group/8"]),
        (3, ["condition/group/600", "drug/group/999", "procedure/group/8"]),
        (9, ["condition/group/600", "drug/group/5", "procedure/group/8"]),
    ],
)
def test_level_is_the_steps_above_a_code(tmp_path: Path, level: int, groups: list[str]) -> None:
    assert named(encode(tmp_path, EVENTS, level=level))[0][1] == groups


def test_codes_of_the_phenotype_are_dropped_before_they_are_grouped(tmp_path: Path) -> None:
    events = [
        on(0, "condition/10", "ICD9CM/428.0"),
        on(0.5, "condition/10"),
        on(0, "condition/316139"),
        on(0, "condition/11", "ICD9CM/425.4"),
        on(3, "condition/10", "ICD9CM/402.90"),
    ]
    dropped = encode(tmp_path / "drop", events)
    assert named(dropped) == [[["condition/ccs/97"], ["condition/ccs/99"]]]
    plain = encode(tmp_path / "codes", events, vocabulary="codes")
    for out in (dropped, plain):
        assert batch_of(out).schema.metadata[b"phenotype_codes"] == b"2"
    kept = encode(tmp_path / "keep", events, TASK | {"phenotype_codes": "keep"})
    assert named(kept)[0][0] == ["condition/ccs/108", "condition/ccs/97", "condition/group/90"]


def test_grouped_visits_are_the_visits_times_the_membership(tmp_path: Path) -> None:
    """Where each code has one source, groups are a matrix; here it is written down by hand."""
    member = {
        "condition/10": ("ICD9CM/401.9", "condition/ccs/98"),
        "condition/source/x": ("ICD9CM/401.1", "condition/ccs/98"),
        "condition/11": (None, "condition/11"),
        "drug/20": ("RxNorm/1", "drug/group/999"),
        "procedure/30": (None, "procedure/group/8"),
        "procedure/31": (None, "procedure/group/8"),
    }
    draw = np.random.default_rng(1)
    events = [
        on(int(day), code, member[code][0], subject)
        for subject in range(1, 40)
        for day, code in zip(draw.integers(0, 200, 30), draw.choice(list(member), 30), strict=True)
    ]
    matrices, names = {}, {}
    for vocabulary in ("codes", "groups"):
        out = encode(tmp_path / vocabulary, events, vocabulary=vocabulary)
        sequences = read_sequences(out / "visits.arrow")
        names[vocabulary] = pq.read_table(out / "vocabulary.parquet")["code"].to_pylist()
        size = len(names[vocabulary])
        matrices[vocabulary] = np.zeros((len(sequences.days), size), dtype=int)
        visit = np.repeat(np.arange(len(sequences.days)), np.diff(sequences.code_offsets))
        np.add.at(matrices[vocabulary], (visit, sequences.codes), 1)
        known = known_codes(pq.read_table(out / "vocabulary.parquet"), [0], 1)
        assert count_matrix(sequences, known).sum() == matrices[vocabulary].sum()
    membership = np.array(
        [[member[code][1] == group for group in names["groups"]] for code in names["codes"]]
    )
    assert membership.sum() == len(member)
    assert (matrices["codes"] @ membership > 0).tolist() == (matrices["groups"] == 1).tolist()
    assert matrices["groups"].max() == 1


def test_a_step_a_code_is_a_step_a_group(tmp_path: Path) -> None:
    steps = named(encode(tmp_path, EVENTS, sequence="code"))[0]
    assert all(len(step) == 1 for step in steps)
    assert sorted(step[0] for step in steps[-3:]) == [
        "condition/ccs/257",
        "condition/ccs/98",
        "condition/group/90",
    ]


def test_the_same_bytes_again(tmp_path: Path) -> None:
    one, two = encode(tmp_path / "one", EVENTS), encode(tmp_path / "two", EVENTS[::-1])
    for name in ("visits.arrow", "vocabulary.parquet"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_labels_of_a_forecast_stay_codes(tmp_path: Path) -> None:
    rows = {
        "set_id": [None],
        "subject_id": [1],
        "index_time": [INDEX],
        "label": [None],
        "part": [0],
    }
    write_parquet(pa.table(rows).cast(COHORT), tmp_path / "cohort.parquet")
    outs = {}
    for vocabulary in ("codes", "groups"):
        outs[vocabulary] = tmp_path / vocabulary
        encode_targets(
            task={"kind": "forecast", "visits_ahead": 1, "labels": ["condition"], "rollup": "none"},
            encoding=ENCODING | {"vocabulary": vocabulary},
            cohort=tmp_path / "cohort.parquet",
            events=write_events(tmp_path / "events.parquet", EVENTS),
            **write_known(tmp_path),
            folder=outs[vocabulary],
            parts=3,
        )
    labels = [named(out, "targets", "labels") for out in outs.values()]
    assert labels[0] == labels[1]
    assert labels[0][0][1:] == [["condition/10"], ["condition/11"], ["condition/10"]]
    assert named(outs["groups"]) == named(encode(tmp_path / "window", EVENTS))
    read = [(out / "labels.parquet").read_bytes() for out in outs.values()]
    assert read[0] == read[1]
    assert batch_of(outs["groups"]).schema.metadata[b"ccs_condition"] == b"5"
    assert b"ccs_condition" not in batch_of(outs["codes"]).schema.metadata


@pytest.mark.skipif(not SHARED.is_dir(), reason="the records of ../shared/data are absent")
@pytest.mark.parametrize("level", [2, 3])
def test_ancestors_of_real_concepts_by_independent_sql(tmp_path: Path, level: int) -> None:
    """GiBleed's concept_ancestor is OMOP's own, less the rows of what does not occur."""
    database = SHARED / "gibleed/gibleed.duckdb"
    ingest(database, tmp_path)
    code_table = pq.read_table(tmp_path / "codes.parquet")
    ancestors = pq.read_table(tmp_path / "ancestors.parquet")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{database}' AS site (READ_ONLY)")
        connection.register("code_table", code_table)
        rows = connection.execute(
            f"""
            SELECT code, arg_min(ancestor_concept_id, -1e12 * min_levels_of_separation
                                 + ancestor_concept_id)
            FROM code_table LEFT JOIN site.concept_ancestor
                ON TRY_CAST(split_part(code, '/', 2) AS BIGINT) = descendant_concept_id
                AND min_levels_of_separation BETWEEN 1 AND {level}
                AND ancestor_concept_id <> descendant_concept_id
            WHERE split_part(code, '/', 1) IN ('condition', 'drug', 'procedure')
            GROUP BY code ORDER BY code
            """
        ).fetchall()
    codes = [code for code, _ in rows]
    record = {
        "row": pa.array(np.arange(len(codes), dtype=np.int32)),
        "visit": pa.array(np.zeros(len(codes), dtype=np.int32)),
        "day": pa.array(np.zeros(len(codes), dtype=np.int32)),
        "code": codes,
        "source_codes": [[""]] * len(codes),
    }
    columns = columns_of(pa.table(record), code_table, ENCODING | {"level": level}, ancestors)
    expected = [
        code if ancestor is None else f"{code.split('/')[0]}/group/{int(ancestor)}"
        for code, ancestor in rows
    ]
    assert columns.record["code"].to_pylist() == expected
    assert len(codes) > 200
    assert columns.counts["ancestor_condition_codes"] == 80
