"""Write a target's visits in a source's vocabulary, and say how much of them it has.

The columns of the target's visits.arrow stay but for the ids in ``visits`` and ``targets``. In a
visit (or a single code, where that is a step) each id stands once, sorted, whatever several of the
target's codes became one. So a model of the source scores the file as it is, and a hospital that is
translated into its own vocabulary has the same file as before.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.encode.layout import write_record_batch
from visitseq.encode.sequences import open_batch, read_visit_lists
from visitseq.encode.vocabulary import count_by_part, vocabulary_table
from visitseq.tables import SHARED_ANCESTORS, vocabulary_schema, write_parquet
from visitseq.transfer.coverage import code_coverage, patient_coverage, persons_in_both, with_reason
from visitseq.transfer.joint_vocabulary import (
    JointVocabulary,
    join_vocabularies,
    shared_ancestors,
)
from visitseq.transfer.mapping import mapped_number, read_mapping

log = logging.getLogger(__name__)

Integers = npt.NDArray[np.int64]

#: Visits that are sorted at once.
BLOCK = 500_000


class _Translated(NamedTuple):
    """A column of visits.arrow in a joint vocabulary.

    Attributes
    ----------
    joint
        The vocabulary.
    lists
        The column.
    vocabulary
        Table of vocabulary.parquet, or of labels.parquet; it counts the target's visits.
    candidates
        Of ``shared_ancestors``.
    """

    joint: JointVocabulary
    lists: pa.ListArray
    vocabulary: pa.Table
    candidates: pa.Table


def translate_visits(
    *,
    visits: Path,
    vocabulary: Path,
    source_vocabulary: Path,
    ancestors: Path,
    folder: Path,
    labels: Path | None = None,
    source_labels: Path | None = None,
    source_visits: Path | None = None,
    mapping: Path | None = None,
    same_persons: bool = False,
) -> None:
    """Write visits.arrow, vocabulary.parquet, ancestors.parquet and coverage.json of a pair.

    Parameters
    ----------
    visits, vocabulary, labels
        The target's visits.arrow, vocabulary.parquet and, where visits are asked, labels.parquet.
    source_vocabulary, source_labels
        The source's.
    ancestors
        The target's ancestors.parquet of stage 1.
    folder
        Where the files go; labels.parquet besides where visits are asked.
    source_visits
        The source's visits.arrow; None of a model that came without records.
    mapping
        CSV file of target_code and source_code; None where codes are shared.
    same_persons
        Whether a person has the same id in both.

    Raises
    ------
    UserError
        The mapping is no such file.
    """
    pairs, above = read_mapping(mapping) if mapping else None, pq.read_table(ancestors)
    batch = open_batch(visits)
    files = {"visits": (vocabulary, source_vocabulary)}
    if labels is not None and source_labels is not None:
        files["targets"] = (labels, source_labels)
    found = {
        column: _translated(batch, column, tuple(map(pq.read_table, paths)), above, pairs)
        for column, paths in files.items()
    }
    for column, (own, _) in files.items():
        write_parquet(found[column].vocabulary, folder / own.name)
    write_parquet(_ancestors_table(found), folder / "ancestors.parquet")
    arrays = [
        found[name].lists if name in found else batch.column(name) for name in batch.schema.names
    ]
    write_record_batch(
        pa.RecordBatch.from_arrays(arrays, schema=batch.schema), folder / "visits.arrow"
    )
    at_source = {
        column: _standing(pq.read_table(source)) if source_visits else None
        for column, (_, source) in files.items()
    }
    content = _coverage(found, at_source)
    content |= _of_patients(found["visits"].joint, folder / "visits.arrow", source_visits)
    content["persons"] = persons_in_both(visits, source_visits, same_persons=same_persons)
    text = json.dumps(content, indent=2) + "\n"
    (folder / "coverage.json").write_text(text, encoding="utf-8")
    if pairs is not None:
        held = mapped_number(found["visits"].joint.own, pairs)
        log.info("%d of the mapping's %d codes stand in the target's visits", held, len(pairs))
    log.info(
        "%(target)d codes, %(shared)d of them the source's, %(with_ancestor)d others with an "
        "ancestor there",
        content["codes"],
    )
    log.info("persons in both: %(relation)s, %(in_both)s", content["persons"])


def _translated(
    batch: pa.RecordBatch,
    column: str,
    vocabularies: tuple[pa.Table, ...],
    ancestors: pa.Table,
    mapping: pa.Table | None,
) -> _Translated:
    """Translate a column; ``vocabularies`` are the target's and the source's."""
    own, source = vocabularies
    joint = join_vocabularies(source, own, mapping)
    lists = translate_lists(batch.column(column), joint.ids)
    parts = len(own.column_names) - len(vocabulary_schema(0))
    counts = _count(batch, lists, (parts, len(joint.names)))
    names = joint.names["code"].combine_chunks()
    vocabulary = vocabulary_table(names, counts, joint.names)
    return _Translated(joint, lists, vocabulary, shared_ancestors(joint, ancestors, mapping))


def _count(batch: pa.RecordBatch, lists: pa.ListArray, shape: tuple[int, int]) -> Integers:
    """In how many visits of each part every code stands, shape (parts, codes)."""
    row_ends = lists.values.offsets.to_numpy()[lists.offsets.to_numpy()]
    row = np.repeat(np.arange(len(lists), dtype=np.int32), np.diff(row_ends))
    rows = pa.Table.from_batches([batch]).select(["part"])
    return count_by_part(rows, row, lists.values.values.to_numpy(), shape)


def translate_lists(lists: pa.ListArray, ids: npt.NDArray[np.int32]) -> pa.ListArray:
    """Write other ids into the innermost lists, in each of which an id then stands once, sorted.

    Parameters
    ----------
    lists
        A column list<list<int32>> of visits.arrow.
    ids
        New id of each old one, shape (old ids,).
    """
    offsets, codes = lists.values.offsets.to_numpy(), lists.values.values.to_numpy()
    sizes, found = [np.zeros(1, np.int64)], [np.empty(0, np.int32)]
    for first in range(0, len(offsets) - 1, BLOCK):
        ends = offsets[first : first + BLOCK + 1]
        visit = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        keys = (visit << 32) + ids[codes[ends[0] : ends[-1]]]
        keys.sort()
        once = keys[np.diff(keys, prepend=-1) > 0]
        sizes.append(np.bincount(once >> 32, minlength=len(ends) - 1))
        found.append((once & 0xFFFFFFFF).astype(np.int32))
    ends = np.cumsum(np.concatenate(sizes)).astype(np.int32)
    inner = pa.ListArray.from_arrays(pa.array(ends), pa.array(np.concatenate(found)))
    return pa.ListArray.from_arrays(lists.offsets, inner)


def _ancestors_table(found: Mapping[str, _Translated]) -> pa.Table:
    kinds = {"visits": "code", "targets": "label"}
    tables = [
        own.candidates.add_column(
            0, "of", pa.array([kinds[column]] * len(own.candidates), "string")
        )
        for column, own in found.items()
    ]
    return pa.concat_tables(tables).select(SHARED_ANCESTORS.names).cast(SHARED_ANCESTORS)


def _standing(vocabulary: pa.Table) -> Integers:
    """In how many visits of all parts each code of a vocabulary stands."""
    names = [name for name in vocabulary.column_names if name.startswith("part_")]
    parts = np.stack([vocabulary[name].to_numpy() for name in names])
    return np.asarray(parts.sum(axis=0))


def _coverage(
    found: Mapping[str, _Translated], at_source: Mapping[str, Integers | None]
) -> dict[str, Any]:
    """Coverage by code and by event, of codes and, where there are any, of labels."""
    shares = {
        column: code_coverage(
            own.joint,
            len(own.candidates["id"].unique()),
            _standing(own.vocabulary),
            at_source[column],
        )
        for column, own in found.items()
    }
    of_codes = shares.pop("visits")
    known = of_codes["by_event"]["target_in_source"]
    unknown = {"unknown_rate": None if known is None else 1 - known}
    return of_codes | ({"labels": shares["targets"]} if shares else {}) | unknown


def _of_patients(
    joint: JointVocabulary, visits: Path, source_visits: Path | None
) -> dict[str, Any]:
    """Coverage by patient; ``visits`` are the translated ones."""
    is_source = np.arange(len(joint.names)) < joint.source
    shares = {"target_in_source": patient_coverage(read_visit_lists(visits), is_source)}
    if source_visits is not None:
        own = read_visit_lists(source_visits)
        shares["source_in_target"] = patient_coverage(own, joint.in_target)
    return {"by_patient": with_reason(shares)}
