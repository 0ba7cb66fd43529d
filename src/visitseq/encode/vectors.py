"""Pre-trained code vectors in a file: vectors.safetensors, a row for each id of the vocabulary.

Every row is a vector of ``dimension`` numbers (float32). A code for which none was learned has the
vector 0. Where the vectors were learned from the site's whole records, vectors.parquet has them by
the names of the codes, and each task's file has those that its vocabulary asks for. The metadata of
both files hold ``persons``, the digest of those whose records were read (``digest_of_persons``).
"""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from safetensors import safe_open
from safetensors.numpy import load_file, save

log = logging.getLogger(__name__)

#: The name of the one tensor in the file.
NAME = "vectors"


def place_vectors(*, vectors: Path, vocabulary: Path, folder: Path) -> None:
    """Write vectors.safetensors of a task: the site's vectors of the codes of its vocabulary.

    Parameters
    ----------
    vectors
        File vectors.parquet of the site, encoding and fold.
    vocabulary
        File vocabulary.parquet of the task and encoding.
    folder
        Where the file goes.
    """
    names = pq.read_table(vocabulary)["code"].combine_chunks()
    learned = pq.read_table(vectors)
    placed = place_rows(learned, names)
    persons = learned.schema.metadata[b"persons"].decode()
    write_vectors(placed, folder / "vectors.safetensors", persons)
    log.info("vectors of %d of %d codes", np.count_nonzero(placed.any(axis=1)), len(names))


def place_rows(learned: pa.Table, names: pa.Array) -> npt.NDArray[np.float32]:
    """Vectors of codes, shape (names, dimension), 0 where none was learned.

    Parameters
    ----------
    learned
        Table of vectors.parquet (``tables.vectors_schema``).
    names
        Names of the codes.
    """
    lists = learned["vector"].combine_chunks()
    vectors = lists.flatten().to_numpy().reshape(len(lists), lists.type.list_size)
    place = pc.index_in(names, value_set=learned["code"].combine_chunks()).fill_null(-1).to_numpy()
    placed = np.zeros((len(names), lists.type.list_size), dtype=np.float32)
    placed[place >= 0] = vectors[place[place >= 0]]
    return placed


def write_vectors(vectors: npt.NDArray[np.float32], path: Path, persons: str) -> None:
    """Write vectors.safetensors; ``vectors`` are of shape (vocabulary, dimension)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save({NAME: vectors}, metadata={"persons": persons}))


def persons_of_vectors(path: Path) -> str:
    """Digest of the persons whose records the vectors of a file were learned from."""
    with safe_open(path, framework="numpy") as file:
        persons: str = file.metadata()["persons"]
        return persons


def read_vectors(path: Path, known: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Vectors of the codes that a fold knows, shape (known, dimension).

    Parameters
    ----------
    path
        File vectors.safetensors of a fold.
    known
        Vocabulary ids, ascending.
    """
    vectors: npt.NDArray[np.float32] = load_file(path)[NAME][known]
    return vectors
