"""MEDS in: what each row becomes, which layouts are read, and what is refused."""

import datetime as dt
import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from visitseq import tables
from visitseq.cohort.phenotype import qualifying_codes, read_phenotype, unseen
from visitseq.config import fill_config
from visitseq.encode.groups import farthest, group_code
from visitseq.errors import UserError
from visitseq.ingest import blocks, ingest_meds
from visitseq.ingest.meds_codes import place_code

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared/data"
DOMAINS = {"condition": "^DIAGNOSIS//", "drug": "^MEDICATION//"}
Row = dict[str, Any]


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def write_data(path: Path, rows: Sequence[Row], **types: pa.DataType) -> None:
    """Write rows as a shard of data/, each column of the type given, else of MEDS's."""
    usual = {
        "subject_id": pa.int64(),
        "time": pa.timestamp("us"),
        "code": pa.string(),
        "numeric_value": pa.float32(),
        "visit_id": pa.int64(),
    }
    names = list(dict.fromkeys(name for row in rows for name in row))
    schema = pa.schema([(name, {**usual, **types}[name]) for name in names])
    full = [{name: row.get(name) for name in names} for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(full, schema), path)


def write_metadata(folder: Path, rows: Sequence[Row]) -> None:
    (folder / "metadata").mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=tables.CODES)
    pq.write_table(table, folder / "metadata/codes.parquet")


def row(subject: int | None, time: str | None, code: str | None, **other: Any) -> Row:
    return {"subject_id": subject, "time": time and at(time), "code": code, **other}


def ingest(path: Path, folder: Path, **site: Any) -> tuple[list[Row], Row]:
    """Ingest ``path``; return the events as rows and the summary."""
    section = {"path": str(path), "domains": DOMAINS, "sex_codes": {}, "latest_date": None, **site}
    ingest_meds(name="mine", site=section, folder=folder)
    summary: Row = json.loads((folder / "summary.json").read_text("utf-8"))
    return pq.read_table(folder / "events.parquet").to_pylist(), summary


