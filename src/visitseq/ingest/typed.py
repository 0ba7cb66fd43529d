"""Typed views of a site's tables: each column cast to what OMOP says it is.

Sites store ids as integers, floats (an integer column with gaps that went through pandas) or text,
and dates as dates, timestamps, ISO text or YYYYMMDD integers. Each column becomes an SQL
expression that casts what it finds, and raises for what cannot be what it should be: text that is
no integer in an id column, text that has no date's form in a date column. A date of the right
form that does not exist (2015-02-30, 0000-00-00) is null.

Ids are never rounded: text is cast digit by digit, a float must be a whole number so small that
its neighbours are floats as well (2^53, or 2^24 in single precision).

The part files of a table are cast each by its own types: a column without a value in one part may
be a float there and an integer in the others.

Text is trimmed in a query of its own, for each cast asks for it many times. Casting it costs
several times what reading it costs, and every query that uses a view would do it anew: CSV files
are cast once, to Parquet beside what the engine spills (``csv_casts.py``), by the expressions here
where Arrow cannot.
"""

import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from visitseq.errors import UserError
from visitseq.ingest.csv_casts import cast_csv
from visitseq.ingest.files import (
    NAMED_FORM,
    TableFiles,
    check_required,
    find_tables,
    is_database,
    is_remote,
    read_header,
)
from visitseq.ingest.omop import SQL_TYPES, TABLES, Kind, OmopTable, tables_to_read

log = logging.getLogger(__name__)

_BLANKS = "' ' || chr(9) || chr(10) || chr(13)"
_INTEGER = r"[+-]?[0-9]+(\.0*)?"
_DAY_DIGITS = r"[0-9]{8}(\.0)?"
_ISO_DAY = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_CLOCK = r"[ T]+([0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)"
_ISO_TIME = rf"{_ISO_DAY}({_CLOCK} ?(Z|UTC|[+-][0-9]{{2}}(:?[0-9]{{2}})?)?)?"
#: Below this every whole number has a float of its own.
_LARGEST_WHOLE = {"FLOAT": 2**24, "DOUBLE": 2**53}
#: What a table is in object storage.
_FORM = "A table is a file person.parquet, or a folder person/ of Parquet files."
#: Marks, in a DuckDB error, a message that this module wrote.
MARK = "visitseq: "


def open_tables(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    place: str,
    schema: str,
    domains: list[str],
    *,
    scratch: Path,
) -> dict[str, list[str]]:
    """Make a typed view of each table that site ``name`` has, and an empty one of each other.

    ``place`` is a folder, a DuckDB database or a folder in object storage (s3://…). ``scratch``
    gets what was cast from text; it has to stay as long as the views are used.

    Returns
    -------
    dict
        The Parquet files of each table found, none where it lies in a database.

    Raises
    ------
    UserError
        If a table lacks a required column or cannot be opened; see also ``find_tables``.
    """
    tables, path = tables_to_read(domains), Path(place)
    found: dict[str, TableFiles] = {}
    if is_remote(place):
        files = _list_remote(connection, name, place, tables)
        relations = {table: [_scan_parquet(paths)] for table, paths in files.items()}
    elif is_database(path):
        relations = _attach(connection, name, path, schema, tables)
        files = {table: [] for table in relations}
    else:
        found = find_tables(name, path, tables)
        relations = {table: _scans(connection, name, table, f) for table, f in found.items()}
        files = {table: [str(path) for path in f.paths] for table, f in found.items()}
    queries = {table: _select_nulls(table, "WHERE FALSE") for table in tables}
    for table, places in relations.items():
        selects = (_typed_select(connection, name, table, place) for place in places)
        queries[table] = " UNION ALL ".join(selects)
    texts = {table: f for table, f in found.items() if f.format == "csv"}
    for table, cast in cast_csv(connection, name, texts, queries, scratch).items():
        queries[table], files[table] = f"SELECT * FROM {_scan_parquet([str(cast)])}", [str(cast)]
    for table, query in queries.items():
        connection.execute(f"CREATE VIEW {table} AS {query}")
    return files


