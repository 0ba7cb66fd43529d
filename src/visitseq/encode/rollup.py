"""What a label stands for: its code, or what the task's ``rollup`` makes of it.

- ``none``: the code itself.
- ``icd3``: of a condition with an ICD source code its category, the code's first three characters
  (four of ICD-9's external causes): ``condition/icd9/428``, ``condition/icd10/I50``. Doctor AI's
  1,183 labels of diagnoses are these (Choi et al., MLHC 2016, Table 1).
- ``ccs``: of a condition with an ICD-9-CM source code its CCS category: ``condition/ccs/108``.
- ``ancestor``: the ancestor at most ``level`` steps above, as groups.py takes it:
  ``drug/group/21601664``. With icd3 and ccs what is no condition is rolled up so, too: drugs by
  class.

What cannot be rolled up keeps its code, so that nothing is lost from the visit, and is counted: of
each domain ``not_rolled_up_condition`` beside ``rolled_up_condition``, the codes in visits that
were not and that were.

With ``vocabulary: rollup`` the codes that are read become the same, those of all the encoding's
domains.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.encode.ccs import ccs_category
from visitseq.encode.groups import (
    CCS,
    Columns,
    code_pairs,
    farthest,
    group_code,
    group_names,
    once_a_visit,
)
from visitseq.encode.layout import Integers
from visitseq.encode.vocabulary import number_codes

_CONDITION = "condition/"
# As phenotypes read them: ICD9CM, ICD9 and the like, but not the procedures of ICD9Proc.
_ICD = re.compile(r"(ICD9|ICD10)(?:[^P/0-9][^/]*)?/([^/]+)")
# Without a vocabulary, what can be nothing else: 428.0 and E880.1, I50.9. V10.1 is written in both.
_ICD9_ALONE = re.compile(r"[0-9]{3}\.[0-9]{1,2}|E[0-9]{3}\.[0-9]")
_ICD10_ALONE = re.compile(r"[A-UW-Z][0-9][0-9A-Z]\.[0-9A-Z]{1,4}")


@dataclass(frozen=True)
class Labels:
    """The labels of visits, sorted by visit and id, each once in a visit.

    Attributes
    ----------
    names
        All labels in byte order.
    described
        Table with code and description of labels that have one.
    visit, ids
        Visit of each label that stands, and its place in ``names``, shape (labels,).
    counts
        What was rolled up; empty where nothing was to be.
    """

    names: pa.Array
    described: pa.Table
    visit: Integers
    ids: npt.NDArray[np.int32]
    counts: dict[str, int]


def roll_up(
    record: pa.Table,
    visit: Integers,
    code_table: pa.Table,
    ancestors: pa.Table,
    task: Mapping[str, Any],
) -> Labels:
    """Labels of the codes in ``record``.

    Parameters
    ----------
    record
        Table with code and source_codes (``groups.SOURCE_CODES``), a row a visit and code.
    visit
        Number of the visit of each row, ascending, shape (rows,).
    code_table, ancestors
        The site's codes.parquet and ancestors.parquet.
    task
        Filled section: labels (the domains of the codes), rollup, level.
    """
    if task["rollup"] == "none":
        names, ids = number_codes(record["code"])
        return Labels(names, code_table, *_once(visit, ids, len(names)), counts={})
    found = _rolled_up(record, code_table, ancestors, task, task["labels"])
    names, of_pair = number_codes(pa.chunked_array([pa.array(found.names, pa.string())]))
    once = _once(visit[found.row], of_pair[found.pair], len(names))
    return Labels(names, found.described, *once, counts=found.counts)


def rolled_up_columns(
    record: pa.Table,
    code_table: pa.Table,
    ancestors: pa.Table,
    task: Mapping[str, Any],
    domains: Sequence[str],
) -> Columns:
    """Put what the task's ``rollup`` makes of the codes in their place, as its labels have it.

    Parameters
    ----------
    record
        Table with row, visit, day, code and source_codes, sorted by row, visit and code, unique.
    code_table, ancestors, task
        Of ``roll_up``; the rollup is not none.
    domains
        The domains of the codes, of which what was rolled up is counted.
    """
    found = _rolled_up(record, code_table, ancestors, task, domains)
    rolled_up = once_a_visit(record, found.names, found.row, found.pair)
    return Columns(rolled_up, found.described, found.counts)


class _RolledUp(NamedTuple):
    """What pairs of code and source code become, and where they stand (``groups.code_pairs``)."""

    names: list[str]
    row: Integers
    pair: Integers
    described: pa.Table
    counts: dict[str, int]


def _rolled_up(
    record: pa.Table,
    code_table: pa.Table,
    ancestors: pa.Table,
    task: Mapping[str, Any],
    domains: Sequence[str],
) -> _RolledUp:
    pairs, row, pair = code_pairs(record)
    label_of = _namer(ancestors, task)
    found = [label_of(code, source) for code, source in pairs]
    kept = [label or code for label, (code, _) in zip(found, pairs, strict=True)]
    rolled = np.zeros(len(record), dtype=np.bool_)
    rolled[row[np.array([label is not None for label in found], dtype=np.bool_)[pair]]] = True
    counts = _count(record["code"], rolled, domains)
    return _RolledUp(kept, row, pair, group_names(code_table, ancestors, kept), counts)


def _namer(ancestors: pa.Table, task: Mapping[str, Any]) -> Callable[[str, str], str | None]:
    """Label of a code and its source code, None where it can't be rolled up."""
    above, rollup = farthest(ancestors, task["level"]), task["rollup"]

    def label_of(code: str, source: str) -> str | None:
        if rollup == "ancestor" or not code.startswith(_CONDITION):
            return group_code(above[code]) if code in above else None
        if rollup == "icd3":
            return icd_category(code, source)
        category = ccs_category(source or code.removeprefix("condition/source/"))
        return None if category is None else f"{CCS}{category}"

    return label_of