def short(events: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Events as (subject, day and minute, code, visit, source code)."""
    names = ("subject_id", "time", "code", "visit_id", "source_code")
    values = [[event[name] for name in names] for event in events]
    return [(v[0], v[1] and v[1].isoformat(" ", "minutes"), *v[2:]) for v in values]


def hospital() -> list[Row]:
    """A woman with two stays, as MIMIC-IV's records become in MEDS, and a man with a single row."""
    stay = {"hadm_id": 20}
    return [
        row(1, None, "GENDER//F"),
        row(1, None, "RACE//WHITE"),
        row(1, "1950-03-01", "MEDS_BIRTH"),
        row(1, "2010-05-01 08:00", "HOSPITAL_ADMISSION//EW", **stay),
        row(1, "2010-05-02 12:00", "LAB//50912//mg/dL", numeric_value=1.5, **stay),
        row(1, "2010-05-04 09:30", "DIAGNOSIS//ICD//9//4280", **stay),
        row(1, "2010-05-04 09:30", "DIAGNOSIS//ICD//9//4280", **stay),
        row(1, "2010-05-04 10:00", "HOSPITAL_DISCHARGE//HOME", **stay),
        row(1, "2011-01-07", "MEDICATION//furosemide"),
        row(1, "2012-01-01", "MEDS_DEATH//HOSPITAL"),
        row(2, "1961-01-01", "MEDS_BIRTH"),
    ]


EXPECTED = [
    (1, None, "RACE//WHITE", None, None),
    (1, "1950-03-01 00:00", "MEDS_BIRTH", None, None),
    (1, "1950-03-01 00:00", "sex/8532", None, None),
    (1, "2010-05-01 08:00", "HOSPITAL_ADMISSION//EW", 20, None),
    (1, "2010-05-01 08:00", "visit/0", 20, None),
    (1, "2010-05-02 12:00", "LAB//50912//mg/dL", 20, None),
    (1, "2010-05-04 09:30", "condition/source/DIAGNOSIS//ICD//9//4280", 20, "ICD9CM/4280"),
    (1, "2010-05-04 10:00", "HOSPITAL_DISCHARGE//HOME", 20, None),
    (1, "2010-05-04 10:00", "visit_end/0", 20, None),
    (1, "2011-01-07 00:00", "drug/source/MEDICATION//furosemide", None, "MEDICATION//furosemide"),
    (1, "2012-01-01 00:00", "MEDS_DEATH", None, None),
    (2, "1961-01-01 00:00", "MEDS_BIRTH", None, None),
]


def test_every_row_becomes_what_its_code_says(tmp_path: Path) -> None:
    write_data(tmp_path / "data/train/0.parquet", hospital(), hadm_id=pa.int64())
    events, summary = ingest(tmp_path, tmp_path / "out")
    assert short(events) == EXPECTED
    assert [event["numeric_value"] for event in events if "LAB" in event["code"]] == [1.5]
    assert summary == {
        "persons": 2,
        "visits": 1,
        "events": 12,
        "last_year": 2011,
        "detached": 0,
        "static": 2,
        "tables": {"data": {"read": 11, "kept": 10, "dropped": {"duplicate": 1}}},
    }
    woman, man = pq.read_table(tmp_path / "out/persons.parquet").to_pylist()
    assert (woman["birth_date"], woman["birth_precision"], woman["sex"]) == (
        dt.date(1950, 3, 1),
        "day",
        8532,
    )
    assert woman["death_date"] == dt.date(2012, 1, 1)
    assert woman["first_event"] == at("2010-05-01 08:00")
    assert (man["sex"], man["first_event"], man["observation_start"]) == (None, None, None)
    for name in ("persons", "observation_periods", "codes", "ancestors"):
        schema = pq.read_schema(tmp_path / f"out/{name}.parquet").remove_metadata()
        assert schema.equals(getattr(tables, name.upper()))


VARIATIONS: dict[str, Mapping[str, Any]] = {
    "as polars writes": {"code": pa.large_string(), "hadm_id": pa.string()},
    "narrow": {"subject_id": pa.int32(), "numeric_value": pa.float64(), "hadm_id": pa.int32()},
    "unsigned, nanoseconds": {"subject_id": pa.uint32(), "time": pa.timestamp("ns")},
    "UTC": {"time": pa.timestamp("us", tz="UTC"), "code": pa.string_view()},
    "UTC in nanoseconds": {"time": pa.timestamp("ns", tz="UTC"), "hadm_id": pa.float64()},
    "dictionary": {"code": pa.dictionary(pa.int32(), pa.string()), "hadm_id": pa.float64()},
    "milliseconds": {"time": pa.timestamp("ms"), "numeric_value": pa.float16()},
}


@pytest.mark.parametrize("types", VARIATIONS.values(), ids=VARIATIONS)
def test_types_that_writers_choose_are_read(tmp_path: Path, types: Mapping[str, Any]) -> None:
    types = {"hadm_id": pa.int64(), **types}
    rows = hospital()
    if types["hadm_id"] == pa.string():
        rows = [{**r, "hadm_id": str(r["hadm_id"])} if "hadm_id" in r else r for r in rows]
    write_data(tmp_path / "data/0.parquet", [r for r in rows if r["subject_id"] == 1], **types)
    write_data(tmp_path / "data/1.parquet", [r for r in rows if r["subject_id"] == 2])
    events, _ = ingest(tmp_path, tmp_path / "out")
    assert short(events) == EXPECTED


def test_the_column_of_0_3_0_and_a_file_without_values_are_read(tmp_path: Path) -> None:
    renamed = [
        {{"subject_id": "patient_id"}.get(name, name): value for name, value in r.items()}
        for r in hospital()
    ]
    write_data(tmp_path / "data/0.parquet", renamed, patient_id=pa.int64(), hadm_id=pa.int64())
    empty = pa.table({"subject_id": [7], "time": pa.nulls(1), "code": ["MARITAL//SINGLE"]})
    pq.write_table(empty, tmp_path / "data/1.parquet")
    (tmp_path / "data/.ipynb_checkpoints").mkdir()
    (tmp_path / "data/.ipynb_checkpoints/0.parquet").write_text("none")
    events, _ = ingest(tmp_path, tmp_path / "out")
    assert short(events) == [*EXPECTED, (7, None, "MARITAL//SINGLE", None, None)]


def test_visits_of_text_are_told_apart(tmp_path: Path) -> None:
    rows = [
        row(1, "2010-01-01", "DIAGNOSIS//a", visit_id="stay-1"),
        row(1, "2010-01-05", "DIAGNOSIS//b", visit_id="stay-1"),
        row(1, "2010-01-03", "DIAGNOSIS//c", visit_id="stay-2"),
        row(1, "2010-01-04", "DIAGNOSIS//d", visit_id=" "),
        row(1, "2010-02-01", "DIAGNOSIS//e", visit_id="7.1"),
        row(1, "2010-02-03", "DIAGNOSIS//f", visit_id="7.2"),
        row(1, "2010-02-05", "DIAGNOSIS//g", visit_id="7"),
    ]
    write_data(tmp_path / "data/0.parquet", rows, visit_id=pa.string())
    events, summary = ingest(tmp_path, tmp_path / "out")
    visit = {e["code"][-1]: e["visit_id"] for e in events if e["code"].startswith("condition/")}
    assert visit["a"] == visit["b"] != visit["c"]
    assert min(visit["a"], visit["c"]) >= 0
    assert visit["d"] is None
    assert visit["g"] == 7
    assert len({visit["e"], visit["f"], visit["g"]}) == 3
    assert summary["visits"] == 5


def test_a_visit_column_without_any_type_hides_no_other(tmp_path: Path) -> None:
    rows = [row(1, "2010-01-01", "DIAGNOSIS//a", visit_id=None, hadm_id=20)]
    write_data(tmp_path / "data/0.parquet", rows, visit_id=pa.null(), hadm_id=pa.int64())
    events, _ = ingest(tmp_path, tmp_path / "out")
    assert {event["visit_id"] for event in events} == {20}


def test_without_visit_ids_days_are_visits(tmp_path: Path) -> None:
    rows = [
        row(1, "2010-01-01 08:00", "DIAGNOSIS//a"),
        row(1, "2010-01-01 20:00", "MEDICATION//a"),
        row(1, "2010-01-02 00:00", "DIAGNOSIS//a"),
        row(2, "2010-01-02 00:00", "DIAGNOSIS//a"),
        row(2, "2010-01-03 00:00", "LAB//a"),
    ]
    write_data(tmp_path / "data/0.parquet", rows)
    events, summary = ingest(tmp_path, tmp_path / "out")
    assert (len(events), summary["visits"], summary["last_year"]) == (5, 3, 2010)


@pytest.mark.parametrize("subject", ["subject_id", "patient_id"])
def test_blocks_of_persons_change_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subject: str
) -> None:
    rows = [
        {subject: n, "time": own["time"], "code": own["code"], "hadm_id": own.get("hadm_id")}
        for own in hospital()
        for n in (own["subject_id"], -own["subject_id"], own["subject_id"] + 2**40, None)
    ]
    columns = {subject: pa.int64(), "hadm_id": pa.int64()}
    for number in range(3):
        write_data(tmp_path / f"data/{number}.parquet", rows[number::3], **columns)
    _, expected = ingest(tmp_path, tmp_path / "expected")
    monkeypatch.setattr(blocks, "_ROWS", 5)
    _, summary = ingest(tmp_path, tmp_path / "out")
    assert summary == expected
    assert summary["tables"]["data"]["dropped"] == {"duplicate": 3, "unknown_person": 11}
    for file in (tmp_path / "expected").iterdir():
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes(), file.name


