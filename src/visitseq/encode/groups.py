"""Group codes: what a column of the one-hot means where ``vocabulary`` is ``groups``.

Each code of a visit is put into one group, the first of these that it has:

- ``condition/ccs/108``: a condition's category by its ICD-9-CM source code (``ccs.py``);
- ``drug/group/21601664``: an ancestor by the site's concept_ancestor, in the code's own domain. Of
  the ancestors at most ``level`` steps above the code the farthest is taken, and of several equally
  far the one with the smallest concept id;
- itself: a code without either stays as it is, so that nothing is lost from the record.

Steps are counted upwards, OMOP's min_levels_of_separation, because a code's own rows of
concept_ancestor suffice for them; depth below the top would need the ancestors' rows too, which
extracts of a vocabulary often lack. What is grouped depends on the code and its source alone:
nothing is fitted.
"""

import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.encode.ccs import ccs_category, ccs_labels
from visitseq.encode.layout import Integers
from visitseq.encode.vocabulary import number_codes

log = logging.getLogger(__name__)

#: How a code found its group; the last has none.
WAYS = ("ccs", "ancestor", "ungrouped")

#: What SQL asks for as ``source_codes``, by the encoding's ``vocabulary``: "" where unknown.
SOURCE_CODES = {
    "codes": "NULL",
    "groups": "list(DISTINCT coalesce(visit_event.source_code, ''))",
}

_CONDITION = "condition/"
CCS = "condition/ccs/"


@dataclass(frozen=True)
class Columns:
    """The codes of visits as the columns of the one-hot.

    Parameters
    ----------
    record
        Table with row, visit, day and code, sorted by row, visit and code, unique.
    names
        Table with code and description of all that ``code`` may hold.
    counts
        What was grouped, by way and domain: ``ccs_condition`` is how often such a code stands in a
        visit (with two source codes it stands twice), ``ccs_condition_codes`` how many different
        codes there are. Empty where nothing is grouped.
    """

    record: pa.Table
    names: pa.Table
    counts: dict[str, int]

    def log_counts(self) -> None:
        """Say what was grouped, where something was."""
        if self.counts:
            log.info("grouped: %s", ", ".join(f"{n} {name}" for name, n in self.counts.items()))


def columns_of(
    record: pa.Table, code_table: pa.Table, encoding: Mapping[str, Any], ancestors: pa.Table
) -> Columns:
    """Put groups in the place of codes, or leave them, as the encoding's ``vocabulary`` says.

    Parameters
    ----------
    record
        Table with row, visit, day, code and source_codes (``SOURCE_CODES``), sorted by row, visit
        and code, unique.
    code_table
        The site's codes.parquet.
    encoding
        Filled section: vocabulary, level, domains.
    ancestors
        The site's ancestors.parquet.
    """
    if encoding["vocabulary"] == "codes":
        return Columns(record.drop_columns(["source_codes"]), code_table, {})
    pairs, place, pair = code_pairs(record)
    above = farthest(ancestors, encoding["level"])
    groups, ways = [], []
    for code, source in pairs:
        group, way = _group(code, source, above)
        groups.append(group)
        ways.append(way)
    counts = _count(pairs, np.bincount(pair, minlength=len(pairs)), ways, encoding["domains"])
    grouped = once_a_visit(record, groups, place, pair)
    return Columns(grouped, group_names(code_table, ancestors, groups), counts)


def code_pairs(record: pa.Table) -> tuple[list[tuple[str, str]], Integers, Integers]:
    """Different pairs of code and source code, and where they stand.

    Returns
    -------
    pairs, place, pair
        The pairs; and of each that stands in a visit its row in ``record`` and its number.
    """
    listed = record["source_codes"]
    flat = pa.chunked_array([chunk.flatten() for chunk in listed.chunks], pa.string())
    place = np.repeat(np.arange(len(record)), pc.list_value_length(listed).to_numpy())
    (codes, code), (sources, source) = number_codes(record["code"]), number_codes(flat)
    number, pair = np.unique(
        code[place].astype(np.int64) * len(sources) + source, return_inverse=True
    )
    of_code, of_source = np.divmod(number, max(len(sources), 1))
    taken = (codes.take(pa.array(of_code)), sources.take(pa.array(of_source)))
    return list(zip(*(column.to_pylist() for column in taken), strict=True)), place, pair


