"""A cohort divided in time: learned from until a year, tested after it.

The rows after the year become the fold's test part, the rows until it keep the part that they have;
those of the fold's own test part go to its training parts. A matched set has one index date, and so
stands on one side. Who has a row on either side is left out of the later one: a control's row
alone, a case's with its set.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.audit.sample import set_of
from visitseq.cohort.parts import training_parts

#: The least share of the cases that is learned from or chosen by.
EARLIER_SHARE = 0.6


class DividedRows(NamedTuple):
    """Rows of cohort.parquet with the parts that they have in the test in time.

    ``left_out`` counts the rows that are no longer there, and the sets that went with their case.
    """

    rows: pa.Table
    year: int
    left_out: dict[str, int]


def divide_in_time(rows: pa.Table, fold: int, parts: int) -> DividedRows | None:
    """Divide a cohort at the first year until which ``EARLIER_SHARE`` of its cases had their index.

    Parameters
    ----------
    rows
        Table of cohort.parquet, of matched cases and controls.
    fold, parts
        The fold, whose test part the later rows become, and the number of parts of the site.

    Returns
    -------
    DividedRows
        None where all cases have their index in one year.
    """
    years = index_years(rows)
    year = last_early_year(years[rows["label"].to_numpy()])
    if year is None:
        return None
    later = years > year
    dropped, dropped_sets = _on_both_sides(rows, later)
    part, train_on = rows["part"].to_numpy(), np.array(training_parts(fold, parts))
    instead = train_on[set_of(rows) % len(train_on)]
    part = np.where(later, fold, np.where(part == fold, instead, part)).astype(np.int32)
    place = rows.schema.get_field_index("part")
    moved = rows.set_column(place, rows.schema.field(place), pa.array(part))
    left_out = {"rows": int(dropped.sum()), "sets": dropped_sets}
    return DividedRows(moved.filter(pa.array(~dropped)), year, left_out)


def index_years(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Calendar year of each row's index date, shape (rows,)."""
    years = rows["index_time"].to_numpy().astype("datetime64[Y]").astype(np.int64)
    return np.asarray(years + 1970)


def last_early_year(years: npt.NDArray[np.int64]) -> int | None:
    """First year until which at least ``EARLIER_SHARE`` of the cases have their index.

    Of the years before the last of a case, so that some case is left to be tested; None without
    one. ``years`` are those of the cases, shape (cases,).
    """
    found, counts = np.unique(years, return_counts=True)
    if len(found) < 2:
        return None
    share = np.cumsum(counts) / counts.sum()
    return int(found[min(int(np.argmax(share >= EARLIER_SHARE)), len(found) - 2)])


def _on_both_sides(
    rows: pa.Table, later: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], int]:
    """Which rows are left out for their person's earlier ones; how many sets with their case."""
    persons, label, sets = rows["subject_id"].to_numpy(), rows["label"].to_numpy(), set_of(rows)
    again = later & np.isin(persons, persons[~later])
    without_case = np.unique(sets[again & label])
    return again | np.isin(sets, without_case), len(without_case)