def test_every_dropped_row_has_its_reason(tmp_path: Path) -> None:
    rows = [
        row(None, "2010-01-01", "DIAGNOSIS//a"),
        row(1, "2010-01-01", None),
        row(1, "2010-01-01", " "),
        row(1, None, "MEDS_BIRTH"),
        row(1, "1950-01-01", "MEDS_BIRTH"),
        row(1, "1950-02-01", "MEDS_BIRTH"),
        row(1, "1949-12-31", "DIAGNOSIS//a"),
        row(1, "2010-01-01", "MEDS_DEATH"),
        row(1, "2010-01-03", "MEDS_DEATH"),
        row(1, "2010-01-31", "DIAGNOSIS//a"),
        row(1, "2010-02-01", "DIAGNOSIS//a"),
        row(2, "1900-01-01", "DIAGNOSIS//a"),
        row(2, "2015-06-02", "DIAGNOSIS//a"),
        row(2, "2015-06-01 23:00", "DIAGNOSIS//a"),
        row(2, None, "GENDER//F"),
        row(2, None, "sex/m"),
        row(3, "2000-01-01", "Gender/M"),
        row(3, None, "Gender/M"),
        row(3, None, "DIAGNOSIS//old"),
    ]
    write_data(tmp_path / "data/0.parquet", rows)
    events, summary = ingest(tmp_path, tmp_path / "out", latest_date="2015-06-01")
    counted = summary["tables"]["data"]
    assert counted["dropped"] == {
        "after_death": 1,
        "before_birth": 1,
        "contradictory": 2,
        "duplicate": 3,
        "implausible_date": 2,
        "no_concept": 2,
        "no_date": 1,
        "unknown_person": 1,
    }
    assert counted["read"] == len(rows) == counted["kept"] + sum(counted["dropped"].values())
    assert len(events) == counted["kept"]
    persons = pq.read_table(tmp_path / "out/persons.parquet").to_pylist()
    assert [person["sex"] for person in persons] == [None, None, 8507]
    # Nobody knows when the third was born: what is placed at the birth has no time.
    assert (3, None, "sex/8507", None, None) in short(events)


