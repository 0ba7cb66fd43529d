"""The same records give the same events in whatever form a site keeps them."""

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from odd_records import DOMAINS, ROWS, write_odd_folder
from omop_site import (
    Row,
    Tables,
    condition,
    ingest,
    person,
    visit,
    write_csv,
    write_database,
    write_folder,
    write_parquet_folder,
)

from visitseq.errors import UserError
from visitseq.ingest.files import list_inputs

TABLES: Tables = {
    "person": [person(1), person(2, 1960, month_of_birth=4)],
    "visit_occurrence": [visit(9, 1, "2010-01-01", "2010-01-02")],
    "condition_occurrence": [
        condition(1, "2010-01-01", visit_occurrence_id=9, condition_source_value='a "b", c'),
        condition(2, "2011-12-31", 0, condition_source_value="428.0"),
    ],
}


def digest(folder: Path) -> str:
    content = [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
    assert len(content) == 6
    return hashlib.sha256(b"".join(content)).hexdigest()


def typed(convert: Any) -> Tables:
    """TABLES with every date converted."""
    return {
        name: [
            {key: convert(value) if key.endswith("_date") else value for key, value in row.items()}
            for row in rows
        ]
        for name, rows in TABLES.items()
    }


def as_float_ids(tables: Tables) -> Tables:
    return {
        name: [
            {key: float(value) if isinstance(value, int) else value for key, value in row.items()}
            for row in rows
        ]
        for name, rows in tables.items()
    }


def as_date(text: str) -> date:
    return date.fromisoformat(text)


def as_number(text: str) -> int:
    return int(text.replace("-", ""))


def as_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def split_files(folder: Path) -> Path:
    """Each table as a folder of part files, the later ones with other column orders."""
    for name, rows in TABLES.items():
        (folder / name.upper()).mkdir(parents=True)
        (folder / name.upper() / "_SUCCESS").touch()
        for number, row in enumerate(rows):
            shuffled = dict(sorted(row.items(), reverse=bool(number)))
            write_csv(folder / name.upper() / f"part-{number}.csv.gz", [shuffled])
    return folder


def tab_delimited(folder: Path) -> Path:
    folder.mkdir()
    for name, rows in TABLES.items():
        upper = [{key.upper(): value for key, value in row.items()} for row in rows]
        write_csv(folder / f"{name.title()}.csv", upper, delimiter="\t")
    # As vocabulary files are: quotation marks stand for themselves.
    path = folder / "Condition_Occurrence.csv"
    path.write_text(path.read_text("utf-8").replace('"a ""b"", c"', 'a "b", c'), "utf-8")
    return folder


FORMS: dict[str, Callable[[Path], Path]] = {
    "csv": lambda path: write_folder(path, TABLES),
    "tab": tab_delimited,
    "parts": split_files,
    "yyyymmdd": lambda path: write_folder(path, typed(as_number)),
    "parquet text": lambda path: write_parquet_folder(path, TABLES),
    "parquet dates": lambda path: write_parquet_folder(path, typed(as_date)),
    "parquet timestamps": lambda path: write_parquet_folder(path, typed(as_time)),
    "parquet integers": lambda path: write_parquet_folder(path, typed(as_number)),
    "parquet floats": lambda path: write_parquet_folder(path, as_float_ids(typed(as_date))),
    "database": lambda path: write_database(path.with_suffix(".duckdb"), TABLES),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_bytes(tmp_path: Path, form: str) -> None:
    ingest(write_folder(tmp_path / "plain", TABLES), tmp_path / "expected")
    ingest(FORMS[form](tmp_path / "given"), tmp_path / "out", threads=2)
    assert digest(tmp_path / "out") == digest(tmp_path / "expected")


def test_odd_records_in_every_form_give_the_same_bytes(tmp_path: Path) -> None:
    places = {
        "parquet": write_odd_folder(tmp_path / "as_parquet"),
        "csv": write_folder(tmp_path / "as_csv", ROWS),
        "database": write_database(tmp_path / "site.duckdb", ROWS),
    }
    for name, place in places.items():
        ingest(place, tmp_path / name, domains=DOMAINS)
    assert len({digest(tmp_path / name) for name in places}) == 1


def test_a_database_schema(tmp_path: Path) -> None:
    path = write_database(tmp_path / "site.duckdb", TABLES, schema="cdm")
    _, summary = ingest(path, tmp_path / "out", schema="CDM")
    assert summary["persons"] == 2
    with pytest.raises(UserError, match="schemas are cdm"):
        ingest(path, tmp_path / "other", schema="main")


def test_carriage_returns_and_a_byte_order_mark(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", TABLES)
    ingest(folder, tmp_path / "expected")
    for path in folder.iterdir():
        text = path.read_text("utf-8").replace("\n", "\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    ingest(folder, tmp_path / "out")
    assert digest(tmp_path / "out") == digest(tmp_path / "expected")


def test_time_zones_and_nanoseconds(tmp_path: Path) -> None:
    times = pa.array([datetime(2010, 1, 1, 23, 30)], pa.timestamp("us", "UTC"))
    for unit in ("us", "ns", "ms"):
        folder = write_parquet_folder(tmp_path / unit, {"person": [person(1)]})
        columns = {
            "person_id": pa.array([1], pa.uint64()),
            "condition_concept_id": pa.array([5], pa.decimal128(18, 0)),
            "condition_start_date": times.cast(pa.timestamp(unit, "UTC")),
            "condition_start_datetime": times.cast(pa.timestamp(unit, "UTC")),
        }
        pq.write_table(pa.table(columns), folder / "condition_occurrence.parquet")
        events, _ = ingest(folder, tmp_path / "out")
        assert (events[-1]["code"], events[-1]["time"]) == (
            "condition/5",
            datetime(2010, 1, 1, 23, 30),
        )


def test_gaps_in_float_ids_are_nulls(tmp_path: Path) -> None:
    """Many rows, so that the engine casts whole vectors at once."""
    rows = 5000
    folder = write_parquet_folder(tmp_path / "omop", {"person": [person(1)]})
    concept = np.where(np.arange(rows) % 3 == 0, np.nan, np.arange(rows))
    columns = {
        "person_id": np.ones(rows),
        "condition_concept_id": concept,
        "condition_start_date": pa.array([date(2010, 1, 1)] * rows),
        "visit_occurrence_id": np.full(rows, np.nan),
    }
    pq.write_table(pa.table(columns), folder / "condition_occurrence.parquet")
    _, summary = ingest(folder, tmp_path / "out")
    counted = summary["tables"]["condition_occurrence"]
    assert counted["dropped"] == {"no_concept": int(np.isnan(concept).sum())}


def test_single_precision_ids_that_may_be_rounded_are_refused(tmp_path: Path) -> None:
    folder = write_parquet_folder(tmp_path / "omop", {"condition_occurrence": [condition(1, "x")]})
    columns = {
        "person_id": pa.array([float(2**24 + 2)], pa.float32()),
        "gender_concept_id": [8507],
        "year_of_birth": [1950],
    }
    pq.write_table(pa.table(columns), folder / "person.parquet")
    expect_error(tmp_path, folder, r"person\.person_id")


def test_part_files_of_unlike_types_keep_large_ids(tmp_path: Path) -> None:
    folder = write_parquet_folder(tmp_path / "omop", {"person": [person(1)]})
    parts = folder / "condition_occurrence.parquet"  # a folder, as Spark writes it
    parts.mkdir()
    large = 2**53 + 1
    for number, concept in enumerate([pa.array([large]), pa.array([None], pa.float64())]):
        columns = {
            "person_id": [1],
            "condition_concept_id": concept,
            "condition_start_date": [date(2010, 1, 1)],
            "condition_source_value": [f"source {number}"],
        }
        pq.write_table(pa.table(columns), parts / f"part-{number}.parquet")
    events, _ = ingest(folder, tmp_path / "out")
    codes = {event["code"] for event in events if event["code"].startswith("condition")}
    assert codes == {f"condition/{large}", "condition/source/source 1"}


def test_values_that_are_no_number_are_null_and_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {
            "person_id": 1,
            "measurement_concept_id": 5,
            "measurement_date": "2010-01-01",
            "value_as_number": value,
        }
        for value in (">100", "7")
    ]
    folder = write_folder(tmp_path / "omop", {"person": [person(1)], "measurement": rows})
    events, _ = ingest(folder, tmp_path / "out")
    assert [event["numeric_value"] for event in events][-2:] == [None, 7.0]
    assert ">100" not in caplog.text


def test_a_file_without_a_byte_is_absent(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "omop", TABLES)
    (folder / "death.csv").touch()
    _, summary = ingest(folder, tmp_path / "out")
    assert "death" not in summary["tables"]


def test_null_rows_and_header_only_tables_do_no_harm(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "omop", TABLES)
    (folder / "drug_exposure.csv").write_text(
        "person_id,drug_concept_id,drug_exposure_start_date\n", "utf-8"
    )
    (folder / "death.csv").write_text("person_id,death_date\n,\n", "utf-8")
    _, summary = ingest(folder, tmp_path / "out")
    assert summary["tables"]["drug_exposure"] == {"read": 0, "kept": 0, "dropped": {}}
    assert summary["tables"]["death"] == {"read": 1, "kept": 0, "dropped": {"unknown_person": 1}}


def expect_error(tmp_path: Path, folder: Path, match: str, **site: Any) -> str:
    with pytest.raises(UserError, match=match) as caught:
        ingest(folder, tmp_path / "out", **site)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    rows: list[Row] = [{"person_id": 1, "condition_concept_id": 2}]
    folder = write_folder(tmp_path / "omop", {"person": [person(1)], "condition_occurrence": rows})
    expect_error(tmp_path, folder, "condition_occurrence.*condition_start_date is missing")


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    folder = write_parquet_folder(tmp_path / "omop", TABLES)
    path = folder / "CONDITION_OCCURRENCE.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    expect_error(tmp_path, folder, "table condition_occurrence")


def test_a_truncated_archive_is_an_error(tmp_path: Path) -> None:
    folder = split_files(tmp_path / "omop")
    path = folder / "CONDITION_OCCURRENCE/part-0.csv.gz"
    path.write_bytes(path.read_bytes()[:-12])
    expect_error(tmp_path, folder, "part-0.csv.gz broke off")


def test_a_ragged_row_is_not_shown(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "omop", TABLES)
    path = folder / "condition_occurrence.csv"
    path.write_text(path.read_text("utf-8") + "1,secret,2010-01-01,a,b,c,d,e\n", "utf-8")
    assert "secret" not in expect_error(tmp_path, folder, "malformed")


def test_a_quotation_that_does_not_end_swallows_no_rows(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "omop", TABLES)
    path = folder / "condition_occurrence.csv"
    header, *rows = path.read_text("utf-8").splitlines()
    lines = [f"{header},note", f'{rows[0]},"secret', *(f"{row},x" for row in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    assert "secret" not in expect_error(tmp_path, folder, "malformed")


def test_rows_between_two_quotation_marks_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [condition(1, "2010-01-01", condition_source_value=text) for text in ("a", "b")]
    folder = write_folder(tmp_path / "omop", {"person": [person(1)], "condition_occurrence": rows})
    path = folder / "condition_occurrence.csv"
    content = path.read_text("utf-8").replace(",a", ',"secret').replace(",b", ',b"')
    path.write_text(content, "utf-8")
    with caplog.at_level("WARNING"):
        ingest(folder, tmp_path / "out")
    (line,) = caplog.messages
    assert "condition_occurrence.condition_source_value holds a line break in 1 rows" in line
    assert "secret" not in line


def test_absent_columns_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [condition(1, "2010-01-01", visit_id=3)]
    folder = write_folder(tmp_path / "omop", {"person": [person(1)], "condition_occurrence": rows})
    with caplog.at_level("INFO"):
        ingest(folder, tmp_path / "out")
    (line,) = [text for text in caplog.messages if "columns of condition_occurrence" in text]
    assert "that are absent: visit_occurrence_id, condition_start_datetime" in line


def test_places_that_hold_no_site(tmp_path: Path) -> None:
    section = {"domains": ["condition"]}
    with pytest.raises(UserError, match="does not exist"):
        list_inputs("mine", section | {"path": str(tmp_path / "nowhere")})
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(UserError, match="no table person"):
        list_inputs("mine", section | {"path": str(folder)})
    write_csv(folder / "person.csv", [person(1)])
    with pytest.raises(UserError, match="none of the event tables condition_occurrence"):
        list_inputs("mine", section | {"path": str(folder)})
    with pytest.raises(UserError, match="neither a folder nor"):
        list_inputs("mine", section | {"path": str(folder / "person.csv")})


def test_a_table_in_two_formats_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "omop", TABLES)
    pq.write_table(pa.table({"person_id": [1]}), folder / "person.parquet")
    expect_error(tmp_path, folder, "more than once or in two formats")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "site.duckdb"
    path.write_text("no database", "utf-8")
    expect_error(tmp_path, path, "cannot be opened as a DuckDB database")


def test_inputs_are_the_files_of_the_tables_that_are_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "omop", {**TABLES, "drug_exposure": [{"person_id": 1}]})
    (folder / "notes.csv").touch()
    found = list_inputs("mine", {"path": str(folder), "domains": ["condition"]})
    assert [path.name for path in found] == [
        "person.csv",
        "visit_occurrence.csv",
        "condition_occurrence.csv",
    ]
