"""Where the random numbers of a network's training come from."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def seed_sequence(seed: int, fold: int, model: Mapping[str, Any]) -> np.random.SeedSequence:
    """Seeds of one training: of the run, of the fold and of the model.

    Models that differ in ``seed`` alone are replicates: of the same rows they differ in the initial
    weights, the dropout and the order of the batches. A seed of 0 is the same as none.
    """
    return np.random.SeedSequence([seed, fold, model["seed"]])
