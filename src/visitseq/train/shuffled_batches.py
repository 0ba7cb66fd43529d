"""Cut rows into batches of similar length, in random order.

A batch takes as many steps as its longest row has visits, so rows of unlike length in one batch
leave most of the later steps almost empty. Sorting all rows by length would mend that, but length
tells the label (cases have more visits): every batch would then pull the score its own way. In
between: shuffle the rows, cut them into pools of a few batches, sort each pool by length, cut it
into batches, and shuffle the batches.
"""

import numpy as np
import numpy.typing as npt

from visitseq.encode.sequences import Integers

#: Batches in a pool. With lengths as in a cohort (geometric) 10 take 0.3 of the steps of unsorted
#: batches, and one pool of all rows takes 0.2; the AUROC falls as pools grow.
POOL = 10


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