def test_observation_periods_are_pairs_of_rows(tmp_path: Path) -> None:
    start, end = "observation_period/start", "observation_period/end"
    rows = [
        row(1, "1950-01-01", "MEDS_BIRTH"),
        row(1, "1949-01-01", start),
        row(1, "2001-12-31", end),
        row(1, "2010-01-01", start),
        row(1, "2011-12-31", end),
        row(1, "2012-01-01", start),
        row(1, "2012-05-31", end),
        row(1, "2013-01-01", start),
        row(1, "2014-01-01", start),
        row(1, "2015-01-01", end),
        row(2, "2015-01-01", end),
        row(2, None, end),
    ]
    write_data(tmp_path / "data/0.parquet", rows)
    events, summary = ingest(tmp_path, tmp_path / "out")
    # The first start was before the birth; the third period begins on the day after the second.
    assert pq.read_table(tmp_path / "out/observation_periods.parquet").to_pylist() == [
        {"subject_id": 1, "start": dt.date(2010, 1, 1), "end": dt.date(2012, 5, 31)},
        {"subject_id": 1, "start": dt.date(2013, 1, 1), "end": dt.date(2015, 1, 1)},
    ]
    assert [event["code"] for event in events] == ["MEDS_BIRTH"]
    # Without their other half: the end of the first, a start that has no end, the end of another's.
    assert summary["tables"]["data"] == {
        "read": 12,
        "kept": 7,
        "dropped": {"before_birth": 1, "no_date": 1, "unpaired": 3},
    }


def test_the_site_says_what_its_sexes_are(tmp_path: Path) -> None:
    write_data(tmp_path / "data/0.parquet", [row(1, "1950-01-01", "MEDS_BIRTH"), row(1, None, "W")])
    events, _ = ingest(tmp_path, tmp_path / "out", sex_codes={"W": 8532})
    assert [event["code"] for event in events] == ["MEDS_BIRTH", "sex/8532"]


@pytest.mark.parametrize(
    ("code", "placed"),
    [
        ("condition/316139", "condition/316139"),
        ("drug/source/a", "drug/source/a"),
        ("drug/aspirin", "drug/source/drug/aspirin"),
        ("condition/asthma", "condition/asthma"),
        ("visit/9202", "visit/9202"),
        ("visit/outpatient", "source/visit/outpatient"),
        ("care_site/ward 3", "source/care_site/ward 3"),
        ("VISIT//ED", "VISIT//ED"),
        ("MEDS_BIRTHDAY", "MEDS_BIRTHDAY"),
        ("MEDS_BIRTH/estimated", "MEDS_BIRTH"),
        ("GENDER//unknown", "GENDER//unknown"),
        ("Sex/Female", "sex/8532"),
        ("sex/0", "sex/0"),
        ("rx and dx", "condition/source/rx and dx"),
    ],
)
def test_codes_are_placed(code: str, placed: str) -> None:
    patterns = {"drug": re.compile("^drug/|rx"), "condition": re.compile("dx")}
    assert place_code(code, patterns, {}).code == placed


