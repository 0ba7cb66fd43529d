"""A mapping of codes: how a target writes what the source writes otherwise.

It is a CSV file with the columns target_code and source_code, written as events.parquet has them
(``condition/source/428.0``, say). Several target codes may mean one source code.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from visitseq.errors import UserError

COLUMNS = ["target_code", "source_code"]


def read_mapping(path: Path) -> pa.Table:
    """Read a mapping.

    Returns
    -------
    pyarrow.Table
        Strings target_code, each once, and source_code.

    Raises
    ------
    UserError
        The file is no such CSV, a row lacks a code, or a target code stands twice.
    """
    as_text = csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
    try:
        table = csv.read_csv(path, convert_options=as_text)
    except pa.ArrowInvalid as error:
        raise UserError(f"Mapping {path}: it is no CSV file ({error}).") from None
    if table.column_names != COLUMNS:
        raise UserError(
            f"Mapping {path}: its columns are {', '.join(table.column_names)}. Name them "
            f"{', '.join(COLUMNS)}, in the first line."
        )
    blank = pc.or_(*(pc.equal(table[name], "") for name in COLUMNS))
    if pc.any(blank).as_py():
        raise UserError(
            f"Mapping {path}: {pc.sum(blank).as_py()} rows lack a code. Leave them out: a code "
            "that the file does not hold keeps its name."
        )
    counts = table.column("target_code").value_counts()
    twice = pc.sum(pc.greater(counts.field("counts"), 1)).as_py() if len(counts) else 0
    if twice:
        raise UserError(
            f"Mapping {path}: {twice} target codes stand in several rows. Leave one of each."
        )
    return table


def mapped(names: pa.Array, mapping: pa.Table | None) -> pa.Array:
    """Names as the source writes them; one that the mapping does not hold stays."""
    if mapping is None:
        return names
    place = pc.index_in(names, value_set=mapping["target_code"].combine_chunks())
    return pc.coalesce(mapping["source_code"].combine_chunks().take(place), names)


def mapped_number(names: pa.Array, mapping: pa.Table) -> int:
    """How many of the different ``names`` a mapping holds."""
    held = pc.is_in(names, value_set=mapping["target_code"].combine_chunks())
    return int(np.count_nonzero(held.to_numpy(zero_copy_only=False)))