def _scans(
    connection: duckdb.DuckDBPyConnection, name: str, table: str, files: TableFiles
) -> list[str]:
    """Relations over the files of a table, one for all files of the same columns and types."""
    if files.format == "csv":
        return [_scan_csv(name, table, path) for path in files.paths]
    alike: dict[str, list[str]] = {}
    for path in files.paths:
        columns = _describe(connection, name, table, f"read_parquet({_quote(str(path))})")
        alike.setdefault(str(columns), []).append(str(path))
    return [_scan_parquet(paths) for paths in alike.values()]


def _scan_parquet(paths: list[str]) -> str:
    return f"read_parquet([{', '.join(map(_quote, paths))}], hive_partitioning = false)"


def _list_remote(
    connection: duckdb.DuckDBPyConnection, name: str, place: str, tables: list[str]
) -> dict[str, list[str]]:
    """Parquet files in object storage by table; DuckDB reads them with the user's extension."""
    folder = place.rstrip("/")
    files: dict[str, list[str]] = {}
    for pattern, part in (("*.parquet", -1), ("*/*.parquet", -2)):
        for file in _glob(connection, name, f"{folder}/{pattern}"):
            table = file.split("/")[part].lower().removesuffix(".parquet")
            files.setdefault(table, []).append(file)
    found = {table: files[table] for table in tables if table in files}
    check_required(name, folder, list(found), tables, _FORM)
    return found


def _glob(connection: duckdb.DuckDBPyConnection, name: str, pattern: str) -> list[str]:
    """Files in object storage, in name order."""
    try:
        found = connection.execute(
            "SELECT file FROM glob($pattern) ORDER BY file", {"pattern": pattern}
        ).fetchall()
    except duckdb.Error as error:
        raise UserError(
            f"Site {name}: DuckDB cannot list {pattern} ({type(error).__name__}). Install the "
            "extension that reads it and store the secret that it needs, both once, as "
            "docs/omop_files.md shows."
        ) from error
    return [file for (file,) in found]


def _scan_csv(name: str, table: str, path: Path) -> str:
    """Relation over one CSV file, every column as text; nothing about the file is guessed."""
    try:
        header = read_header(path)
    except (OSError, EOFError) as error:
        raise UserError(
            f"Site {name}, table {table}: the first line of {path.name} cannot be read. Is the "
            "file complete?"
        ) from error
    if len(header.columns) == 1 and ";" in header.columns[0]:
        raise UserError(
            f"Site {name}, table {table}: the fields of {path.name} are divided by semicolons. "
            "Export it with commas or tabs."
        )
    columns = ", ".join(f"{_quote(column)}: 'VARCHAR'" for column in header.columns)
    quote = _quote(header.quote)
    return (
        f"read_csv({_quote(str(path))}, columns = {{{columns}}}, header = true, "
        f"auto_detect = false, delim = {_quote(header.delimiter)}, quote = {quote}, "
        f"escape = {quote})"
    )


def _attach(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, schema: str, tables: list[str]
) -> dict[str, list[str]]:
    try:
        connection.execute(f"ATTACH {_quote(str(path))} AS site (READ_ONLY)")
    except duckdb.Error as error:
        raise UserError(
            f"Site {name}: {path} cannot be opened as a DuckDB database. Is it complete, and "
            "written by a DuckDB that is not newer than this one?"
        ) from error
    rows = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_catalog = 'site' ORDER BY ALL"
    ).fetchall()
    there = {table.lower(): table for found, table in rows if found.lower() == schema.lower()}
    if rows and not there:
        schemas = ", ".join(sorted({found for found, _ in rows}))
        raise UserError(
            f"Site {name}: {path} has no table in schema {schema}; its schemas are {schemas}. "
            f"Set sites/{name}/schema."
        )
    found = {table: there[table] for table in tables if table in there}
    check_required(name, f"{path} (schema {schema})", list(found), tables, NAMED_FORM)
    return {
        table: [f"site.{_identifier(schema)}.{_identifier(original)}"]
        for table, original in found.items()
    }