@pytest.mark.parametrize(
    ("domain", "code", "source"),
    [
        ("condition", "DIAGNOSIS//ICD//9//4280", "ICD9CM/4280"),
        ("condition", "DIAGNOSIS//ICD//10//I509//3", "ICD10CM/I509"),
        ("procedure", "PROCEDURE//ICD//9//3961", "ICD9Proc/3961"),
        ("procedure", "PROCEDURE//ICD//10//02HV33Z", "ICD10PCS/02HV33Z"),
        ("condition", "ICD9CM/428.0", "ICD9CM/428.0"),
        ("condition", "DX//ICD10CM//I50.9", "ICD10CM/I50.9"),
        ("condition", "SNOMED/84114007", "SNOMED/84114007"),
    ],
)
def test_icd_codes_are_known_as_such(domain: str, code: str, source: str) -> None:
    assert place_code(code, {domain: re.compile("")}, {}).source_code == source


def test_parents_are_kept_and_followed_upwards(tmp_path: Path) -> None:
    rows = [row(1, "2010-01-01", "MEDICATION//furosemide"), row(1, "2010-01-01", "LAB//a")]
    write_data(tmp_path / "data/0.parquet", rows)
    furosemide = ["ATC/C03CA", "ATC/C03C"]
    described: list[Row] = [
        {"code": "MEDICATION//furosemide", "description": "water", "parent_codes": furosemide},
        {"code": "ATC/C03CA", "description": "loop", "parent_codes": ["ATC/C03C"]},
        {"code": "ATC/C03C", "description": None, "parent_codes": ["ATC/C03", "ATC/C03CA"]},
        {"code": "of nobody", "description": None, "parent_codes": None},
    ]
    write_metadata(tmp_path, described)
    ingest(tmp_path, tmp_path / "out")
    code = "drug/source/MEDICATION//furosemide"
    assert pq.read_table(tmp_path / "out/codes.parquet").to_pylist() == [
        {"code": "LAB//a", "description": None, "parent_codes": []},
        {"code": code, "description": "water", "parent_codes": furosemide},
    ]
    ancestors = pq.read_table(tmp_path / "out/ancestors.parquet")
    assert [tuple(r.values()) for r in ancestors.to_pylist()] == [
        (code, "drug/source/ATC/C03C", 1, None),
        (code, "drug/source/ATC/C03CA", 1, "loop"),
        (code, "drug/source/ATC/C03", 2, None),
    ]
    # Of one way up the farthest ancestor is the group, whatever its vocabulary.
    assert farthest(ancestors, 2) == {code: "drug/source/ATC/C03"}
    assert group_code("drug/source/ATC/C03") == "drug/group/source/ATC/C03"


