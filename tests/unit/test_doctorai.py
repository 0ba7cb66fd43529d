"""Doctor AI's released format: out, in, back again, and what is refused."""

import io
import json
import logging
import math
import pickle
import pickletools
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from arrow_visits import Row, write_histories, write_vocabulary
from next_visits import CODES, FOLD, PARTS

from visitseq import tables
from visitseq.cohort.population import build_population
from visitseq.encode import encode_targets
from visitseq.encode.histories import read_histories
from visitseq.errors import UserError
from visitseq.export import write_doctorai
from visitseq.ingest import ingest_doctorai, restricted_pickle
from visitseq.ingest.released_files import released_files
from visitseq.ingest.restricted_pickle import read_times, read_types, read_visits

SITE = {"source": "doctorai", "types": None, "vocabulary": None, "records": "synthetic"}


def patients(n: int = 60) -> list[Row]:
    draw = np.random.default_rng(1)
    rows = []
    for subject in range(n):
        sizes = draw.integers(1, 5, size=int(draw.integers(2, 7)))
        visits = [sorted(draw.choice(CODES, size, replace=False).tolist()) for size in sizes]
        gaps = draw.integers(1, 300, size=len(visits)).astype(float)
        to_index = np.cumsum(gaps)[::-1].tolist()
        rows.append(Row(visits, None, subject % PARTS, to_index, subject_id=subject))
    return rows


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(patients(), tmp_path_factory.mktemp("exported"))


def export(rows: Sequence[Row], folder: Path) -> Path:
    written = {
        name: write_vocabulary(rows, CODES, PARTS, folder / f"{name}.parquet")
        for name in ("vocabulary", "labels")
    }
    visits = write_histories(rows, folder / "visits.arrow")
    write_doctorai(visits=visits, **written, fold=FOLD, parts=PARTS, folder=folder / "out")
    return folder / "out"