def _typed_select(
    connection: duckdb.DuckDBPyConnection, name: str, table: str, relation: str
) -> str:
    there = _describe(connection, name, table, relation)
    if _has_lost_header(connection, relation, list(there)):
        return _select_nulls(table, f"FROM {relation}")
    check_columns(name, table, there)
    if absent := [column for column in TABLES[table].columns if column not in there]:
        log.info("site %s: columns of %s that are absent: %s", name, table, ", ".join(absent))
    columns = [
        f"{_column(table, column, kind, there)} AS {column}"
        for column, kind in TABLES[table].columns.items()
    ]
    used = [there[column] for column in TABLES[table].columns if column in there]
    return f"SELECT {', '.join(columns)} FROM {_trimmed(relation, used)}"


def _trimmed(relation: str, used: list[tuple[str, str]]) -> str:
    """Relation of the columns ``used`` (name and type), text without the blanks around it."""
    if all(found_type != "VARCHAR" for _, found_type in used):
        return relation
    columns = [
        f"{_trim(_identifier(name))} AS {_identifier(name)}"
        if found_type == "VARCHAR"
        else _identifier(name)
        for name, found_type in used
    ]
    return f"(SELECT {', '.join(columns)} FROM {relation})"


def _trim(text: str) -> str:
    """Text without the blanks around it; most has none, and to see that costs a fifth of a trim."""
    return (
        f"CASE WHEN {text}[1] > ' ' AND {text}[-1] > ' ' THEN {text} "
        f"ELSE trim({text}, {_BLANKS}) END"
    )


def _text(value: str, found_type: str) -> str:
    """Trimmed text of a value; that of text is trimmed already (``_trimmed``)."""
    return value if found_type == "VARCHAR" else f"trim(CAST({value} AS VARCHAR), {_BLANKS})"


def check_columns(name: str, table: str, there: Collection[str]) -> None:
    """Raise a UserError unless the required columns of a table are among those that are there."""
    missing = [column for column in TABLES[table].required if column not in there]
    if missing:
        raise UserError(
            f"Site {name}, table {table}: required column {', '.join(missing)} is missing. Found "
            f"the columns {', '.join(sorted(there))}. Rename or export it as OMOP CDM 5.3 or 5.4 "
            "has it."
        )


def _describe(
    connection: duckdb.DuckDBPyConnection, name: str, table: str, relation: str
) -> dict[str, tuple[str, str]]:
    """Name as it is written and type of each column of a relation, by lower-case name."""
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error as error:
        raise UserError(
            f"Site {name}, table {table}: it cannot be opened as what its name says it is (CSV, "
            "Parquet or a database table). Is the file complete? Copy or export it again."
        ) from error
    return {row[0].lower(): (row[0], row[1]) for row in described}


def _has_lost_header(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: list[str]
) -> bool:
    """Whether this is an empty table that was imported with its header as its one row.

    Some databases hold such tables (columns column0, column1, …); the row counts as one of nulls.
    """
    if not all(re.fullmatch("column[0-9]+", column) for column in columns):
        return False
    return len(connection.execute(f"SELECT 1 FROM {relation} LIMIT 2").fetchall()) == 1


def _select_nulls(table: str, source: str) -> str:
    spec: OmopTable = TABLES[table]
    nulls = [f"CAST(NULL AS {SQL_TYPES[kind]}) AS {name}" for name, kind in spec.columns.items()]
    return f"SELECT {', '.join(nulls)} {source}"


