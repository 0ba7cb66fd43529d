"""What a MEDS data set says of its codes: descriptions, and the codes above each.

MEDS lists under ``parent_codes`` more general codes, which need not be the nearest ones nor all of
them: the ancestors of a code are found by going from parent to parent, the fewest steps counted. An
export keeps the ancestors with their steps and names in a column ``ancestors`` of its own, which is
read in their place.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.errors import UserError
from visitseq.ingest.meds_codes import Placed
from visitseq.ingest.meds_data import read_schema
from visitseq.tables import ANCESTORS, CODES

#: Of the column ``ancestors`` of an export.
ANCESTOR_LIST = pa.list_(
    pa.struct([("ancestor", pa.string()), ("levels", pa.int32()), ("description", pa.string())])
)
_METADATA = pa.schema([*CODES, ("ancestors", ANCESTOR_LIST)])


def read_metadata(name: str, path: Path | None) -> pa.Table:
    """Code, description, parent_codes and ancestors of metadata/codes.parquet; null where absent.

    Raises
    ------
    UserError
        The file is no Parquet, has no column code, or a column of another type than MEDS says.
    """
    if path is None:
        return _METADATA.empty_table()
    names = read_schema(name, path).names
    if "code" not in names:
        raise UserError(
            f"Site {name}: {path} has no column code, and has {', '.join(names)}. It is the code "
            "metadata of a MEDS data set; write it anew, or leave the file out."
        )
    wanted = [field for field in _METADATA.names if field in names]
    try:
        there = pq.read_table(path, columns=wanted)
        columns = [
            there[field.name] if field.name in names else pa.nulls(len(there), field.type)
            for field in _METADATA
        ]
        metadata = pa.table(columns, names=_METADATA.names).cast(_METADATA)
        metadata.validate(full=True)  # a broken page may hold text that is none
    except (pa.ArrowException, OSError):
        raise UserError(
            f"Site {name}: the columns {', '.join(wanted)} of {path} are damaged, or not as MEDS "
            "has them (text, text, list of text). Copy the file again, or write it anew."
        ) from None
    return metadata


def described_codes(metadata: pa.Table, placed: Mapping[str, Placed]) -> pa.Table:
    """The rows of ``metadata`` whose code the data holds, by its code in events.parquet."""
    rows = [
        {"code": placed[code].code, "description": description, "parent_codes": parents}
        for code, description, parents in _rows(metadata, "description", "parent_codes")
        if code in placed
    ]
    return pa.Table.from_pylist(rows, schema=CODES)


def code_ancestors(metadata: pa.Table, placed: Mapping[str, Placed]) -> pa.Table:
    """Ancestors of the codes that the data holds (``tables.ANCESTORS``, in no order)."""
    if metadata["ancestors"].null_count < len(metadata):
        rows = [
            {"code": code, **above}
            for code, ancestors in _rows(metadata, "ancestors")
            for above in ancestors or ()
            if code in placed
        ]
        return pa.Table.from_pylist(rows, schema=ANCESTORS)
    parents: dict[str, set[str]] = {}
    for code, own in _rows(metadata, "parent_codes"):
        parents.setdefault(code, set()).update(own or ())
    names = dict(_rows(metadata, "description"))
    rows = [
        {
            "code": own.code,
            "ancestor": _in_domain(ancestor, own.code),
            "levels": levels,
            "description": names.get(ancestor),
        }
        for code, own in placed.items()
        if own.kind == "event" and code in parents
        for ancestor, levels in _steps_above(code, parents).items()
    ]
    return pa.Table.from_pylist(rows, schema=ANCESTORS)


def _rows(metadata: pa.Table, *columns: str) -> Iterable[tuple]:  # type: ignore[type-arg]
    return zip(*(metadata[column].to_pylist() for column in ("code", *columns)), strict=True)


def _steps_above(code: str, parents: Mapping[str, set[str]]) -> dict[str, int]:
    """Fewest steps from a code up to each code above it."""
    steps, last, level = {code: 0}, {code}, 0
    while last:
        level += 1
        last = {above for below in last for above in parents.get(below, ())} - steps.keys()
        steps |= dict.fromkeys(last, level)
    del steps[code]
    return steps


def _in_domain(ancestor: str, code: str) -> str:
    """An ancestor's code in the domain of ``code``; one of an export has it already."""
    domain = code.partition("/")[0]
    return ancestor if ancestor.startswith(f"{domain}/") else f"{domain}/source/{ancestor}"
