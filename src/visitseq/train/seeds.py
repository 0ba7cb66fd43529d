"""Where the random numbers of a network's training come from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def seed_sequence(
    seed: int, fold: int, model: Mapping[str, Any], arm: Sequence[int] = ()
) -> np.random.SeedSequence:
    """Seeds of one training: of the run, of the fold and of the model.

    Models that differ in ``seed`` alone are replicates: of the same rows they differ in the initial
    weights, the dropout and the order of the batches. A seed of 0 is the same as none. At another
    hospital a model is trained several times over, and ``arm`` (``transfer.arms.Arm.entropy``:
    strategy, fraction and draw) sets these apart.
    """
    return np.random.SeedSequence([seed, fold, model["seed"], *arm])
