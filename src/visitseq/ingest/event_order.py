"""Events in a total order, each of them once.

A row's columns are folded into one integer that orders rows as the columns do, one after the
other: the number of a row's value in the first column, times how many values the second may have,
plus its number in the second, and so on. A value's number is its distance from the least; where
that would not fit into 64 bits, a column's values, or what is folded so far, are numbered anew
without gaps, which needs no more numbers than there are rows. To sort these integers takes less
time than to compare the rows column by column, and rows that agree in all columns have the same
one.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]

#: Events that agree in these are one.
KEY = ("subject_id", "time", "code_id", "visit_id", "numeric_value")

_NUMBERS = 2**63


def sort_events(events: pa.Table) -> pa.Table:
    """Put events in the order of the columns ``KEY``, nulls first, and leave each once.

    Of events that agree in all but the source code the one with the smallest source code, by bytes,
    is left; one without a source code only if none has one.

    Parameters
    ----------
    events
        Has the columns ``KEY`` and ``source_code``. A numeric value of -0 becomes 0.
    """
    # Of 0 and -0, which are equal, there would be left the one that happened to come first.
    number = pc.add(events["numeric_value"], pa.scalar(0, pa.float32()))
    events = events.set_column(events.column_names.index("numeric_value"), "numeric_value", number)
    key = order_key([events[name] for name in KEY])
    order = np.argsort(key)
    key = key[order]
    is_first = np.ones(len(key), dtype=bool)
    np.not_equal(key[1:], key[:-1], out=is_first[1:])
    if not is_first.all():
        starts = np.flatnonzero(is_first)
        _put_smallest_first(order, key, np.diff(starts, append=len(key)), events["source_code"])
        order = order[starts]
    return events.take(pa.array(order))


def order_key(columns: list[pa.ChunkedArray]) -> Ints:
    """Integers that order rows as ``columns`` do, one after the other, nulls first.

    Parameters
    ----------
    columns
        Integers, floats or times in microseconds, shape (rows,) each; fewer than 2^31 rows.

    Returns
    -------
    numpy.ndarray
        Shape (rows,); the same for rows that agree in all columns.
    """
    key, size = np.zeros(len(columns[0]), dtype=np.int64), 1
    for column in columns:
        if column.null_count == len(column):
            continue
        values, count = _numbered(column)
        if size * count > _NUMBERS and size > count:
            key, size = _without_gaps(key)
        if size * count > _NUMBERS:
            values, count = _without_gaps(values)
        if size * count > _NUMBERS:
            key, size = _without_gaps(key)
        # In place: fresh memory costs more time than the arithmetic.
        key *= count
        key += values
        size *= count
    return key


def _numbered(column: pa.ChunkedArray) -> tuple[Ints, int]:
    """Numbers from 0 that order a column's values, nulls first; and how many numbers there are."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    low, high = pc.min_max(column).as_py().values()
    values = column.fill_null(low).to_numpy()
    if pa.types.is_floating(column.type) or high - low + 2 > _NUMBERS:
        numbers, count = _without_gaps(values)
    else:
        numbers, count = np.subtract(values, low, dtype=np.int64), high - low + 1
    if column.null_count:
        numbers += 1
        numbers[column.is_null().to_numpy()] = 0
        count += 1
    return numbers, count


def _without_gaps(values: npt.NDArray[np.generic]) -> tuple[Ints, int]:
    """Number values from 0 in their order, and count the numbers."""
    order = np.argsort(values)
    ascending = values[order]
    numbers = np.empty(len(values), dtype=np.int64)
    numbers[order] = np.cumsum(np.concatenate([[False], ascending[1:] != ascending[:-1]]))
    return numbers, int(numbers[order[-1]]) + 1


def _put_smallest_first(
    order: Ints, key: Ints, lengths: Ints, source_code: pa.ChunkedArray
) -> None:
    """Sort ``order`` by the source code within each run of the same key, where there are several.

    Parameters
    ----------
    order, key
        Rows in order, and the key of each in that order.
    lengths
        Of the runs.
    source_code
        Of each row.
    """
    several = np.repeat(lengths > 1, lengths)
    rows = order[several]
    of_rows = pa.table({"key": key[several], "source_code": source_code.take(pa.array(rows))})
    by_code = [("key", "ascending"), ("source_code", "ascending")]
    order[several] = rows[pc.sort_indices(of_rows, sort_keys=by_code).to_numpy()]