def _column(table: str, column: str, kind: Kind, there: Mapping[str, tuple[str, str]]) -> str:
    if column not in there:
        return f"CAST(NULL AS {SQL_TYPES[kind]})"
    original, found_type = there[column]
    value = _identifier(original)
    place = f"{table}.{column}"
    if kind == "id":
        return _as_id(value, found_type, place)
    if kind == "date":
        return f"CAST({_as_time(value, found_type, place)} AS DATE)"
    if kind == "datetime":
        return _as_time(value, found_type, place)
    if kind == "text":
        return f"nullif({_text(value, found_type)}, '')"
    # By way of text: a cast of the column itself would be done by the CSV reader, which reports a
    # value that is no number with its whole row.
    number = f"TRY_CAST({_text(value, found_type)} AS FLOAT)"
    return f"CASE WHEN NOT isnan({number}) THEN {number} END"


def _as_id(value: str, found_type: str, place: str) -> str:
    """Cast to a signed 64-bit integer, exactly."""
    if found_type in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT"):
        return f"CAST({value} AS BIGINT)"
    wrong = _raise(f"{place} holds a value that is no 64-bit integer")
    if found_type in _LARGEST_WHOLE:
        return (
            f"CASE WHEN {value} IS NULL OR isnan({value}) THEN NULL "
            f"WHEN {value} = trunc({value}) AND abs({value}) < {_LARGEST_WHOLE[found_type]} "
            f"THEN TRY_CAST({value} AS BIGINT) ELSE {wrong} END"
        )
    # Everything else by way of its text, which no cast rounds; most of it is written as the
    # integer would be, and needs no pattern.
    text = _text(value, found_type)
    whole = f"TRY_CAST({text} AS BIGINT)"
    return (
        f"CASE WHEN {value} IS NULL OR {text} = '' THEN NULL "
        f"WHEN CAST({whole} AS VARCHAR) = {text} THEN {whole} "
        f"WHEN regexp_full_match({text}, '{_INTEGER}') "
        f"THEN coalesce(TRY_CAST(split_part({text}, '.', 1) AS BIGINT), {wrong}) "
        f"ELSE {wrong} END"
    )


def _as_time(value: str, found_type: str, place: str) -> str:
    """Cast to a timestamp; what is only a date is its midnight."""
    if found_type == "TIMESTAMPTZ_NS":  # which has no cast to a timestamp of its own
        return f"CAST(CAST({value} AS TIMESTAMPTZ) AS TIMESTAMP)"
    if found_type == "DATE" or found_type.startswith("TIMESTAMP"):
        return f"CAST({value} AS TIMESTAMP)"
    wrong = _raise(f"{place} holds a value that is neither an ISO date (2010-12-31) nor YYYYMMDD")
    text = _text(value, found_type)
    digits = f"{text}[1:4] || '-' || {text}[5:6] || '-' || {text}[7:8]"
    day = f"regexp_extract({text}, '{_ISO_DAY}')"
    # The clock as it was written down at the site: an offset from UTC is left out.
    clock = f"regexp_extract({text}, '{_CLOCK}', 1)"
    seconds = f"CASE WHEN length({clock}) < 6 THEN {clock} || ':00' ELSE {clock} END"
    iso = (
        f"coalesce(TRY_CAST({day} || ' ' || {seconds} AS TIMESTAMP), TRY_CAST({day} AS TIMESTAMP))"
    )
    # A day, or a day and a time to the second, in the usual form needs no pattern.
    to_the_second = f"(length({text}) = 19 AND {text}[17] = ':')"
    usual = f"{text}[5] = '-' AND (length({text}) = 10 OR {to_the_second})"
    return (
        f"CASE WHEN {value} IS NULL OR {text} IN ('', '0', '0.0') THEN NULL "
        f"WHEN {usual} AND TRY_CAST({text} AS TIMESTAMP) IS NOT NULL "
        f"THEN TRY_CAST({text} AS TIMESTAMP) "
        f"WHEN regexp_full_match({text}, '{_DAY_DIGITS}') THEN TRY_CAST({digits} AS TIMESTAMP) "
        f"WHEN regexp_full_match({text}, '{_ISO_TIME}') THEN {iso} ELSE {wrong} END"
    )


def _raise(message: str) -> str:
    return f"error({_quote(MARK + message)})"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
