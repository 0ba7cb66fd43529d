"""What a block of persons is simulated with: the hospital and its random streams."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from visitseq.simulate.codebook import Codebook, load_codebook
from visitseq.simulate.parameters import PRESETS, Preset


@dataclass(frozen=True)
class Setting:
    """A hospital: its kind, its codes, and what its heart failure depends on.

    ``order_effect`` is the dial of heart_failure.py.
    """

    preset: Preset
    book: Codebook
    order_effect: float

    @classmethod
    def from_configuration(cls, site: Mapping[str, Any]) -> "Setting":
        """Setting of a filled section of the configuration of a simulated site."""
        preset = PRESETS[site["preset"]]
        return cls(preset, load_codebook(preset.dialect), site["order_effect"])


@dataclass(frozen=True)
class Streams:
    """The random streams of one block, one for each thing that is drawn."""

    life: np.random.Generator
    coming: np.random.Generator
    writing: np.random.Generator
    failing: np.random.Generator
    timing: np.random.Generator
    spoiling: np.random.Generator

    @classmethod
    def of_block(cls, seed: int, number: int) -> "Streams":
        """Streams of block ``number`` of a site with this ``seed``."""
        seeds = np.random.SeedSequence([seed, number]).spawn(6)
        return cls(*(np.random.Generator(np.random.PCG64(seed)) for seed in seeds))
