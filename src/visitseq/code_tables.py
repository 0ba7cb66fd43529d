"""The tables in ``visitseq/data``."""

import csv
from functools import cache
from pathlib import Path

import visitseq

DATA = Path(visitseq.__file__).parent / "data"

#: A row of a table, by column.
Row = dict[str, str]


@cache
def read_rows(name: str) -> list[Row]:
    """Rows of a table in ``visitseq/data``."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