def dump(content: Any, path: Path, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


# Export.


def test_each_part_is_a_list_of_patients_as_the_released_code_reads_it(exported: Path) -> None:
    parts = {"test": [FOLD], "valid": [FOLD + 1], "train": [0, 1, 4, 5, 6]}
    for ending, own in parts.items():
        rows = [row for row in patients() if row.part in own]
        read = {
            name: pickle.loads((exported / f"{name}.{ending}").read_bytes())
            for name in ("visits", "labels", "times")
        }
        assert read["visits"] == read["labels"] == [row.visits for row in rows]
        assert read["times"] == [row.days for row in rows]
        assert {type(day) for days in read["times"] for day in days} == {int}
        assert all(days[0] == 0 for days in read["times"])
    types = pickle.loads((exported / "visits.types").read_bytes())
    assert types == {f"condition/{code}": code for code in range(CODES)}


def test_python_2_reads_every_file(exported: Path) -> None:
    """Protocol 2, and nothing in it but lists, dictionaries, strings and numbers."""
    files = sorted(exported.iterdir())
    assert len(files) == 11
    for file in files:
        steps = [step.name for step, _, _ in pickletools.genops(file.read_bytes())]
        assert max(step.proto for step, _, _ in pickletools.genops(file.read_bytes())) == 2
        assert not {"GLOBAL", "REDUCE", "BUILD", "NEWOBJ"} & set(steps)


def test_the_same_visits_are_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    again = export(patients(), tmp_path)
    assert all(f.read_bytes() == (again / f.name).read_bytes() for f in exported.iterdir())


def test_the_log_has_the_mean_that_the_test_script_asks_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        export(patients(), tmp_path)
    training = [row for row in patients() if row.part not in (FOLD, FOLD + 1)]
    mean = np.concatenate([row.days[1:] for row in training]).mean()
    assert f"--mean_duration {mean:.6f}" in caplog.text


# Import.


def ingest(folder: Path, **site: Any) -> Path:
    ingest_doctorai(name="old", site={**SITE, **site}, folder=folder)
    return folder


def test_two_patients_by_hand(tmp_path: Path) -> None:
    visits = [[[2, 0, 2], [1]], [], [[1], [], [0]]]
    site = {
        "path": dump(visits, tmp_path / "mimic.seqs"),
        "times": dump([[0, 15], [], [0, 0.25, 400.5]], tmp_path / "mimic.times"),
        "types": dump({"D_428.0": 0, "drug/source/C03": 1, " 7 ": 2}, tmp_path / "mimic.types"),
    }
    out = ingest(tmp_path / "out", **{key: str(path) for key, path in site.items()})
    start = datetime(2000, 1, 1)
    rows = [tuple(row.values()) for row in pq.read_table(out / "events.parquet").to_pylist()]
    third = start + timedelta(days=400.75)
    assert rows == [
        (1, start, "condition/source/7", None, 1, "7"),
        (1, start, "condition/source/D_428.0", None, 1, "428.0"),
        (1, start, "visit/0", None, 1, None),
        (1, start + timedelta(days=15), "drug/source/C03", None, 2, None),
        (1, start + timedelta(days=15), "visit/0", None, 2, None),
        (3, start, "drug/source/C03", None, 3, None),
        (3, start, "visit/0", None, 3, None),
        (3, start + timedelta(hours=6), "visit/0", None, 4, None),
        (3, third, "condition/source/D_428.0", None, 5, "428.0"),
        (3, third, "visit/0", None, 5, None),
    ]
    persons = pq.read_table(out / "persons.parquet").to_pylist()
    assert [person["last_event"] for person in persons] == [rows[4][1], None, third]
    assert {person["birth_date"] for person in persons} == {None}
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert {key: summary[key] for key in ("persons", "visits", "events", "last_year")} == {
        **{"persons": 3, "visits": 5, "events": 10},
        "last_year": 2001,
    }
    assert (summary["same_day"], summary["empty"]) == (1, 1)
    assert summary["tables"]["codes"] == {"read": 6, "kept": 5, "dropped": {"duplicate": 1}}
    named = ingest(tmp_path / "named", **{k: str(p) for k, p in site.items()}, vocabulary="ICD9CM")
    sources = pq.read_table(named / "events.parquet")["source_code"].to_pylist()
    assert set(sources) == {"ICD9CM/7", "ICD9CM/428.0", None}


def test_it_keeps_the_contracts_of_stage_1(exported: Path, tmp_path: Path) -> None:
    out = ingest(tmp_path, path=str(exported / "visits"), times=str(exported / "times"))
    for name in ("events", "persons", "observation_periods", "codes", "ancestors"):
        schema = pq.read_schema(out / f"{name}.parquet")
        assert schema.equals(getattr(tables, name.upper())), name
    events = pq.read_table(out / "events.parquet")
    keys = [(row["subject_id"], row["time"], row["code"].encode()) for row in events.to_pylist()]
    assert keys == sorted(keys)
    codes = pq.read_table(out / "codes.parquet")["code"].to_pylist()
    assert codes == sorted(set(events["code"].to_pylist()))


def test_out_and_in_again_are_the_same_visits_and_gaps(exported: Path, tmp_path: Path) -> None:
    """Through the cohort and the encoding, as any site's; without types numbers are the names."""
    for types in (str(exported / "visits.types"), None):
        folder = tmp_path / str(types is None)
        site = {"path": str(exported / "visits"), "times": str(exported / "times")}
        ingest(folder, **site, types=types)
        cohort = {"kind": "all", "min_visits": 2, "persons": None}
        build_population(
            site="old",
            name="everyone",
            cohort=cohort,
            events=folder / "events.parquet",
            persons=folder / "persons.parquet",
            folder=folder / "cohort",
            seed=0,
            parts=PARTS,
        )
        encode_targets(
            task={"kind": "next_visit", "labels": ["condition"], "rollup": "none", "level": 2},
            encoding={
                **{"vocabulary": "codes", "sequence": "visit", "level": 2},
                "domains": ["condition", "drug", "procedure"],
            },
            cohort=folder / "cohort/cohort.parquet",
            **{name: folder / f"{name}.parquet" for name in ("events", "codes", "ancestors")},
            folder=folder / "encoded",
            parts=PARTS,
        )
        histories = read_histories(folder / "encoded/visits.arrow")
        names = pq.read_table(folder / "encoded/vocabulary.parquet")["code"].to_pylist()
        found = [names[code] for code in histories.codes.tolist()]
        numbers = [int(name.rpartition("/")[2]) for name in found]
        assert {name.rpartition("/")[0] for name in found} == {
            "condition/source" if types is None else "condition"
        }
        rank = {FOLD + 1: 1, FOLD: 2}  # the training file is read first, the test file last
        order = sorted(patients(), key=lambda row: rank.get(row.part, 0))
        offsets = histories.code_offsets.tolist()
        visits = [sorted(numbers[first:end]) for first, end in pairwise(offsets)]
        assert visits == [visit for row in order for visit in row.visits]
        assert histories.days.tolist() == [day for row in order for day in row.days]
        assert histories.lengths.tolist() == [len(row.visits) for row in order]


# What is refused.


class Planted:
    """Leaves a mark if it is ever called."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("read", [read_visits, read_times, read_types])
@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_run(tmp_path: Path, read: Any, protocol: int) -> None:
    mark = tmp_path / "mark"
    content = [[[Planted(mark)]]]
    path = dump(content, tmp_path / "bad", protocol)
    with pytest.raises(UserError, match=r"no pickle of plain lists and numbers.*nothing of it was"):
        read(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists()  # so it would have been


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02\x82\x01.",  # an extension
        b"Pid\n.",  # a persistent id
        b"\x80\x02]q\x00(K\x01",  # broken off
        b"",
        b"patient,visit,code\n1,2,3\n",
    ],
)
def test_other_pickles_and_other_files_are_refused_in_one_way(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is no pickle of plain lists and numbers, or broke off"):
        read_visits(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, "1 of 1 entries is no list of patients"),
        ([[[1]], [2], [[3], 4]], "2 of 4 entries are no list of codes .the first is number 2"),
        ([[[1]], 5], "1 of 2 entries is no list of visits .the first is number 2"),
        ([[[[1]]]], "1 of 1 codes are not each a whole number"),
        ([[[1, "428.0", 2.0, True]]], "3 of 4 codes are not each a whole number .*is number 2"),
        ([[[3, -1]]], "below 0"),
        ([[[2**31]]], "above 2147483647"),
        ([[(1, 2)]], "no list of codes"),
        ([[[np.int64(4)]]], "of NumPy write array.tolist"),
        ([np.array([[1]])], "of NumPy write array.tolist"),
        ([[{1, 2}]], "nothing of it was run|no list of codes"),
    ],
)
def test_what_is_wrong_in_a_visit_file_is_counted(
    tmp_path: Path, content: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_visits(dump(content, tmp_path / "bad"))


def test_a_small_file_that_unfolds_to_more_than_memory_is_refused(tmp_path: Path) -> None:
    visit = [1] * 3000
    patient = [visit] * 3000
    path = dump([patient] * 3000, tmp_path / "bomb")  # 27,000,000,000 codes
    assert path.stat().st_size < 50_000
    before = time.perf_counter()
    with pytest.raises(UserError, match="unfolds to 9000000 visits, more than it has bytes"):
        read_visits(path)
    assert time.perf_counter() - before < 5


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]r\x00\x00\x00\x08.",  # LONG_BINPUT 2^27
        b"]p134217728\n.",  # PUT
        b"\x80\x02]q\xff.",  # BINPUT
        b"\x80\x05\x96\x00\x00\x00\x00\x40\x00\x00\x00.",  # a bytearray of 2^38
    ],
)
def test_a_step_that_asks_for_memory_without_need_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """The first of these, 8 bytes, has the unpickler make room for 2 GB."""
    taken = []
    monkeypatch.setattr(restricted_pickle, "_Plain", lambda *_, **__: taken.append(1))
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is no pickle of plain lists and numbers"):
        read_visits(path)
    assert not taken


@pytest.mark.parametrize("protocol", range(6))
def test_what_points_to_a_list_again_is_read(tmp_path: Path, protocol: int) -> None:
    visit = [7, 300, 70000]
    visits = [[visit, [1]], [visit], *([[n]] for n in range(300))]
    assert read_visits(dump(visits, tmp_path / "visits", protocol)) == visits


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_what_python_2_wrote_is_read(tmp_path: Path, protocol: int) -> None:
    visits = [[[5, 70000], [0]], [[1]]]
    assert read_visits(dump(visits, tmp_path / "visits", protocol)) == visits
    assert read_times(dump([[0, 1.5]], tmp_path / "times", protocol)) == [[0, 1.5]]
    # Python 2: protocol 2 of {'D_401.9': 0}, whose str are bytes.
    (tmp_path / "types").write_bytes(b"\x80\x02}q\x01U\x07D_401.9q\x02K\x00s.")
    assert read_types(tmp_path / "types") == {"D_401.9": 0}
    # Protocol 0 of {'caf\xe9': 0}.
    (tmp_path / "text").write_bytes(b"(dp1\nS'caf\\xe9'\np2\nI0\ns.")
    assert read_types(tmp_path / "text") == {"caf\xe9": 0}
    long = io.BytesIO()
    long.write(b"\x80\x02]q\x00]q\x01]q\x02L5L\naaa.")  # a long
    (tmp_path / "long").write_bytes(long.getvalue())
    assert read_visits(tmp_path / "long") == [[[5]]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([["a"]], "no dictionary"),
        ({"a": 1, "b": 1}, "1 codes have the number of another"),
        ({"a": 1.0}, "1 of 1 numbers are not each a whole number"),
        ({1: 1}, "1 of 1 names are not each a string"),
        ({"\ud800": 1}, "half a character"),
    ],
)
def test_what_is_wrong_in_a_types_file(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_types(dump(content, tmp_path / "bad"))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([[0, 1]], "has 1 patients and .* has 2"),
        ([[0, 1], [0, 1]], "1 of 2 patients have not as many visits .*first is number 2"),
        ([[0, 1], [3]], "1 of 2 patients have days before their first visit"),
        ([[0, -1], [0]], "1 of 2 patients have days below 0"),
        ([[0, math.nan], [0]], "or no number"),
        ([[0, math.inf], [0]], "or no number"),
        ([[0, 60000], [0]], "above 54788"),
        ([[0, 10**400], [0]], "a time is beyond 2147483647"),
        ([[0, -(10**400)], [0]], "a time is beyond 2147483647"),
    ],
)
def test_times_that_do_not_fit_the_visits(tmp_path: Path, times: Any, message: str) -> None:
    site = {
        "path": str(dump([[[1], [2]], [[3]]], tmp_path / "visits")),
        "times": str(dump(times, tmp_path / "times")),
    }
    with pytest.raises(UserError, match=message):
        ingest(tmp_path / "out", **site)


def test_a_code_without_a_name_is_refused(tmp_path: Path) -> None:
    site = {
        "path": str(dump([[[1], [2]]], tmp_path / "visits")),
        "times": str(dump([[0, 3]], tmp_path / "times")),
        "types": str(dump({"401.9": 1}, tmp_path / "types")),
    }
    with pytest.raises(UserError, match="no name for 1 of the 2 code numbers"):
        ingest(tmp_path / "out", **site)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    site = {**SITE, "path": str(tmp_path / "visits"), "times": str(tmp_path / "times")}
    with pytest.raises(UserError, match=r"Site old: path .* is no file"):
        released_files("old", site)
    for ending in ("train", "test"):
        dump([], tmp_path / f"visits.{ending}")
    dump([], tmp_path / "times.train")
    with pytest.raises(UserError, match=r"are 2 files and .* are 1"):
        released_files("old", site)
    dump([], tmp_path / "times.test")
    assert [file.name for file in released_files("old", site).every] == [
        *("visits.train", "visits.test"),
        *("times.train", "times.test"),
    ]
    with pytest.raises(UserError, match=r"Site old: types .* is no file"):
        released_files("old", {**site, "types": str(tmp_path / "types")})
