"""What is wrong inside a file is said without a value of it, in the log and in any traceback."""

import datetime as dt
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omop_site import Row, Tables, condition, person, write_database, write_folder

from visitseq.errors import UserError
from visitseq.ingest import ingest_meds, ingest_site

#: Planted in the row that is wrong; no part of any path.
SECRET = "Mallory4711"


def tables(**other: object) -> Tables:
    secret: Row = {"condition_source_value": SECRET}
    row = condition(1, "2010-01-01", 5, **secret)
    return {"person": [person(1)], "condition_occurrence": [{**row, **other}]}


def append(folder: Path, line: bytes) -> None:
    path = write_folder(folder, tables()) / "condition_occurrence.csv"
    path.write_bytes(path.read_bytes() + line)


def broken(path: Path, table: pa.Table) -> None:
    """Write a Parquet file whose footer is whole and whose pages are not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="none")
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(content[:4] + b"\xff" * (footer - 4) + content[footer:])


def broken_parquet(folder: Path) -> None:
    write_folder(folder, {"person": [person(1)]})
    rows = list(tables()["condition_occurrence"])
    broken(folder / "condition_occurrence.parquet", pa.Table.from_pylist(rows))


def meds_data(**other: object) -> pa.Table:
    row = {"subject_id": 1, "time": dt.datetime(2010, 1, 1), "code": SECRET, **other}
    return pa.Table.from_pylist([row])


def meds(folder: Path, data: pa.Table) -> None:
    (folder / "data").mkdir(parents=True)
    pq.write_table(data, folder / "data/0.parquet")


def broken_metadata(folder: Path) -> None:
    meds(folder, meds_data())
    codes = pa.table({"code": [SECRET], "description": [SECRET], "parent_codes": [[SECRET]]})
    broken(folder / "metadata/codes.parquet", codes)


def metadata_that_is_no_text(folder: Path) -> None:
    meds(folder, meds_data())
    (folder / "metadata").mkdir()
    codes = pa.table({"code": pa.array([SECRET.encode() + b"\xff"], pa.binary())})
    pq.write_table(codes, folder / "metadata/codes.parquet")


BAD: dict[str, Callable[[Path], object]] = {
    "csv_ragged": lambda folder: append(folder, f"1,5,2010-01-01,{SECRET},{SECRET}\n".encode()),
    "csv_bytes": lambda folder: append(folder, f"1,5,2010-01-01,{SECRET}".encode() + b"\xff\n"),
    "csv_id": lambda folder: write_folder(folder, tables(person_id=SECRET)),
    "csv_date": lambda folder: write_folder(folder, tables(condition_start_date=SECRET)),
    "omop.duckdb": lambda path: write_database(path, tables(condition_start_date=SECRET)),
    "parquet_pages": broken_parquet,
    "meds_pages": lambda folder: broken(folder / "data/0.parquet", meds_data()),
    "meds_visit": lambda folder: meds(folder, meds_data(visit_id=4711.5)),
    "meds_type": lambda folder: meds(folder, meds_data(subject_id=SECRET)),
    "meds_codes_pages": broken_metadata,
    "meds_codes_text": metadata_that_is_no_text,
}

MEDS_KEYS: Row = {"sex_codes": {}, "latest_date": None}
SCRIPT = """
import sys
from pathlib import Path
from visitseq.ingest import ingest_meds, ingest_site
from visitseq.job import job
for path in sys.argv[2:]:
    is_meds = Path(path).name.startswith("meds")
    read, domains = (ingest_meds, {}) if is_meds else (ingest_site, ["condition"])
    site = {"path": path, "domains": domains, "sex_codes": {}, "latest_date": None}
    try:
        with job(f"{path}.log"):
            read(name="mine", site=site, folder=Path(sys.argv[1]))
    except SystemExit:
        pass
"""


def test_a_traceback_has_no_value_of_a_row(tmp_path: Path) -> None:
    for name, write in BAD.items():
        write(tmp_path / name)
        is_meds = name.startswith("meds")
        read, domains = (ingest_meds, {}) if is_meds else (ingest_site, ["condition"])
        section = {"path": str(tmp_path / name), "domains": domains}
        with pytest.raises(UserError) as caught:
            read(name="mine", site={**section, **MEDS_KEYS}, folder=tmp_path / "out")
        shown = "".join(traceback.format_exception(caught.value))
        assert "Site mine" in shown
        assert "4711" not in shown, name


def test_neither_the_log_of_a_job_nor_its_stderr_has_one(tmp_path: Path) -> None:
    for name, write in BAD.items():
        write(tmp_path / name)
    places = [str(tmp_path / name) for name in ("out", *BAD)]
    command = [sys.executable, "-c", SCRIPT, *places]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    logs = "".join(path.read_text("utf-8") for path in tmp_path.glob("*.log"))
    for shown in (done.stdout + done.stderr, logs):
        assert "4711" not in shown
        assert "Traceback" not in shown
    for lines in (done.stderr, logs):
        assert lines.count("ERROR visitseq: Site mine") == len(BAD)
