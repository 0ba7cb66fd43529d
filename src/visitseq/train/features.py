"""What a classical model sees of a row: in how many of its visits each code stands."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from visitseq.encode.sequences import Sequences, count_matrix


def counts(sequences: Sequences, known: npt.NDArray[np.int32]) -> sparse.csr_matrix:
    """Counts of the ``known`` codes, shape (rows, codes).

    A fold that knows no code has one empty column: scikit-learn refuses a matrix without any.
    """
    if not len(known):
        return sparse.csr_matrix((len(sequences), 1))
    return count_matrix(sequences, known)
