"""How the learning rate changes from epoch to epoch.

    constant    a
    cosine      a (1 + cos(pi n / N)) / 2      in the epoch after n of at most N
                                               (Loshchilov and Hutter, ICLR 2017, equation 5)
    plateau     a / 2^k                        after k times two epochs in a row without a loss
                                               smaller than all before

Each is a function of the losses so far and of nothing else, so that training which goes on from a
checkpoint finds the rate again.
"""

import math
from collections.abc import Sequence

#: Epochs in a row without a smaller loss after which ``plateau`` halves the rate.
PATIENCE = 2


def learning_rate(schedule: str, first: float, losses: Sequence[float], epochs: int) -> float:
    """Learning rate of the epoch after those whose watched ``losses`` are given.

    Parameters
    ----------
    schedule
        constant, cosine or plateau.
    first
        Learning rate of the first epoch.
    losses
        Of the epochs so far, from the first.
    epochs
        Epochs at most.
    """
    if schedule == "cosine":
        return first * (1 + math.cos(math.pi * len(losses) / epochs)) / 2
    if schedule == "plateau":
        return math.ldexp(first, -_plateaus(losses))
    return first


def _plateaus(losses: Sequence[float]) -> int:
    smallest, waited, plateaus = math.inf, 0, 0
    for loss in losses:
        waited = 0 if loss < smallest else waited + 1
        smallest = min(smallest, loss)
        if waited == PATIENCE:
            plateaus, waited = plateaus + 1, 0
    return plateaus
