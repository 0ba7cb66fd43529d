"""Cut rows into batches of similar length, in random order.

A batch costs one step a visit of its longest row, so rows of unlike length in one batch leave most
of the later steps almost empty. Sorting all rows by length would mend that, but the same rows
would then meet in every epoch. In between: shuffle the rows, cut them into pools of many batches,
sort each pool by length, cut it into batches, and shuffle the batches.
"""

import numpy as np
import numpy.typing as npt

from visitseq.encode.sequences import Integers

#: Batches in a pool: with 100, a batch spans about a hundredth of the lengths' distribution.
POOL = 100


def shuffled_batches(
    lengths: Integers, size: int, generator: np.random.Generator
) -> list[npt.NDArray[np.intp]]:
    """Places of ``lengths`` in batches of ``size``, each place in one batch, one batch smaller.

    Parameters
    ----------
    lengths
        Visits of each row, shape (rows,).
    size
        Rows a batch.
    generator
        Decides the order; the same state gives the same batches.
    """
    shuffled = generator.permutation(len(lengths))
    pools = np.arange(len(lengths)) // (size * POOL)
    ordered = shuffled[np.lexsort([lengths[shuffled], pools])]
    batches = [ordered[first : first + size] for first in range(0, len(ordered), size)]
    return [batches[place] for place in generator.permutation(len(batches))]
