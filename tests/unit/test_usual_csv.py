"""CSV that Arrow casts: the same values as the casts by SQL give, or no values at all."""

import gzip
import re
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omop_site import Row, person, write_csv

from visitseq.engine import connect
from visitseq.ingest import csv_casts
from visitseq.ingest.files import TableFiles
from visitseq.ingest.typed import open_tables
from visitseq.ingest.usual_csv import cast_usual

USUAL = {
    "person_id": "1",
    "visit_occurrence_id": "-12",
    "measurement_concept_id": "3",
    "measurement_date": "2010-12-31",
    "measurement_datetime": "2010-12-31 13:45:01.25",
    "measurement_source_value": "x",
    "measurement_source_concept_id": "",
    "value_as_number": "-1.5e3",
}
COLUMNS = list(USUAL)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n", "utf-8", newline="")
    return path


def line(**other: str) -> str:
    return ",".join({**USUAL, **other}.values())


NOTED = line(note="x")


def by_arrow(path: Path) -> list[Row] | None:
    """Rows as Arrow casts them, None where it does not."""
    target = path.parent / "arrow" / "measurement.parquet"
    target.parent.mkdir(exist_ok=True)
    files = {"measurement": TableFiles("csv", (path,))}
    if not cast_usual(files, {"measurement": target}, threads=1):
        return None
    rows: list[Row] = pq.read_table(target).to_pylist()
    return rows


def by_sql(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Row] | None:
    """Rows as the SQL casts them, None where it refuses."""
    write_csv(path.parent / "person.csv", [person(1)])
    with monkeypatch.context() as patch, connect() as connection:
        patch.setattr(csv_casts, "cast_usual", lambda *_: set())
        place, scratch = str(path.parent), path.parent / "arrow"
        try:
            open_tables(connection, "mine", place, "main", ["measurement"], scratch=scratch)
        except duckdb.Error:
            return None
        table = connection.sql(f"SELECT {', '.join(COLUMNS)} FROM measurement").to_arrow_table()
    rows: list[Row] = table.to_pylist()
    return rows


def test_usual_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line(), line(measurement_source_value=" a b\t", value_as_number="NaN"), line()]
    path = write(tmp_path / "measurement.csv", *lines)
    found = by_arrow(path)
    assert found is not None
    assert [row["measurement_source_value"] for row in found] == ["x", "a b", "x"]
    assert [row["value_as_number"] for row in found] == [-1500, None, -1500]
    assert found == by_sql(path, monkeypatch)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("visit_occurrence_id", "12.0"),
        ("visit_occurrence_id", "9223372036854775808"),
        ("visit_occurrence_id", "one"),
        ("measurement_date", "20101231"),
        ("measurement_date", "2010-02-30"),
        ("measurement_date", "infinity"),
        ("measurement_datetime", "2010-12-31 13:45:01+02"),
        ("value_as_number", "1_0"),
        ("measurement_source_value", '"a ""b"""'),
        ("measurement_source_value", ' "a"'),
        ("measurement_source_value", "a,b"),
        ("measurement_source_value", '"a'),
    ],
)
def test_what_is_not_usual_is_left_to_sql(tmp_path: Path, column: str, text: str) -> None:
    path = write(tmp_path / "measurement.csv", line(), line(**{column: text}))
    assert by_arrow(path) is None


@pytest.mark.parametrize(
    "text",
    [
        f"{NOTED}\n{line(note=chr(34))}\n{NOTED}\n",  # never ends
        f"{line(note=chr(34))}\n{NOTED}\n{line(note=chr(34))}\n",  # ends two rows later
        f"{NOTED}\n{line(note=chr(34) + 'a')}",  # broke off
        f"{line(note=chr(34) + 'a' + chr(10) + 'b' + chr(34))}\n",  # a line end inside
        f"{NOTED}\n\n{NOTED}\n",  # an empty line
        f"{NOTED}\r{NOTED}\n",
        f"{NOTED}\r{NOTED}\r",
    ],
)
def test_what_may_have_swallowed_rows_is_left_to_sql(tmp_path: Path, text: str) -> None:
    path = tmp_path / "measurement.csv"
    path.write_text(f"{','.join([*COLUMNS, 'note'])}\n{text}", "utf-8", newline="")
    assert by_arrow(path) is None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_usual_lines(tmp_path: Path, end: str, last: bool, compressed: bool) -> None:
    rows = [line(note='"a, b"'), line(note='""'), line(note="x")]
    lines = [",".join([*COLUMNS, "note"]), *rows]
    content = (end.join(lines) + end * last).encode()
    path = tmp_path / ("measurement.csv.gz" if compressed else "measurement.csv")
    path.write_bytes(gzip.compress(content) if compressed else content)
    found = by_arrow(path)
    assert found is not None
    assert len(found) == 3


def test_no_two_columns_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "measurement.csv"
    path.write_text(f"{','.join(COLUMNS)},Person_ID\n{line()},2\n", "utf-8")
    assert by_arrow(path) is None


DIGITS = st.text("0123456789-+.eEx_ ", max_size=6)
CLOCKS = st.text("0123456789:. TZ+-", max_size=10)
KNOWN = {  # what Arrow takes and the SQL does not
    "visit_occurrence_id": re.compile(r" *-?0[xX][0-9a-fA-F]+ *"),
    "measurement_source_value": re.compile(r'"(?:[^"]|"")*".+'),
    "measurement_datetime": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}"),
}


DAYS = CLOCKS.map("2010-12-31{}".format) | CLOCKS
CELLS = {
    "visit_occurrence_id": DIGITS,
    "measurement_date": DAYS,
    "measurement_datetime": DAYS,
    "measurement_source_value": st.text(' a"é\t', max_size=5),
    "value_as_number": DIGITS | st.sampled_from(["inf", "-inf", "nan", "1f"]),
}


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.parametrize("column", CELLS)
@given(data=st.data())
def test_either_way_the_same_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, data: st.DataObject
) -> None:
    text = data.draw(CELLS[column])
    path = write(tmp_path / "measurement.csv", line(**{column: text}))
    found = by_arrow(path)
    if found is None:
        return
    known = KNOWN.get(column)
    if known is not None and known.fullmatch(text):
        return
    assert found == by_sql(path, monkeypatch)


def test_numbers_are_rounded_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(5)
    numbers = draw.normal(size=500) * 10.0 ** draw.integers(-44, 38, 500)
    lines = [line(value_as_number=repr(float(number))) for number in numbers]
    path = write(tmp_path / "measurement.csv", *lines)
    assert by_arrow(path) == by_sql(path, monkeypatch)