def farthest(ancestors: pa.Table, level: int) -> dict[str, str]:
    """Ancestor that each code is grouped into, for the codes that have one."""
    within = ancestors.filter((pc.field("levels") >= 1) & (pc.field("levels") <= level))
    columns = (within[name].to_pylist() for name in ("code", "levels", "ancestor"))
    found: dict[str, tuple[int, int, str]] = {}
    for code, steps, ancestor in zip(*columns, strict=True):
        concept = ancestor.partition("/")[2]
        # Of a MEDS data set an ancestor may be a code of any vocabulary; those come after concepts.
        place = (-steps, int(concept) if concept.isdecimal() else sys.maxsize, ancestor)
        found[code] = min(place, found.get(code, place))
    return {code: ancestor for code, (_, _, ancestor) in found.items()}


def _group(code: str, source: str, ancestors: Mapping[str, str]) -> tuple[str, str]:
    """Group of a code, and the way in which it was found."""
    if code.startswith(_CONDITION):
        category = ccs_category(source or code.removeprefix("condition/source/"))
        if category is not None:
            return f"{CCS}{category}", "ccs"
    if code in ancestors:
        return group_code(ancestors[code]), "ancestor"
    return code, "ungrouped"


def group_code(ancestor: str) -> str:
    """``drug/21601664`` as a group: ``drug/group/21601664``."""
    return ancestor.replace("/", "/group/", 1)


def _count(
    pairs: Sequence[tuple[str, str]],
    standing: Integers,
    ways: Sequence[str],
    domains: Sequence[str],
) -> dict[str, int]:
    """Count by way and domain; ``standing`` is in how many visits each pair stands."""
    events: Counter[str] = Counter()
    codes = set()
    for (code, _), number, way in zip(pairs, standing.tolist(), ways, strict=True):
        cell = f"{way}_{code.partition('/')[0]}"
        events[cell] += number
        codes.add((cell, code))
    distinct = Counter(cell for cell, _ in codes)
    counts: dict[str, int] = {}
    for way, domain in product(WAYS, domains):
        if way != "ccs" or domain == "condition":
            cell = f"{way}_{domain}"
            counts |= {cell: events[cell], f"{cell}_codes": distinct[cell]}
    return counts


def once_a_visit(
    record: pa.Table, groups: Sequence[str], place: Integers, pair: Integers
) -> pa.Table:
    """Put the groups of each row's pairs in the place of its code; in a visit each stands once."""
    names, of_pair = number_codes(pa.chunked_array([pa.array(groups, pa.string())]))
    group = of_pair[pair]
    row, visit = record["row"].to_numpy()[place], record["visit"].to_numpy()[place]
    order = np.lexsort((group, visit, row))
    cells = np.stack([row, visit, group])[:, order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = np.any(cells[:, 1:] != cells[:, :-1], axis=0)
    kept = order[begins]
    columns = record.select(["row", "visit", "day"]).take(pa.array(place[kept]))
    return columns.append_column("code", pa.chunked_array([names.take(pa.array(group[kept]))]))


def group_names(code_table: pa.Table, ancestors: pa.Table, groups: Sequence[str]) -> pa.Table:
    """Description of each group and each code: the category's label, the ancestor's name."""
    described = _described(code_table, "code")
    described |= {f"{CCS}{category}": label for category, label in ccs_labels().items()}
    named = _described(ancestors, "ancestor").items()
    described |= {group_code(ancestor): text for ancestor, text in named}
    codes = sorted({*groups} & described.keys())
    texts = [described[code] for code in codes]
    return pa.table(
        {"code": pa.array(codes, pa.string()), "description": pa.array(texts, pa.string())}
    )


def _described(table: pa.Table, column: str) -> dict[str, str | None]:
    """Description of each code in ``column``."""
    pairs = table.group_by([column, "description"]).aggregate([])
    return dict(zip(*(pairs[name].to_pylist() for name in (column, "description")), strict=True))
