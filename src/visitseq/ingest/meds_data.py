"""The data of a MEDS data set as one relation, whatever version wrote it.

The columns of MEDS 0.3 and 0.4 are the same but for the name of the person's (``patient_id`` in
0.3.0, ``subject_id`` since), and writers differ in the width of their types, from file to file at
times: each file's own types say how its columns are cast.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.errors import UserError
from visitseq.ingest.typed import MARK

#: The person's column, the newest name first.
_SUBJECTS = ("subject_id", "patient_id")
#: Columns that say which visit an event belongs to; the first that a file has values in is read.
_VISITS = ("visit_id", "hadm_id")
#: Columns of the layouts before 0.3, of a row a person.
_NESTED = ("events", "measurements")
#: Below this every whole number has a float of its own.
_LARGEST_WHOLE = {"halffloat": 2**11, "float": 2**24, "double": 2**53}


def data_query(name: str, data: tuple[Path, ...]) -> str:
    """SQL that gives subject_id, time, code, numeric_value, visit_id and source_code of all rows.

    Raises
    ------
    UserError
        A file is no Parquet, or not in the layout of MEDS 0.3 or 0.4.
    """
    alike: dict[str, list[str]] = {}
    for path in data:
        selected = ", ".join(_columns(f"Site {name}: {path}", read_schema(name, path)))
        alike.setdefault(selected, []).append("'" + str(path).replace("'", "''") + "'")
    return " UNION ALL ".join(
        f"SELECT {selected} FROM read_parquet([{', '.join(paths)}], hive_partitioning = false)"
        for selected, paths in alike.items()
    )


def read_schema(name: str, path: Path) -> pa.Schema:
    """Schema of a Parquet file; a UserError where it is none."""
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError):
        raise UserError(
            f"Site {name}: {path} cannot be read as Parquet. Is it complete? Copy it again."
        ) from None


def _columns(where: str, schema: pa.Schema) -> list[str]:
    types = {field.name: field.type for field in schema}
    subject = next((column for column in _SUBJECTS if column in types), None)
    if subject is None or "time" not in types or "code" not in types:
        raise UserError(f"{where} {_fault(list(types))}")
    typed = [column for column in _VISITS if not pa.types.is_null(types.get(column, pa.null()))]
    visit = typed[0] if typed else None
    selected = {
        "subject_id": _whole(where, subject, types[subject]),
        "time": _time(where, types["time"]),
        "code": _text(where, "code", types["code"]),
        "numeric_value": _number(where, types.get("numeric_value", pa.null())),
        "visit_id": "CAST(NULL AS BIGINT)" if visit is None else _visit(where, visit, types[visit]),
        "source_code": _text(where, "source_code", types.get("source_code", pa.null())),
    }
    return [f"{value} AS {column}" for column, value in selected.items()]


def _fault(found: list[str]) -> str:
    if any(column in found for column in _NESTED):
        return (
            "has one row a person with the events nested in it, as MEDS before 0.3. Convert it to "
            "MEDS 0.4, a row an event."
        )
    return (
        f"is no data of MEDS 0.3 or 0.4: it needs the columns {_SUBJECTS[0]}, time and code, and "
        f"has {', '.join(found)}."
    )


def _refused(where: str, column: str, found: pa.DataType, wanted: str) -> UserError:
    return UserError(
        f"{where}: column {column} is of type {found}; MEDS 0.3 and 0.4 have {wanted}. Write it "
        "anew in that type."
    )


def _whole(where: str, column: str, found: pa.DataType) -> str:
    if not pa.types.is_integer(found):
        raise _refused(where, column, found, "a 64-bit integer")
    return f'CAST("{column}" AS BIGINT)'


def _time(where: str, found: pa.DataType) -> str:
    if pa.types.is_null(found):
        return "CAST(NULL AS TIMESTAMP)"
    if not (pa.types.is_timestamp(found) or pa.types.is_date(found)):
        raise _refused(where, "time", found, "a timestamp in microseconds")
    # A timestamp in nanoseconds with a time zone has no cast to one without of its own.
    zoned = pa.types.is_timestamp(found) and found.tz is not None
    return f"CAST({'CAST(time AS TIMESTAMPTZ)' if zoned else 'time'} AS TIMESTAMP)"


def _text(where: str, column: str, found: pa.DataType) -> str:
    if pa.types.is_null(found):
        return "CAST(NULL AS VARCHAR)"
    if not _is_text(found):
        raise _refused(where, column, found, "a string")
    return f'CAST("{column}" AS VARCHAR)'


def _number(where: str, found: pa.DataType) -> str:
    if pa.types.is_null(found):
        return "CAST(NULL AS FLOAT)"
    kinds = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal)
    if not any(is_kind(found) for is_kind in kinds):
        raise _refused(where, "numeric_value", found, "a 32-bit float")
    number = "TRY_CAST(numeric_value AS FLOAT)"
    return f"CASE WHEN NOT isnan({number}) THEN {number} END"


def _visit(where: str, column: str, found: pa.DataType) -> str:
    """Visit as an integer: a float with its gaps too, and text, which a hash stands for."""
    value = f'"{column}"'
    if _is_text(found):
        text = f"trim(CAST({value} AS VARCHAR))"
        # A cast would round what a suffix tells apart: 7.1 and 7.2.
        digits = f"regexp_extract({text}, '^(0|-?[1-9][0-9]*)([.]0)?$', 1)"
        hashed = f"CAST(md5_number_lower({text}) >> 1 AS BIGINT)"
        return f"CASE WHEN {text} <> '' THEN coalesce(TRY_CAST({digits} AS BIGINT), {hashed}) END"
    if pa.types.is_floating(found):
        whole = f"{value} = trunc({value}) AND abs({value}) < {_LARGEST_WHOLE[str(found)]}"
        wrong = f"error('{MARK}data: {column} holds a value that is no 64-bit integer')"
        return (
            f"CASE WHEN NOT isnan({value}) THEN "
            f"CASE WHEN {whole} THEN CAST({value} AS BIGINT) ELSE {wrong} END END"
        )
    return _whole(where, column, found)


def _is_text(found: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    return any(
        is_kind(found)
        for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )
