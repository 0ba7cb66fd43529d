"""What a label stands for: its code, or what the task's ``rollup`` makes of it.

- ``none``: the code itself.
- ``icd3``: of a condition with an ICD source code its category, the code's first three characters
  (four of ICD-9's external causes): ``condition/icd9/428``, ``condition/icd10/I50``. Doctor AI's
  1,183 labels of diagnoses are these (Choi et al., MLHC 2016, Table 1).

What has no such category keeps its code, so that nothing is lost from the visit, and is counted: of
each domain ``not_rolled_up_condition`` beside ``rolled_up_condition``, the codes in visits that
were not and that were.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.encode.layout import Integers
from visitseq.encode.vocabulary import number_codes

#: What SQL asks for as ``source_codes``, by the task's ``rollup``: "" where unknown.
SOURCE_CODES = {
    "none": "NULL",
    "icd3": "list(DISTINCT coalesce(visit_event.source_code, ''))",
}

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
    visit, ids
        Visit of each label that stands, and its place in ``names``, shape (labels,).
    counts
        What was rolled up; empty where nothing was to be.
    """

    names: pa.Array
    visit: Integers
    ids: npt.NDArray[np.int32]
    counts: dict[str, int]


def roll_up(record: pa.Table, visit: Integers, domains: Sequence[str], rollup: str) -> Labels:
    """Labels of the codes in ``record``.

    Parameters
    ----------
    record
        Table with code and source_codes (``SOURCE_CODES``), a row a visit and code.
    visit
        Number of the visit of each row, ascending, shape (rows,).
    domains
        Domains of the codes.
    rollup
        none or icd3.
    """
    if rollup == "none":
        return _labels(record["code"], visit, {})
    pairs, row, pair = _pairs(record)
    names = [icd_category(code, source) for code, source in pairs]
    kept = pa.array(
        [name or code for name, (code, _) in zip(names, pairs, strict=True)], pa.string()
    )
    rolled = np.zeros(len(record), dtype=np.bool_)
    rolled[row[np.array([name is not None for name in names], dtype=np.bool_)[pair]]] = True
    counts = _count(record["code"], rolled, domains)
    return _labels(pa.chunked_array([kept.take(pa.array(pair))]), visit[row], counts)


def icd_category(code: str, source_code: str) -> str | None:
    """Category of a condition by its ICD source code, None where it has none.

    Parameters
    ----------
    code
        Of the event; of an event without concept it holds the source code.
    source_code
        ``<vocabulary>/<code>``, or a code alone, empty where unknown. With the vocabulary any
        spelling is read (dots, case and blanks are nothing); without it only one that is of
        ICD-9-CM or ICD-10 alone.
    """
    if not code.startswith(_CONDITION):
        return None
    spelt = re.sub(r"\s", "", source_code or code.removeprefix("condition/source/")).upper()
    found = _ICD.fullmatch(spelt)
    if found is not None:
        vocabulary, value = found[1], found[2].replace(".", "")
    elif _ICD9_ALONE.fullmatch(spelt):
        vocabulary, value = "ICD9", spelt.replace(".", "")
    elif _ICD10_ALONE.fullmatch(spelt):
        vocabulary, value = "ICD10", spelt
    else:
        return None
    size = 4 if vocabulary == "ICD9" and value.startswith("E") else 3
    return f"{_CONDITION}{vocabulary.lower()}/{value[:size]}" if len(value) >= size else None


def _pairs(record: pa.Table) -> tuple[list[tuple[str, str]], Integers, Integers]:
    """Different pairs of code and source code; row of ``record`` and pair of each that stands."""
    listed = record["source_codes"]
    flat = pa.chunked_array([chunk.flatten() for chunk in listed.chunks], pa.string())
    row = np.repeat(np.arange(len(record)), pc.list_value_length(listed).to_numpy())
    (codes, code), (sources, source) = number_codes(record["code"]), number_codes(flat)
    number, pair = np.unique(
        code[row].astype(np.int64) * len(sources) + source, return_inverse=True
    )
    of_code, of_source = np.divmod(number, max(len(sources), 1))
    taken = (codes.take(pa.array(of_code)), sources.take(pa.array(of_source)))
    return list(zip(*(column.to_pylist() for column in taken), strict=True)), row, pair


def _count(
    codes: pa.ChunkedArray, rolled: npt.NDArray[np.bool_], domains: Sequence[str]
) -> dict[str, int]:
    counts = {}
    for domain in domains:
        own = pc.starts_with(codes, f"{domain}/").to_numpy()
        counts[f"rolled_up_{domain}"] = int((own & rolled).sum())
        counts[f"not_rolled_up_{domain}"] = int((own & ~rolled).sum())
    return counts


def _labels(names: pa.ChunkedArray, visit: Integers, counts: dict[str, int]) -> Labels:
    own, ids = number_codes(names)
    cells = np.unique(visit.astype(np.int64) * max(len(own), 1) + ids)
    visits, once = np.divmod(cells, max(len(own), 1))
    return Labels(own, visits, once.astype(np.int32), counts)
