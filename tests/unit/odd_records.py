"""A small site of what Synthea's records lack, as typed tables: the same on every engine.

Deaths, care sites, measurements with values, ancestors; rows that are double or tie; days that only
a datetime tells, or nothing; text with tabs, line ends, quotation marks, trailing blanks, and in
other scripts than ours.
"""

import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from omop_site import Row, Tables, condition, person, visit

from visitseq.ingest.omop import TABLES, Kind

_ARROW: dict[Kind, pa.DataType] = {
    "id": pa.int64(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "text": pa.string(),
    "number": pa.float64(),
}

#: Source values: those of the first line are one when the blanks around them are gone.
_TEXTS = [
    *("I50.9", "I50.9  ", "\tI50.9", " \r\nI50.9\t"),
    *("a\tb", "a b", "two\nlines", 'a "b", c', "it's", "a\\tb", "", "  ", "NULL"),
    *("Herzschwäche", "Herzschwache", "HERZSCHWÄCHE", "心不全", "\N{ZERO WIDTH SPACE}a", "\xa0a"),
]
_VALUES = [0.1, 1.1, 16777217.0, 1e-42, 1e39, -0.0, 123456789.123, math.nan, None]
_DAYS: list[tuple[str | None, str | None]] = [
    ("2010-06-01", None),
    ("2010-06-01", "2010-06-01 00:00:00"),
    ("2010-06-01", "2010-06-01 13:30:00.25"),
    (None, "2010-12-31 23:59:59"),
    (None, "2011-01-01 00:00:00"),
    (None, None),
    ("2011-01-01", None),
]


def _measurement(number: int, value: float | None) -> Row:
    return {
        "person_id": 2,
        "measurement_concept_id": 3000 + number % 2,
        "measurement_date": "2010-03-01",
        "measurement_source_value": "glucose",
        "value_as_number": value,
    }


def _concepts() -> list[Row]:
    names = [(316139, "Heart failure", "SNOMED"), (777, "Herzinsuffizienz, rechts", "SNOMED")]
    named = [
        {"concept_id": number, "concept_name": name, "vocabulary_id": vocabulary}
        for number, name, vocabulary in [*names, (3000, "Glucose\t", "LOINC"), (5, "'5'", "SNOMED")]
    ]
    return [
        *({**concept, "concept_code": str(concept["concept_id"])} for concept in named),
        {"concept_id": 888, "concept_name": "", "vocabulary_id": "ICD9CM", "concept_code": "428.0"},
    ]


ROWS: Tables = {
    "person": [
        person(1, month_of_birth=2, day_of_birth=30, care_site_id=70),
        person(2, 1960, birth_datetime="1960-05-01 10:00:00", race_concept_id=0),
        person(2, 1961),
        person(3, None, birth_datetime="1970-01-01 00:00:00"),
        person(5),
        person(6),
        person(2**53 + 1, 1980),
    ],
    "observation_period": [
        {
            "person_id": 1,
            "observation_period_start_date": start,
            "observation_period_end_date": end,
        }
        for start, end in [
            ("2010-01-01", "2010-06-30"),
            ("2010-07-01", "2010-12-31"),
            ("2012-01-01", None),
        ]
    ],
    "visit_occurrence": [
        *(
            visit(10 + number, 1, day, visit_start_datetime=time, care_site_id=70 + number % 2)
            for number, (day, time) in enumerate(_DAYS)
        ),
        visit(10, 1, "2010-06-01", "2010-06-03", care_site_id=71),
        visit(20, 2, "2009-12-30", visit_end_datetime="2010-01-02 09:00:00"),
    ],
    "condition_occurrence": [
        *(
            condition(1, day, 316139, condition_start_datetime=time, visit_occurrence_id=10)
            for day, time in _DAYS
        ),
        *(
            condition(2, "2010-01-01", 0, condition_source_value=text, visit_occurrence_id=20)
            for text in _TEXTS
        ),
        *(condition(5, "2010-01-01", 0, condition_source_value=text) for text in _TEXTS[2:4]),
        condition(6, "2010-01-01", 0, condition_source_value="\xa0I50.9"),
        *(condition(2**53 + 1, "2010-01-01", concept) for concept in (777, 777, 5)),
        condition(4, "2010-01-01", 5),
        condition(3, "2010-02-01", 5, condition_source_concept_id=888),
    ],
    "measurement": [_measurement(number, value) for number, value in enumerate([*_VALUES, 1.1])],
    "death": [
        {"person_id": 1, "death_date": "2020-01-02", "death_datetime": "2020-01-02 04:00:00"},
        {"person_id": 1, "death_date": "2020-01-01"},
        {"person_id": 2, "death_date": None, "death_datetime": None},
    ],
    "care_site": [
        {"care_site_id": 70, "care_site_name": "Ward\t1 "},
        {"care_site_id": 70, "care_site_name": "ward 1"},
        {"care_site_id": 71, "care_site_name": "Überwachung"},
    ],
    "concept": _concepts(),
    "concept_ancestor": [
        {
            "ancestor_concept_id": above,
            "descendant_concept_id": below,
            "min_levels_of_separation": levels,
        }
        for above, below, levels in [
            (316139, 777, 1),
            (316139, 777, 2),
            (321588, 777, 2),
            (321588, 316139, 1),
            (316139, 316139, 0),
        ]
    ],
}
DOMAINS = ["condition", "measurement"]
#: Who of them has heart failure by a concept, a descendant or an ICD code; the blank before that of
#: person 6 is none that is trimmed.
WITH_FAILURE = {1, 2, 3, 5, 2**53 + 1}


def arrow_tables() -> Iterator[tuple[str, pa.Table]]:
    """Each table by its name, every column that is read and of its own type."""
    for name, rows in ROWS.items():
        columns = TABLES[name].columns
        schema = pa.schema([(column, _ARROW[kind]) for column, kind in columns.items()])
        full = [
            {column: _value(row.get(column), columns[column]) for column in columns} for row in rows
        ]
        yield name, pa.Table.from_pylist(full, schema)


def write_odd_folder(folder: Path) -> Path:
    """Write each table as a Parquet file."""
    folder.mkdir()
    for name, table in arrow_tables():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def _value(value: Any, kind: Kind) -> Any:
    if value is None or kind not in ("date", "datetime"):
        return value
    return dt.date.fromisoformat(value) if kind == "date" else dt.datetime.fromisoformat(value)
