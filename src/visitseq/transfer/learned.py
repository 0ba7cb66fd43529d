"""What passes between the frame and the models: the target's data, and an arm that has learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.cohort.parts import training_parts, validation_part
from visitseq.encode.sequences import Sequences
from visitseq.evaluate.bootstrap import Groups, resampling_groups
from visitseq.train.training_data import TrainingData
from visitseq.transfer.drawn_rows import DrawnRows

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int32]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Target:
    """The target's data of one fold, with the ids of the pair's vocabulary.

    Attributes
    ----------
    sequences
        All rows of the cohort, mapped.
    names
        Name of each code, by id.
    ancestors
        Table of the pair's ancestors.parquet.
    vectors
        File vectors.safetensors of the fold, or None.
    task, encoding
        Their sections of the configuration.
    fold, parts, seed
        The fold, the number of parts of a site, and the run's seed.
    """

    sequences: Sequences
    names: Sequence[str]
    ancestors: pa.Table
    vectors: Path | None
    task: Mapping[str, Any]
    encoding: Mapping[str, Any]
    fold: int
    parts: int
    seed: int

    @cached_property
    def training(self) -> Rows:
        """Rows of the training parts, ascending."""
        return self.sequences.rows_of_parts(training_parts(self.fold, self.parts))

    @cached_property
    def validation(self) -> Rows:
        """Rows of the validation part, ascending."""
        return self.sequences.rows_of_parts([validation_part(self.fold, self.parts)])

    @cached_property
    def test(self) -> Rows:
        """Rows of the test part, ascending; the same for all arms."""
        return self.sequences.rows_of_parts([self.fold])

    @cached_property
    def groups(self) -> Groups:
        """Matched set, or person, of each row."""
        columns = (self.sequences.set_id, pa.array(self.sequences.subject_id))
        return resampling_groups(*(pa.chunked_array([column]) for column in columns))

    def data(self, drawn: DrawnRows, known: Ids) -> TrainingData:
        """Give what an arm learns from, in the form that training at home has it.

        ``known`` are the ids of the codes that the arm knows, ascending.
        """
        return TrainingData(
            fold=self.fold,
            parts=self.parts,
            sequences=self.sequences,
            training=drawn.training,
            validation=drawn.validation,
            known=known,
            codes=[self.names[code] for code in known],
        )


class Learned(NamedTuple):
    """Scores of an arm.

    Attributes
    ----------
    validation, test
        Score of each drawn validation row and of each row of the test part at every epoch, from
        epoch 0 (before the first step) on; one entry of what has no epochs.
    chosen
        The epoch that the validation rows chose, a place in these.
    in_epochs
        Whether there are epochs, and so a curve and a peak.
    base_rate
        Share of cases among the training rows; None where scores are probabilities.
    """

    validation: Sequence[Floats]
    test: Sequence[Floats]
    chosen: int
    in_epochs: bool
    base_rate: float | None