def icd_category(code: str, source_code: str) -> str | None:
    """Category of a condition by its ICD source code, None where it has none.

    Parameters
    ----------
    code
        Of the event; of an event without concept it holds the source code.
    source_code
        ``<vocabulary>/<code>``, or a code alone, empty where unknown. With the vocabulary any
        spelling is read (case and blanks are nothing, and there may be no dot); without it only one
        that is of ICD-9-CM or ICD-10 alone. A dot anywhere but behind a category says that the code
        has lost its leading zeros: 38.9 is not 389.
    """
    if not code.startswith(_CONDITION):
        return None
    spelt = re.sub(r"\s", "", source_code or code.removeprefix("condition/source/")).upper()
    found = _ICD.fullmatch(spelt)
    if found is not None:
        vocabulary, value = found[1], found[2]
    elif _ICD9_ALONE.fullmatch(spelt):
        vocabulary, value = "ICD9", spelt
    elif _ICD10_ALONE.fullmatch(spelt):
        vocabulary, value = "ICD10", spelt
    else:
        return None
    size = 4 if vocabulary == "ICD9" and value.startswith("E") else 3
    if len(value) < size or "." in value[:size] or "." in value[size + 1 :]:
        return None
    return f"{_CONDITION}{vocabulary.lower()}/{value[:size]}"


def _count(
    codes: pa.ChunkedArray, rolled: npt.NDArray[np.bool_], domains: Sequence[str]
) -> dict[str, int]:
    counts = {}
    for domain in domains:
        own = pc.starts_with(codes, f"{domain}/").to_numpy()
        counts[f"rolled_up_{domain}"] = int((own & rolled).sum())
        counts[f"not_rolled_up_{domain}"] = int((own & ~rolled).sum())
    return counts


def _once(
    visit: Integers, ids: npt.NDArray[np.int32], width: int
) -> tuple[Integers, npt.NDArray[np.int32]]:
    """Visit and id of each label, sorted by both and each once; ids are below ``width``."""
    visits, once = np.divmod(np.unique(visit.astype(np.int64) * max(width, 1) + ids), max(width, 1))
    return visits, once.astype(np.int32)
