"""Number codes, and count in how many visits of each part they stand.

All parts share one numbering. What a fold knows of it is decided later, from the counts of its
training parts.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.errors import UserError
from visitseq.tables import vocabulary_schema

_LARGEST_OFFSET = 2**31 - 1


def check_size(codes: int) -> None:
    """Raise a UserError where ``codes`` are more than 32-bit offsets can address."""
    if codes > _LARGEST_OFFSET:
        raise UserError(
            f"The visits hold {codes} codes, more than the {_LARGEST_OFFSET} that one file can "
            "address. Shorten observation_months, name fewer domains, or cap the cohort."
        )


def number_codes(codes: pa.ChunkedArray) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """Vocabulary of ``codes`` in byte order, and the id of each of them."""
    encoded = codes.dictionary_encode().combine_chunks()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return encoded.dictionary.take(pa.array(order)), rank[encoded.indices.to_numpy()]


def count_by_part(
    rows: pa.Table,
    row: npt.NDArray[np.int32],
    ids: npt.NDArray[np.int32],
    shape: tuple[int, int],
) -> npt.NDArray[np.int64]:
    """In how many visits of each part every code stands, shape (parts, codes).

    A code stands once in a visit, so its occurrences, by cohort ``row``, are its visits.
    """
    part = rows["part"].to_numpy()[row]
    cell = np.ravel_multi_index((part, ids), shape)
    return np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)


def vocabulary_table(
    names: pa.Array, counts: npt.NDArray[np.int64], code_table: pa.Table
) -> pa.Table:
    """Table of vocabulary.parquet; ``counts`` are those of ``count_by_part``."""
    described = pc.index_in(names, value_set=code_table["code"].combine_chunks())
    columns = {
        "id": np.arange(len(names), dtype=np.int32),
        "code": names,
        "description": code_table["description"].combine_chunks().take(described),
    }
    columns |= {f"part_{part}": visits for part, visits in enumerate(counts)}
    return pa.table(columns).cast(vocabulary_schema(len(counts)))
