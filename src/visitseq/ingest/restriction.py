"""A study's restriction: which rows of a site's tables come over, as conditions in SQL.

``restrict`` names persons (in a file, or those with a phenotype), domains, and the first and last
day. Each becomes a condition in the WHERE of every table that it concerns, so that an engine sends
what is left and no more:

- persons: of every table with a person_id;
- days: of event tables by the day of the event, of visits where any day of the visit lies between
  them, so that an event keeps its visit. The datetime tells the day where there is no date; a row
  without either comes over, and the ingest counts it as ``no_date``. Birth, death and observation
  periods have no part in it;
- domains: which event tables are read at all.

A phenotype is read generously: a row counts by a named or listed concept, by any descendant of a
concept that is named with descendants, or by an ICD code, as source value or as source concept. Who
is a case, the cohort decides, from the rows of everybody who came.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from visitseq.cohort.phenotype import Phenotype, read_phenotype
from visitseq.errors import UserError
from visitseq.ingest.omop import EVENT_TABLES, TABLES

#: Stands in a query for a list of ids, put in once the query is translated.
NAMED_IDS = "named_ids"

#: What a source value may have before an ICD code: nothing, or the vocabulary.
_WRITTEN_BEFORE = ("", "ICD9/", "ICD9CM/", "ICD10/", "ICD10CM/", "ICD10CN/", "ICD10GM/")
#: What a source value is read without, beside dots: a blank, tab, line feed, return, form feed.
_BLANKS = " \t\n\r\f"
_NOT_DATED = ("person", "observation_period", "death")


@dataclass(frozen=True)
class Restriction:
    """What of a site's records a study needs.

    Parameters
    ----------
    phenotype
        Only persons with a row that it names; None for everybody.
    persons
        Only these ids, ascending; None for everybody.
    first, last
        Days (YYYY-MM-DD) before and after which no visit or event is needed; None for no bound.
    """

    phenotype: Phenotype | None = None
    persons: tuple[int, ...] | None = None
    first: str | None = None
    last: str | None = None

    def domains(self) -> list[str]:
        """Return the domain in which the phenotype is looked for, if there is one."""
        return [] if self.phenotype is None else [self.phenotype.domain]

    def conditions(self, table: str, tables: Collection[str]) -> list[str]:
        """Conditions on the rows of ``table``, in DuckDB's SQL; none where every row is needed.

        ``NAMED_IDS`` stands in them for the ids of ``persons``, which may be many.

        Parameters
        ----------
        table
            The OMOP table.
        tables
            The tables that are there, which the conditions may ask.
        """
        found = []
        if "person_id" in TABLES[table].columns:
            if self.persons is not None:
                found.append(f"person_id IN ({NAMED_IDS})")
            if self.phenotype is not None:
                found.append(f"person_id IN ({qualifying_persons(self.phenotype, tables)})")
        if table not in _NOT_DATED:
            found += self._days(table)
        return found

    def _days(self, table: str) -> list[str]:
        days = _days_of(table)
        if not days:
            return []
        start, found = days[0], []
        if self.first is not None:
            last_day = f"coalesce({', '.join(reversed(days))})"
            found.append(f"({last_day} >= CAST('{self.first}' AS DATE) OR {start} IS NULL)")
        if self.last is not None and self.last != date.max.isoformat():
            # Before the next midnight: Oracle's dates have a time of day.
            after = date.fromisoformat(self.last) + timedelta(days=1)
            found.append(f"({start} < CAST('{after}' AS DATE) OR {start} IS NULL)")
        return found


def read_restriction(
    name: str, restrict: Mapping[str, Any], phenotype: Path | None, persons: Path | None
) -> Restriction:
    """Read what the restriction of site ``name`` names.

    Parameters
    ----------
    name
        The site's name, for messages.
    restrict
        Its ``restrict``, filled; ``from`` and ``until`` are used here.
    phenotype, persons
        The files that its phenotype and persons name, None where it names none.

    Raises
    ------
    UserError
        A phenotype file that is not valid or leaves nobody, or a file of persons that is not one
        id a line.
    """
    disease = None if phenotype is None else read_phenotype(phenotype)
    if disease is not None:
        check_phenotype(name, disease, TABLES)
    return Restriction(
        phenotype=disease,
        persons=None if persons is None else _read_persons(name, persons),
        first=restrict.get("from"),
        last=restrict.get("until"),
    )


def check_phenotype(name: str, phenotype: Phenotype, tables: Collection[str]) -> None:
    """Raise a UserError unless ``tables`` can be asked who of site ``name`` has the phenotype."""
    if phenotype.patterns:
        raise UserError(
            f"Site {name}: restrict/phenotype: {phenotype.name} names codes by patterns, which are "
            "not asked of the engine that holds the records. Name the persons by a file instead."
        )
    if not _tests(phenotype, tables):
        absent = "" if "concept_ancestor" in tables else " (there is no table concept_ancestor)"
        raise UserError(
            f"Site {name}: restrict/phenotype: {phenotype.name} names neither an ICD code nor a "
            f"concept that it does not exclude as well{absent}, so that nobody would be read. Mend "
            "the phenotype, or name the persons by a file."
        )


def qualifying_persons(phenotype: Phenotype, tables: Collection[str]) -> str:
    """Query for the ids of persons with a row that ``phenotype`` names, in DuckDB's SQL."""
    return (
        f"SELECT qualifying.person_id FROM {EVENT_TABLES[phenotype.domain]} AS qualifying "
        f"WHERE {' OR '.join(_tests(phenotype, tables))}"
    )


