"""A target's code vectors in the vocabulary of a pair.

What is trained from scratch at the target starts from the target's own vectors. A code of the
source that the target lacks has the vector 0, as any code has for which none was learned. What
several of the target's codes became one has the mean of the vectors that were learned of them.
"""

import logging
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.encode.vectors import persons_of_vectors, read_vectors, write_vectors
from visitseq.transfer.mapping import mapped, read_mapping

log = logging.getLogger(__name__)


def translate_vectors(
    *,
    vectors: Path,
    own_vocabulary: Path,
    vocabulary: Path,
    folder: Path,
    mapping: Path | None = None,
) -> None:
    """Write vectors.safetensors of a pair and fold.

    Parameters
    ----------
    vectors, own_vocabulary
        The target's vectors.safetensors of the fold and its vocabulary.parquet.
    vocabulary
        vocabulary.parquet of the pair.
    folder
        Where the file goes.
    mapping
        CSV file of target_code and source_code; None where codes are shared.
    """
    own, names = (
        pq.read_table(path)["code"].combine_chunks() for path in (own_vocabulary, vocabulary)
    )
    pairs = read_mapping(mapping) if mapping else None
    place = pc.index_in(mapped(own, pairs), value_set=names).to_numpy()
    learned = read_vectors(vectors, np.arange(len(own), dtype=np.int32))
    found = learned.any(axis=1)
    sums = np.zeros((len(names), learned.shape[1]), dtype=np.float32)
    np.add.at(sums, place[found], learned[found])
    counts = np.bincount(place[found], minlength=len(names))
    sums /= np.maximum(counts, 1)[:, None]
    write_vectors(sums, folder / "vectors.safetensors", persons_of_vectors(vectors))
    log.info("vectors of %d of %d codes", np.count_nonzero(counts), len(names))
