"""Pre-trained code vectors in a file: vectors.safetensors, a row for each id of the vocabulary.

Every row is a vector of ``dimension`` numbers (float32). A code that the fold's corpus lacks has
the vector 0; no model of the fold knows such a code.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save

#: The name of the one tensor in the file.
NAME = "vectors"


def write_vectors(vectors: npt.NDArray[np.float32], path: Path) -> None:
    """Write vectors.safetensors; ``vectors`` are of shape (vocabulary, dimension)."""
    path.write_bytes(save({NAME: vectors}))


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
