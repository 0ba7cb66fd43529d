"""Read records in the format of Doctor AI's released code into the tables of stage 1.

A patient is a list of visits, a visit a list of code numbers, and beside it stand the days since
the visit before, 0 at the first (github.com/mp2893/doctorai, README). Of days and persons nothing
else is known, so this is made up, and always the same way:

    persons      numbered from 1 in the order of the files; no birth, sex, race or death
    days         the first visit of everybody begins on 1 January 2000, the others follow by their
                 gaps: nothing may be read from a date but the days between visits
    codes        ``condition/source/<name>`` by the types file, or without one by number; a name
                 that begins with a domain (``drug/source/C03CA01``) stands as it is

``source_code`` is the name without the ``D_`` that process_mimic.py puts before ICD-9 codes, after
the site's ``vocabulary`` if it names one. Visits that begin on one day are one from stage 2 on, as
everywhere; how many there are, and how many hold no code, is counted.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.errors import UserError
from visitseq.ingest.released_files import released_files
from visitseq.ingest.restricted_pickle import read_times, read_types, read_visits
from visitseq.tables import ANCESTORS, CODES, EVENTS, OBSERVATION_PERIODS, PERSONS, write_parquet

log = logging.getLogger(__name__)

Integers = npt.NDArray[np.int64]

#: When everybody's first visit begins.
ORIGIN = np.datetime64("2000-01-01", "us")
_DAY = 86_400_000_000  # microseconds
#: No record is longer: 150 years.
_LONGEST = 54_788

_DOMAINS = ("condition", "drug", "procedure", "measurement", "observation")
_VISIT = "visit/0"


class Record(NamedTuple):
    """All patients' visits as flat arrays.

    Attributes
    ----------
    patient, start
        Patient of each visit, from 0, and its start in microseconds since the patient's first,
        shape (visits,).
    visit, code
        Visit of each code, from 0, and its number, shape (codes,).
    patients
        How many there are, those without a visit included.
    """

    patient: Integers
    start: Integers
    visit: Integers
    code: Integers
    patients: int


def ingest_doctorai(*, name: str, site: Mapping[str, Any], folder: Path) -> None:
    """Read site ``name`` and write the files that ``ingest_site`` writes.

    Parameters
    ----------
    name
        The site's name, for messages.
    site
        Its filled section of the configuration: path, times, types, vocabulary.
    folder
        Gets events.parquet, persons.parquet, observation_periods.parquet (without rows),
        codes.parquet, ancestors.parquet (without rows) and summary.json, whose tables are patients,
        visits and codes; ``same_day`` counts the visits that begin on the day of the one before,
        ``empty`` those without a code.

    Raises
    ------
    UserError
        The files are no pickles of that format, or do not fit together.
    """
    found = released_files(name, site)
    pairs = zip(found.visits, found.times, strict=True)
    record = _join([_read(*pair) for pair in pairs])
    names = read_types(found.types) if found.types else {}
    numbers, places = np.unique(record.code, return_inverse=True)
    codes, sources = _names(numbers, names, found.types, site["vocabulary"])
    events, duplicates = _events(record, places.astype(np.int64), codes, sources)
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(events, folder / "events.parquet")
    write_parquet(_persons(record), folder / "persons.parquet")
    write_parquet(_codes(events), folder / "codes.parquet")
    write_parquet(OBSERVATION_PERIODS.empty_table(), folder / "observation_periods.parquet")
    write_parquet(ANCESTORS.empty_table(), folder / "ancestors.parquet")
    summary = _summary(record, events, duplicates)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    log.info(
        "site %s: %d persons, %d visits (%d on the day of the one before, %d without a code), "
        "%d events",
        name,
        *(summary[key] for key in ("persons", "visits", "same_day", "empty", "events")),
    )


def _read(visits: Path, times: Path) -> Record:
    """Read a visit file and its time file."""
    patients, days = read_visits(visits), read_times(times)
    lengths, own = (np.array([len(each) for each in lists], int) for lists in (patients, days))
    if len(lengths) != len(own):
        raise UserError(
            f"{times} has {len(own)} patients and {visits} has {len(lengths)}. They must be the "
            "same patients in the same order."
        )
    _refuse(lengths != own, visits, f"have not as many visits as {times} has times")
    starts = _starts(np.fromiter(chain.from_iterable(days), float), lengths, times)
    sizes = np.array([len(visit) for visit in chain.from_iterable(patients)], int)
    codes = chain.from_iterable(chain.from_iterable(patients))
    return Record(
        patient=np.repeat(np.arange(len(lengths)), lengths),
        start=starts,
        visit=np.repeat(np.arange(len(sizes)), sizes),
        code=np.fromiter(codes, np.int64),
        patients=len(lengths),
    )


def _starts(gaps: npt.NDArray[np.float64], lengths: Integers, times: Path) -> Integers:
    """Microseconds from each patient's first visit to every visit, shape (visits,)."""
    firsts = (np.cumsum(lengths) - lengths)[lengths > 0]
    patient = np.repeat(np.arange(len(lengths)), lengths)
    wrong = np.zeros(len(lengths), dtype=bool)
    wrong[patient[~((gaps >= 0) & (gaps <= _LONGEST))]] = True
    _refuse(wrong, times, f"have days below 0 or above {_LONGEST}, or no number")
    wrong[patient[firsts[gaps[firsts] != 0]]] = True
    _refuse(wrong, times, "have days before their first visit, where there must be 0")
    total = np.cumsum(np.rint(gaps * _DAY).astype(np.int64))
    starts: Integers = total - np.repeat(total[firsts], lengths[lengths > 0])
    wrong[patient[starts > _LONGEST * _DAY]] = True
    _refuse(wrong, times, f"have visits more than {_LONGEST} days after their first")
    return starts


