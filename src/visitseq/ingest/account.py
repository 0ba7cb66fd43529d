"""Why rows of a site's tables are dropped: rows read = rows kept + rows dropped, by reason."""

from collections import Counter
from typing import Any

import duckdb

from visitseq.ingest.outputs import sql

#: Rows of each table by reason; those that are kept are 'kept'.
Rows = dict[str, Counter[str]]


def checked(dated: str) -> str:
    """Query that gives the rows of the query ``dated``, and why each is dropped if it is."""
    return f"WITH dated AS (\n{dated}\n)\n{sql('checked')}"


def count_reasons(connection: duckdb.DuckDBPyConnection, relation: str) -> Counter[str]:
    """Count the rows of ``relation`` by reason; rows without one are 'kept'."""
    counted = connection.execute(
        f"SELECT coalesce(reason, 'kept'), count(*) FROM {relation} GROUP BY ALL"
    ).fetchall()
    return Counter(dict(counted))


def drop_duplicates(count: Counter[str], unique: int) -> None:
    """Call ``duplicate`` what of the kept rows is not among the ``unique`` ones."""
    count["duplicate"] += count["kept"] - unique
    count["kept"] = unique


def account(count: Counter[str]) -> dict[str, Any]:
    """Return what summary.json says of a table."""
    dropped = {reason: n for reason, n in sorted(count.items()) if reason != "kept" and n}
    return {"read": count.total(), "kept": count["kept"], "dropped": dropped}