def _tests(phenotype: Phenotype, tables: Collection[str]) -> list[str]:
    """Conditions of which one holds for a row that ``phenotype`` names; none if it names none."""
    domain = phenotype.domain
    excluded = {concept.id for concept in phenotype.exclude}
    concepts = {concept.id for concept in phenotype.concepts} | {*phenotype.listed}
    roots = {concept.id for concept in phenotype.concepts if concept.descendants}
    tests = []
    if concepts - excluded:
        tests.append(f"qualifying.{domain}_concept_id IN ({listed(sorted(concepts - excluded))})")
    if roots and "concept_ancestor" in tables:
        tests.append(
            f"qualifying.{domain}_concept_id IN (SELECT descendant_concept_id "
            f"FROM concept_ancestor WHERE ancestor_concept_id IN ({listed(sorted(roots))}))"
        )
    codes = {*phenotype.icd9cm, *phenotype.icd10cm}
    if codes:
        plain = sorted({*map(_undotted, codes)})
        sources = ", ".join(f"'{code}'" for code in plain)
        written = ", ".join(f"'{before}{code}'" for before in _WRITTEN_BEFORE for code in plain)
        tests.append(f"{_plain(f'qualifying.{domain}_source_value')} IN ({written})")
        if "concept" in tables:
            tests.append(
                f"qualifying.{domain}_source_concept_id IN (SELECT concept_id FROM concept "
                f"WHERE vocabulary_id LIKE 'ICD%' AND {_plain('concept_code')} IN ({sources}))"
            )
    return tests


def listed(ids: Iterable[int]) -> str:
    """Write whole numbers as an SQL list."""
    return ", ".join(map(str, ids))


def _plain(column: str) -> str:
    """SQL of a code without dots and blanks, in capitals."""
    for character in ("'.'", *(f"'{blank}'" for blank in _BLANKS)):
        column = f"replace({column}, {character}, '')"
    return f"upper({column})"


def _days_of(table: str) -> list[str]:
    """SQL of the day on which a row begins and, of a visit, that on which it ends."""
    columns = TABLES[table].columns
    dates = [column for column, kind in columns.items() if kind == "date"]
    return [
        f"coalesce(CAST({day} AS DATE), CAST({day.removesuffix('date')}datetime AS DATE))"
        for day in dates
    ]


def _undotted(code: str) -> str:
    return re.sub(r"[.\s']", "", code).upper()


def _read_persons(name: str, path: Path) -> tuple[int, ...]:
    """Read one id a line; a first line ``person_id`` and empty lines are passed over."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise _unusable(name, path, "it is not in UTF-8") from None
    if lines and lines[0].strip('"').lower() == "person_id":
        lines[0] = ""
    wrong = sum(bool(line) and not _is_id(line) for line in lines)
    ids = tuple(sorted({int(line) for line in lines if line})) if not wrong else ()
    if not ids:
        reason = f"{wrong} of its lines are no 64-bit integer" if wrong else "it holds no id"
        raise _unusable(name, path, reason)
    return ids


def _is_id(line: str) -> bool:
    return bool(re.fullmatch("-?[0-9]{1,19}", line)) and -(2**63) <= int(line) < 2**63


def _unusable(name: str, path: Path, reason: str) -> UserError:
    return UserError(
        f"Site {name}: the file of persons {path} cannot be used: {reason}. Write one person_id a "
        "line."
    )
