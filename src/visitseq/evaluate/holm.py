"""Holm's correction: several tests at once, without a claim more than their level allows.

The p-values of a family of m tests, in rising order, are multiplied by m, m - 1, ..., 1; a value is
raised to the one before it where it is smaller, and none is above 1 (Holm, Scandinavian Journal of
Statistics 1979;6:65). To reject what is below alpha then rejects a true hypothesis of the family
with a probability of at most alpha, however the tests depend on one another.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def holm(p_values: npt.ArrayLike) -> Floats:
    """Correct the p-values of one family, shape (tests,), in their own order."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    multiplied = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(multiplied), 1.0)
    return corrected