# Refusals.


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"patient_id": [1], "events": [[]]}, "MEDS before 0.3"),
        (
            {"subject_id": [1], "code": ["a"]},
            "needs the columns subject_id, time and code, and has",
        ),
        ({"subject_id": ["1"], "time": [at("2010-01-01")], "code": ["a"]}, "a 64-bit integer"),
        ({"subject_id": [1], "time": ["2010-01-01"], "code": ["a"]}, "a timestamp"),
        ({"subject_id": [1], "time": [at("2010-01-01")], "code": [1]}, "have a string"),
        (
            {"subject_id": [1], "time": [at("2010-01-01")], "code": ["a"], "numeric_value": ["1"]},
            "a 32-bit float",
        ),
        (
            {"subject_id": [1], "time": [at("2010-01-01")], "code": ["a"], "visit_id": [0.5]},
            "visit_id holds a value that is no 64-bit integer",
        ),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, table: Row, said: str) -> None:
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table(table), tmp_path / "data/0.parquet")
    with pytest.raises(UserError, match=said) as caught:
        ingest(tmp_path, tmp_path / "out")
    assert "Site mine: " in str(caught.value)
    assert "2010" not in str(caught.value)


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        ingest(tmp_path / "absent", tmp_path / "out")
    with pytest.raises(UserError, match=r"has no data/\*\*/\*\.parquet"):
        ingest(tmp_path, tmp_path / "out")
    write_data(tmp_path / "data/0.parquet", hospital(), hadm_id=pa.int64())
    (tmp_path / "metadata").mkdir()
    pq.write_table(pa.table({"name": ["a"]}), tmp_path / "metadata/codes.parquet")
    with pytest.raises(UserError, match=r"codes\.parquet has no column code"):
        ingest(tmp_path, tmp_path / "out")
    unlisted = pa.table({"code": ["a"], "parent_codes": [1]})
    pq.write_table(unlisted, tmp_path / "metadata/codes.parquet")
    with pytest.raises(UserError, match="are damaged, or not as MEDS has them"):
        ingest(tmp_path, tmp_path / "out")
    (tmp_path / "data/0.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "metadata/codes.parquet").unlink()
    with pytest.raises(UserError, match=r"0\.parquet cannot be read as Parquet"):
        ingest(tmp_path, tmp_path / "out")


def test_a_pattern_has_to_be_one() -> None:
    site = {"source": "meds", "path": "/data", "domains": {"condition": "("}}
    default = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    default["sites"]["mine"] = site
    schema = ROOT / "workflow/schemas/config.schema.yaml"
    with pytest.raises(UserError, match=r"sites/mine/domains/condition: '\(' is no regular"):
        fill_config(default, schema)
    site["domains"] = {"conditions": "a"}
    with pytest.raises(UserError, match="is not one of condition, drug"):
        fill_config(default, schema)


def test_a_site_whose_codes_are_of_no_domain_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row(subject, "2010-01-01", "DIAGNOSIS//a") for subject in range(10)]
    write_data(tmp_path / "data/0.parquet", [*rows, row(1, "2010-01-01", "RARE//a")])
    with caplog.at_level(logging.WARNING):
        ingest(tmp_path, tmp_path / "out", domains={})
    assert "the commonest codes begin with DIAGNOSIS" in caplog.text
    assert "RARE" not in caplog.text


# Phenotypes.


def write_phenotype(path: Path, **keys: Any) -> Path:
    content = {"description": "a", "source": "b", "concepts": [], **keys}
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


def test_phenotypes_find_codes_by_pattern(tmp_path: Path) -> None:
    file = write_phenotype(tmp_path / "hf.yaml", patterns=["^DIAGNOSIS//ICD//9//428", "316139$"])
    named = [
        "condition/316139",
        "condition/source/DIAGNOSIS//ICD//10//I509",
        "condition/source/DIAGNOSIS//ICD//9//4280",
        "condition/source/OLD//DIAGNOSIS//ICD//9//4280",
        "drug/316139",
    ]
    rows = [{"code": code, "description": None, "parent_codes": ["SNOMED/1"]} for code in named]
    codes = pa.Table.from_pylist(rows, schema=tables.CODES)
    phenotype = read_phenotype(file)
    assert qualifying_codes(phenotype, codes) == {named[0], named[2]}
    assert unseen(phenotype, codes) is None


def test_a_pattern_of_a_phenotype_has_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'\[' is no regular expression"):
        read_phenotype(write_phenotype(tmp_path / "a.yaml", patterns=["["]))
    with pytest.raises(UserError, match="nor a pattern"):
        read_phenotype(write_phenotype(tmp_path / "b.yaml", patterns=[]))


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="the third-party records of ../shared/data are absent"
)
def test_a_data_set_that_nobody_here_wrote(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/0.parquet").symlink_to(SHARED / "femr_meds/subjects.parquet")
    patterns = {"condition": "^ICD9CM/", "drug": "^RxNorm/"}
    _, summary = ingest(tmp_path, tmp_path / "out", domains=patterns)
    raw = pq.read_table(tmp_path / "data/0.parquet").to_pandas()
    clinical = raw[raw.code.str.contains("^ICD9CM/|^RxNorm/")]
    days = clinical.assign(day=clinical.time.dt.date).drop_duplicates(["subject_id", "day"])
    assert summary["tables"]["data"] == {"read": len(raw), "kept": len(raw), "dropped": {}}
    assert (summary["persons"], summary["visits"]) == (raw.subject_id.nunique(), len(days))
    sexes = pq.read_table(tmp_path / "out/persons.parquet")["sex"].to_pylist()
    assert sexes.count(8532) == (raw.code == "Gender/F").sum()
