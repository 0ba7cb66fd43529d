"""The defects of real records, planted at stated rates, so that what finds them can be checked.

Some defects change a row; the others are added as a copy of a good row with one thing wrong, so
that the clean record stays whole. No row gets two. Each is named as ingest names the reason for
which it drops the row, but for those that ingest keeps: an event without its visit
(``null_visit_id``), one dated weeks outside it (``detached``), one whose concept was never mapped
(``no_mapping``). The rates are meant to be seen, not to be typical: sites differ too much in them
(users of OMOP data report from a few per cent to nearly all events without a visit).
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.simulate.hazard import Bool, Int
from visitseq.simulate.parameters import NEVER

#: Share of a table's rows that get each defect; of its dead persons' rows for after_death.
CHANGED = {"null_visit_id": 0.02, "detached": 0.01, "no_mapping": 0.01}
ADDED = {
    "unknown_person": 0.005,
    "no_date": 0.004,
    "before_birth": 0.003,
    "after_death": 0.02,
    "no_concept": 0.004,
    "duplicate": 0.006,
}
EVENT_DEFECTS = {**CHANGED, **ADDED}
#: The other tables: which of these defects they can have, and the persons' own.
OTHER_DEFECTS = {
    "visit_occurrence": ("unknown_person", "no_date", "before_birth", "after_death", "duplicate"),
    "observation_period": ("unknown_person", "no_date", "duplicate"),
    "death": ("unknown_person", "no_date", "duplicate"),
    "person": ("no_date", "implausible_date", "duplicate"),
}
PERSON_RATE = 0.004

#: Columns with the day of a row, where it isn't <table>_date.
DATES = {
    "visit_occurrence": "visit_start_date",
    "condition_occurrence": "condition_start_date",
    "drug_exposure": "drug_exposure_start_date",
    "observation_period": "observation_period_start_date",
    "procedure_occurrence": "procedure_date",
}
MICROSECONDS_A_DAY = 86_400_000_000

#: Days by which a detached event is moved; longer than any stay.
DETACHED_DAYS = 60
#: Days after death; beyond what ingest forgives.
AFTER_DEATH_DAYS = 100
#: 1800-01-01, as who fills in a missing date.
LONG_AGO = -62091
#: Ids of added rows begin here within a block; no clean row reaches so far.
FIRST_ADDED = 5_000_000
#: What is added to the id of a person who does not exist.
UNKNOWN = 1_000_000_000_000


@dataclass(frozen=True)
class _Block:
    """What planting in one block has to know: its persons' spans, shape (persons,), and streams."""

    person: Int
    first: Int
    last: Int
    death: Int
    first_id: int
    rng: np.random.Generator

    def place(self, table: pa.Table) -> Int:
        """Place of each row's person in the block."""
        return np.asarray(np.searchsorted(self.person, table["person_id"].to_numpy()))


