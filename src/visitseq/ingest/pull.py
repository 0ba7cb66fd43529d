"""Bring what a study needs of a site's tables from the engine in which they lie to Parquet files.

One SELECT a table (a few where an engine takes so many ids only in parts), each of OMOP's columns
that ``omop.py`` names and of the rows that the site's restriction leaves. They are written once,
for DuckDB, and translated (``translate.py``). The vocabulary comes last: only the concepts that the
rows name, and their ancestors.

What is left for the ingest to do here, it does in DuckDB on those files as on a folder of a site's
own: casts, checks, order and the comparison of strings by bytes are the same whichever engine sent
the rows, and so is every byte of what is written.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from visitseq.errors import UserError
from visitseq.ingest.engine import Engine
from visitseq.ingest.files import NAMED_FORM, check_required
from visitseq.ingest.omop import EVENT_TABLES, TABLES, tables_to_read
from visitseq.ingest.restriction import NAMED_IDS, Restriction, check_phenotype
from visitseq.ingest.translate import Relation, translate
from visitseq.ingest.typed import check_columns

log = logging.getLogger(__name__)

_VOCABULARY = ("concept", "concept_ancestor")


@dataclass(frozen=True)
class _Source:
    """The engine, and the tables that it has."""

    engine: Engine
    relations: Mapping[str, Relation]

    def translated(self, query: str) -> str:
        return translate(query, self.relations, self.engine.dialect)


def pull_tables(
    engine: Engine, name: str, domains: list[str], restriction: Restriction, folder: Path
) -> dict[str, int]:
    """Write what is needed of each table of site ``name`` to ``folder``/<table>/part_*.parquet.

    Parameters
    ----------
    engine
        Where the records lie.
    name
        The site's name, for messages.
    domains
        The domains whose event tables are read.
    restriction
        Which of their rows are needed.
    folder
        An empty folder of this run alone: a run that breaks off leaves parts behind.

    Returns
    -------
    dict
        How many rows of each clinical table the restriction left where they are.

    Raises
    ------
    UserError
        If a table or a required column is missing, or the engine refuses or breaks off.
    """
    tables = tables_to_read(domains)
    sought = [EVENT_TABLES[domain] for domain in restriction.domains()]
    source = _Source(engine, engine.relations(list(dict.fromkeys([*tables, *sought]))))
    there = [table for table in tables if table in source.relations]
    check_required(name, engine.place, there, tables, NAMED_FORM)
    for table, relation in source.relations.items():
        check_columns(name, table, relation.columns)
    absent = set(sought) - set(source.relations)
    if absent:
        raise UserError(
            f"Site {name}: the phenotype of sites/{name}/restrict is looked for in the table "
            f"{', '.join(absent)}, which {engine.place} does not have."
        )
    if restriction.phenotype is not None:
        check_phenotype(name, restriction.phenotype, source.relations)
    left = {
        table: _pull(source, name, table, restriction, folder)
        for table in there
        if table not in _VOCABULARY
    }
    _pull_vocabulary(source, name, folder)
    return left


def _pull(source: _Source, name: str, table: str, restriction: Restriction, folder: Path) -> int:
    """Bring one clinical table; return how many of its rows stayed."""
    conditions = restriction.conditions(table, source.relations)
    by_id = "person_id" in TABLES[table].columns
    rows = _copy(source, table, conditions, restriction.persons if by_id else None, folder)
    whole = rows
    if conditions:
        whole = source.engine.count(table, source.translated(f"SELECT count(*) FROM {table}"))
    log.info("site %s, table %s: %d of %d rows read", name, table, rows, whole)
    return whole - rows


def _copy(
    source: _Source,
    table: str,
    conditions: Sequence[str],
    ids: Iterable[int] | None,
    folder: Path,
) -> int:
    """Write the rows that fulfil all ``conditions`` to a folder of the table's; count them.

    Where ``ids`` are named there is a statement and a file for each part of them that the engine
    takes at once; one at least, so that a table without a row keeps its columns.
    """
    place = folder / table
    place.mkdir(parents=True)
    columns = ", ".join(name for name in TABLES[table].columns if _has(source, table, name))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = source.translated(f"SELECT {columns} FROM {table}{where}")
    parts = [""] if ids is None else source.engine.named(sorted(ids) or [0])
    rows = 0
    for number, named in enumerate(parts):
        path = place / f"part_{number:06}.parquet"
        source.engine.copy(table, statement.replace(NAMED_IDS, named), path)
        rows += pq.read_metadata(path).num_rows
    return rows


def _has(source: _Source, table: str, column: str) -> bool:
    return column in source.relations[table].columns


def _pull_vocabulary(source: _Source, name: str, folder: Path) -> None:
    """Bring the concepts that the rows in ``folder`` name, and their ancestors."""
    named = _concepts_in(folder)
    for table, column in (
        ("concept_ancestor", "descendant_concept_id"),
        ("concept", "concept_id"),
    ):
        if table in source.relations:
            rows = _copy(source, table, [f"{column} IN ({NAMED_IDS})"], named, folder)
            log.info("site %s, table %s: %d rows read", name, table, rows)
            named |= _concepts_in(folder / table)


def _concepts_in(folder: Path) -> set[int]:
    """Every concept id in the Parquet files below ``folder``, but for 0, which is no concept."""
    found: set[int] = set()
    with duckdb.connect() as connection:
        for path in sorted(folder.rglob("part_*.parquet")):
            for column in pq.read_schema(path).names:
                if column.lower().endswith("concept_id"):
                    ids = connection.execute(
                        f'SELECT DISTINCT TRY_CAST("{column}" AS BIGINT) AS id '
                        "FROM read_parquet($path) WHERE id <> 0",
                        {"path": str(path)},
                    ).fetchall()
                    found.update(concept for (concept,) in ids)
    return found