def _refuse(wrong: npt.NDArray[np.bool_], path: Path, what: str) -> None:
    """Raise if any patient is wrong; says how many, and the place of the first in the file."""
    if wrong.any():
        raise UserError(
            f"{path}: {wrong.sum()} of {len(wrong)} patients {what} (the first is number "
            f"{int(np.argmax(wrong)) + 1})."
        )


def _join(records: Sequence[Record]) -> Record:
    """Lay the patients of several files one after the other."""
    patients = np.cumsum([0, *(record.patients for record in records)])
    visits = np.cumsum([0, *(len(record.patient) for record in records)])
    shifted = list(zip(records, patients, visits, strict=False))
    return Record(
        patient=np.concatenate([record.patient + first for record, first, _ in shifted]),
        start=np.concatenate([record.start for record in records]),
        visit=np.concatenate([record.visit + first for record, _, first in shifted]),
        code=np.concatenate([record.code for record in records]),
        patients=int(patients[-1]),
    )


def _names(
    numbers: Integers, types: Mapping[str, int], path: Path | None, vocabulary: str | None
) -> tuple[list[str], list[str | None]]:
    """Code and source code of each of the code numbers that stand in a visit."""
    name_of = {number: name.strip() for name, number in types.items()}
    missing = sum(number not in name_of for number in numbers.tolist())
    if path is not None and missing:
        raise UserError(
            f"{path} has no name for {missing} of the {len(numbers)} code numbers of the visits. "
            "Take the types file that was written with them."
        )
    names = [name_of.get(number, str(number)) for number in numbers.tolist()]
    ours = [name.partition("/")[0] in _DOMAINS and "/" in name for name in names]
    before = "" if vocabulary is None else f"{vocabulary}/"
    codes = [n if own else f"condition/source/{n}" for n, own in zip(names, ours, strict=True)]
    sources = [
        None if own else before + name.removeprefix("D_")
        for name, own in zip(names, ours, strict=True)
    ]
    return codes, sources


def _events(
    record: Record, places: Integers, codes: Sequence[str], sources: Sequence[str | None]
) -> tuple[pa.Table, int]:
    """Every visit's start and every code once a visit, in order; and how many stood twice."""
    names = sorted({_VISIT, *codes}, key=str.encode)
    rank = {name: place for place, name in enumerate(names)}
    source_of = dict(zip(codes, sources, strict=True))
    of_code = np.array([rank[code] for code in codes], dtype=np.int64)[places]
    once = np.unique(record.visit * len(names) + of_code)
    visit = np.concatenate([np.arange(len(record.patient)), once // len(names)])
    code = np.concatenate([np.full(len(record.patient), rank[_VISIT]), once % len(names)])
    order = np.lexsort([visit, code, record.start[visit], record.patient[visit]])
    visit, code = visit[order], code[order]
    columns = {
        "subject_id": record.patient[visit] + 1,
        "time": ORIGIN + record.start[visit].astype("timedelta64[us]"),
        "code": pa.array(names, pa.string()).take(pa.array(code)),
        "numeric_value": pa.nulls(len(visit), pa.float32()),
        "visit_id": visit + 1,
        "source_code": pa.array([source_of.get(n) for n in names], pa.string()).take(
            pa.array(code)
        ),
    }
    return pa.table(columns).cast(EVENTS), len(record.code) - len(once)


def _persons(record: Record) -> pa.Table:
    """Persons of whom nothing is known but their first and last visit."""
    number, unknown = record.patients, np.zeros(record.patients, dtype=np.int64)
    last, seen = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=bool)
    np.maximum.at(last, record.patient, record.start)
    seen[record.patient] = True
    known = {
        "subject_id": np.arange(1, number + 1),
        **dict.fromkeys(("sex", "race", "ethnicity"), unknown),
        "first_event": pa.array(np.full(number, ORIGIN), mask=~seen),
        "last_event": pa.array(ORIGIN + last.astype("timedelta64[us]"), mask=~seen),
    }
    columns = {field.name: known.get(field.name, pa.nulls(number, field.type)) for field in PERSONS}
    return pa.table(columns).cast(PERSONS)


def _codes(events: pa.Table) -> pa.Table:
    codes = sorted(events["code"].unique().to_pylist(), key=str.encode)
    rows = [{"code": code, "description": None, "parent_codes": []} for code in codes]
    return pa.Table.from_pylist(rows, schema=CODES)


def _summary(record: Record, events: pa.Table, duplicates: int) -> dict[str, Any]:
    day = record.start // _DAY
    same_day = (np.diff(record.patient) == 0) & (np.diff(day) == 0)
    visits, codes = len(record.patient), len(record.code)
    last = (ORIGIN + record.start.max().astype("timedelta64[us]")) if visits else None
    dropped = {"duplicate": duplicates} if duplicates else {}
    return {
        "persons": record.patients,
        "visits": visits,
        "events": len(events),
        "last_year": None if last is None else int(str(last)[:4]),
        "detached": 0,
        "same_day": int(same_day.sum()),
        "empty": visits - len(np.unique(record.visit)),
        "tables": {
            "patients": {"read": record.patients, "kept": record.patients, "dropped": {}},
            "visits": {"read": visits, "kept": visits, "dropped": {}},
            "codes": {"read": codes, "kept": codes - duplicates, "dropped": dropped},
        },
    }
