"""Where a site's tables lie: a folder of CSV or Parquet files, or a DuckDB database.

A table is a file named after it, or a folder named after it (person, or person.parquet) that holds
part files; names in any case. A file without a byte is none. Nothing is opened here beyond a CSV
file's first line, so that the list of a site's files can be made before any work starts.
"""

import csv
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from visitseq.errors import UserError
from visitseq.ingest.omop import EVENT_TABLES, tables_to_read

_CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_ENDINGS = (*_CSV_ENDINGS, ".parquet")
_FORM = "A table is a file such as person.csv or person.parquet, or a folder person/ of part files."
#: What a table is in a database, on a server or in Spark.
NAMED_FORM = "A table or view has the name that OMOP gives it, in any case."
DATABASE_ENDINGS = (".duckdb", ".db")


@dataclass(frozen=True)
class TableFiles:
    """The files of one table, in name order, all of one format."""

    format: Literal["csv", "parquet"]
    paths: tuple[Path, ...]


def is_database(path: Path) -> bool:
    """Whether ``path`` names a DuckDB database rather than a folder."""
    return path.suffix.lower() in DATABASE_ENDINGS and not path.is_dir()


def domains_of(site: Mapping[str, Any]) -> list[str]:
    """Return the domains that are read of a site: its own, less what ``restrict`` does not name."""
    wanted = (site.get("restrict") or {}).get("domains")
    return [domain for domain in site["domains"] if wanted is None or domain in wanted]


def persons_digest(name: str, path: Path) -> str:
    """Return the SHA-256 of the file of ids, which stands for them where they may not be shown.

    Raises
    ------
    UserError
        If there is no such file.
    """
    if not path.is_file():
        raise UserError(
            f"Configuration, sites/{name}/restrict/persons: {path} does not exist "
            f"({path.absolute()}). It is a text file with one person_id a line."
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_remote(path: str) -> bool:
    """Whether ``path`` names a place in object storage (s3://bucket/omop) rather than a folder."""
    return "://" in path


def list_inputs(name: str, site: Mapping[str, Any]) -> list[Path]:
    """List the files that the ingest of an OMOP site reads; a database is one file.

    A server, Spark and object storage have none: ``version`` tells their state.

    Raises
    ------
    UserError
        If the path does not exist, or a folder has no person table or no event table.
    """
    if site.get("path") is None or is_remote(site["path"]):
        return []
    path = Path(site["path"])
    if not path.exists():
        where = (
            ""
            if path.is_absolute()
            else f" ({path.absolute()}; it is relative to the working directory)"
        )
        raise UserError(
            f"Site {name}: path {path} does not exist{where}. Set sites/{name}/path to a folder of "
            "OMOP tables (CSV or Parquet) or to a DuckDB database."
        )
    if is_database(path):
        return [path]
    if not path.is_dir():
        raise UserError(
            f"Site {name}: path {path} is neither a folder nor a DuckDB database "
            f"({', '.join(DATABASE_ENDINGS)})."
        )
    found = find_tables(name, path, tables_to_read(domains_of(site)))
    return [file for table in found.values() for file in table.paths]


def find_tables(name: str, folder: Path, tables: Sequence[str]) -> dict[str, TableFiles]:
    """Find which of ``tables`` the folder of site ``name`` has.

    Raises
    ------
    UserError
        If person or every event table among ``tables`` is missing, or a table stands there twice.
    """
    entries = sorted(folder.iterdir())
    found = {}
    for table in tables:
        files = _files_of(table, entries)
        if files:
            found[table] = _one_format(name, folder, table, files)
    check_required(name, str(folder), list(found), tables, _FORM)
    return found


def check_required(
    name: str, place: str, found: Sequence[str], tables: Sequence[str], form: str
) -> None:
    """Raise a UserError unless person and one event table are among the tables ``found``.

    ``form`` says, in a sentence, what a table is at such a place.
    """
    events = [table for table in EVENT_TABLES.values() if table in tables]
    if "person" not in found:
        raise UserError(
            f"Site {name}: {place} has no table person; found "
            f"{', '.join(found) or 'no OMOP table at all'}. {form}"
        )
    if not set(events) & set(found):
        raise UserError(
            f"Site {name}: {place} has none of the event tables {', '.join(events)}, which "
            f"sites/{name}/domains asks for. At least one is needed. {form}"
        )


def _files_of(table: str, entries: Sequence[Path]) -> list[Path]:
    files = []
    for entry in entries:
        if entry.is_dir() and entry.name.lower() in {table, *(table + end for end in _ENDINGS)}:
            files += [part for part in sorted(entry.iterdir()) if _ending(part) is not None]
        elif _ending(entry) is not None and entry.name.lower() == table + str(_ending(entry)):
            files.append(entry)
    return files


def _ending(path: Path) -> str | None:
    """Ending of a data file; None for hidden files, markers such as _SUCCESS, and empty files."""
    if path.name.startswith((".", "_")) or not path.is_file() or not path.stat().st_size:
        return None
    return next((end for end in _ENDINGS if path.name.lower().endswith(end)), None)


def _one_format(name: str, folder: Path, table: str, files: list[Path]) -> TableFiles:
    parquet = [file for file in files if _ending(file) == ".parquet"]
    places = {file.parent if file.parent != folder else file for file in files}
    if len(places) > 1 or (parquet and len(parquet) < len(files)):
        listed = ", ".join(sorted(place.name for place in places))
        raise UserError(
            f"Site {name}: table {table} stands in {folder} more than once or in two formats "
            f"({listed}). Keep one file, or one folder of part files of one format."
        )
    return TableFiles("parquet" if parquet else "csv", tuple(files))


@dataclass(frozen=True)
class CsvHeader:
    """The first line of a CSV file: its columns, and how fields are divided and quoted."""

    columns: tuple[str, ...]
    delimiter: str
    quote: str


def read_header(path: Path) -> CsvHeader:
    """Read the first line of a CSV file, compressed or not.

    Tab-delimited vocabulary files hold bare quotation marks in their names; such a file is read
    without quoting unless its header is quoted.
    """
    with (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb") as file:
        line = file.readline().decode("utf-8-sig", errors="replace").rstrip("\r\n")
    delimiter = "\t" if line.count("\t") > line.count(",") else ","
    quote = '"' if delimiter == "," or '"' in line else ""
    columns = next(csv.reader([line], delimiter=delimiter), [])
    return CsvHeader(tuple(column.strip() for column in columns), delimiter, quote)
