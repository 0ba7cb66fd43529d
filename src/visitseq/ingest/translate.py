"""One SQL, many engines: a query over OMOP tables, written for DuckDB, in an engine's own words.

A query names tables and columns as OMOP does. Where the engine spells them otherwise (in another
schema, in capitals) or lacks a column, each table is replaced by a subquery that gives it OMOP's
names, which every planner folds away; SQLGlot then writes the whole in the engine's dialect. What
was written as a SELECT stays one: nothing here can make a statement that writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from visitseq.ingest.omop import SQL_TYPES, TABLES


@dataclass(frozen=True)
class Relation:
    """An OMOP table as it lies in an engine.

    Parameters
    ----------
    place
        The parts of its name, the widest first: catalog, schema, table, as they are written there.
    columns
        Name as it is written there of each column, by lower-case name.
    """

    place: tuple[str, ...]
    columns: Mapping[str, str]


def translate(query: str, relations: Mapping[str, Relation], dialect: str) -> str:
    """Write ``query`` in SQLGlot's ``dialect``, each OMOP table read from its relation.

    Parameters
    ----------
    query
        A SELECT in DuckDB's dialect over tables among ``relations``, which are there.
    relations
        Where each table lies, by its OMOP name.
    dialect
        SQLGlot's name of the engine's dialect: postgres, spark, tsql, …
    """
    tree = sqlglot.parse_one(query, read="duckdb")
    if not isinstance(tree, exp.Query):
        raise TypeError(f"a {tree.key} is no query: only a SELECT goes to an engine")
    for table in list(tree.find_all(exp.Table)):
        named = _with_omop_names(table.name, relations[table.name])
        table.replace(named.subquery(table.alias_or_name))
    for day in list(tree.find_all(exp.Cast)):
        # Oracle reads the text of a cast in a form of the session's.
        if day.this.is_string and day.is_type(exp.DataType.Type.DATE):
            day.replace(exp.DateStrToDate(this=day.this))
    return tree.sql(dialect=dialect)


def _with_omop_names(table: str, relation: Relation) -> exp.Select:
    """Query of a relation's columns under OMOP's names; a column that it lacks is null."""
    columns = []
    for name, kind in TABLES[table].columns.items():
        if name in relation.columns:
            value: exp.Expression = exp.column(_quoted(relation.columns[name]))
        else:
            value = exp.cast(exp.null(), SQL_TYPES[kind], dialect="duckdb")
        columns.append(exp.alias_(value, name))
    parts = dict(zip(("this", "db", "catalog"), reversed(relation.place), strict=False))
    place = exp.Table(**{part: _quoted(name) for part, name in parts.items()})
    return exp.select(*columns).from_(place)


def _quoted(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)