def plant_defects(
    tables: dict[str, pa.Table], stream: np.random.Generator, first_id: int
) -> tuple[dict[str, pa.Table], pa.Table]:
    """Plant defects in the clinical tables of a block.

    Parameters
    ----------
    tables
        Clinical tables by their OMOP name, as they would be written without defects.
    stream
        The block's stream for defects.
    first_id
        The smallest id of the block's rows; added rows get theirs from ``FIRST_ADDED`` above it.

    Returns
    -------
    tables, planted
        The tables with their defects, and columns subject_id, table, defect, rows: how many rows
        of each person got which. An added row counts for the person whose row was copied.
    """
    block = _describe(tables, stream, first_id + FIRST_ADDED)
    result, planted = {}, []
    for name, table in tables.items():
        chosen = _choose(name, table, block)
        parts = [_change(table, name, chosen, block)]
        for number, (defect, rows) in enumerate(chosen.items()):
            planted.append(_count(table, rows, name, defect))
            if defect not in CHANGED and len(rows):
                own = replace(block, first_id=block.first_id + number * (FIRST_ADDED // 10))
                parts.append(_spoilt(table.take(pa.array(rows)), name, defect, own))
        result[name] = pa.concat_tables(parts).combine_chunks()
    counted = pa.concat_tables(planted).group_by(["subject_id", "table", "defect"])
    return result, counted.aggregate([("rows", "sum")]).rename_columns(
        ["subject_id", "table", "defect", "rows"]
    ).sort_by([("subject_id", "ascending"), ("table", "ascending"), ("defect", "ascending")])


def _describe(tables: dict[str, pa.Table], rng: np.random.Generator, first_id: int) -> _Block:
    person = tables["person"]["person_id"].to_numpy()
    period, death = tables["observation_period"], np.full(len(person), NEVER)
    dead = np.searchsorted(person, tables["death"]["person_id"].to_numpy())
    death[dead] = _days(tables["death"]["death_date"])
    return _Block(
        person,
        _days(period["observation_period_start_date"]),
        _days(period["observation_period_end_date"]),
        death,
        first_id,
        rng,
    )


def _choose(name: str, table: pa.Table, block: _Block) -> dict[str, Int]:
    """Rows that get each defect, no row two."""
    free = np.ones(len(table), dtype=bool)
    chosen = {}
    for defect, rate in _rates(name).items():
        rows = np.flatnonzero(free & _possible(table, name, defect, block))
        size = int(block.rng.binomial(len(rows), rate))
        chosen[defect] = np.sort(block.rng.choice(rows, size, replace=False))
        free[chosen[defect]] = False
    return chosen


def _rates(name: str) -> dict[str, float]:
    if name == "person":
        return dict.fromkeys(OTHER_DEFECTS[name], PERSON_RATE)
    if name in OTHER_DEFECTS:
        return {defect: ADDED[defect] for defect in OTHER_DEFECTS[name]}
    return EVENT_DEFECTS


def _possible(table: pa.Table, name: str, defect: str, block: _Block) -> Bool:
    """Which rows can have a defect."""
    if defect == "after_death":
        dead: Bool = block.death[block.place(table)] < NEVER
        return dead
    if defect == "no_mapping":
        return np.asarray(table[_concept(name)].to_numpy() != 0)
    if defect == "detached":
        return np.asarray(_shift(table, name, block) != 0)
    return np.ones(len(table), dtype=bool)


def _shift(table: pa.Table, name: str, block: _Block) -> Int:
    """Days by which a row can be moved within its person's record, 0 where it can't."""
    day, place = _days(table[_date(name)]), block.place(table)
    later = day + DETACHED_DAYS <= block.last[place]
    earlier = day - DETACHED_DAYS >= block.first[place]
    return np.where(later, DETACHED_DAYS, np.where(earlier, -DETACHED_DAYS, 0))


def _change(table: pa.Table, name: str, chosen: dict[str, Int], block: _Block) -> pa.Table:
    """Make the changes that keep a row."""
    if name in OTHER_DEFECTS:
        return table
    shift = np.zeros(len(table), dtype=np.int64)
    shift[chosen["detached"]] = _shift(table, name, block)[chosen["detached"]]
    table = _moved(table, shift)
    table = _set(table, "visit_occurrence_id", _mask(table, chosen["null_visit_id"]), None)
    return _set(table, _concept(name), _mask(table, chosen["no_mapping"]), 0)


def _spoilt(rows: pa.Table, name: str, defect: str, block: _Block) -> pa.Table:
    """Copies of good rows with one defect."""
    every = np.ones(len(rows), dtype=bool)
    if defect == "duplicate":
        return rows if name in OTHER_DEFECTS else _numbered(rows, name, block.first_id)
    rows = _numbered(rows, name, block.first_id)
    if name == "person":
        return _birth(rows, None if defect == "no_date" else 1800)
    if defect == "unknown_person":
        unknown = rows["person_id"].to_numpy() + UNKNOWN
        return rows.set_column(_index(rows, "person_id"), "person_id", pa.array(unknown))
    if defect == "no_concept":
        rows = _set(rows, _concept(name), every, 0)
        return _set(rows, _concept(name).replace("concept_id", "source_value"), every, None)
    if defect == "no_date":
        for column in _timed(rows):
            rows = _set(rows, column, every, None)
        return rows
    if "visit_occurrence_id" in rows.column_names and name != "visit_occurrence":
        rows = _set(rows, "visit_occurrence_id", every, None)  # no date outside its visit as well
    day = np.full(len(rows), LONG_AGO)
    if defect == "after_death":
        day = block.death[block.place(rows)] + AFTER_DEATH_DAYS
    return _moved(rows, day - _days(rows[_date(name)]))


def _numbered(rows: pa.Table, name: str, first_id: int) -> pa.Table:
    """Give added rows ids of their own; a death has none."""
    column = f"{name}_id"
    if column not in rows.column_names:
        return rows
    return rows.set_column(
        _index(rows, column), column, pa.array(first_id + np.arange(len(rows), dtype=np.int64))
    )


def _birth(rows: pa.Table, year: int | None) -> pa.Table:
    """Persons born in ``year``, or without any year."""
    every = np.ones(len(rows), dtype=bool)
    rows = _set(rows, "year_of_birth", every, year)
    return _set(rows, "birth_datetime", every, None)


def _moved(table: pa.Table, days: Int) -> pa.Table:
    """Rows with all their dates moved by so many days."""
    for column in _timed(table):
        kind = table[column].type
        step = days if pa.types.is_date32(kind) else days * MICROSECONDS_A_DAY
        moved = table[column].cast(_number(kind)).to_numpy() + step
        array = pa.array(moved, type=_number(kind)).cast(kind)
        table = table.set_column(_index(table, column), column, array)
    return table


def _set(table: pa.Table, column: str, mask: Bool, value: int | None) -> pa.Table:
    """``table`` with ``value`` in the rows of ``mask``."""
    old = table[column].combine_chunks()
    new = pc.if_else(pa.array(mask), pa.scalar(value, type=old.type), old)
    return table.set_column(_index(table, column), column, new)


def _count(table: pa.Table, rows: Int, name: str, defect: str) -> pa.Table:
    """Person, table, defect and one row for each of ``rows``."""
    size = len(rows)
    return pa.table(
        {
            "subject_id": table["person_id"].take(pa.array(rows)).combine_chunks(),
            "table": pa.array([name] * size, pa.string()),
            "defect": pa.array([defect] * size, pa.string()),
            "rows": pa.array(np.ones(size, dtype=np.int32)),
        }
    )


def _mask(table: pa.Table, rows: Int) -> Bool:
    mask = np.zeros(len(table), dtype=bool)
    mask[rows] = True
    return mask


def _days(column: pa.ChunkedArray) -> Int:
    return np.asarray(column.cast(pa.int32()).to_numpy(), dtype=np.int64)


def _number(kind: pa.DataType) -> pa.DataType:
    return pa.int32() if pa.types.is_date32(kind) else pa.int64()


def _index(table: pa.Table, column: str) -> int:
    return int(table.column_names.index(column))


def _date(name: str) -> str:
    """Column with the day of a table's rows."""
    return DATES.get(name, f"{name}_date")


def _concept(name: str) -> str:
    return f"{name.partition('_')[0]}_concept_id"


def _timed(table: pa.Table) -> list[str]:
    """Columns with the day and time of the rows, and a visit's or period's end."""
    return [
        field.name
        for field in table.schema
        if pa.types.is_temporal(field.type) and not field.name.startswith("birth")
    ]
