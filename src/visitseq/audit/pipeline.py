"""Stages 3 to 5 once more, on rows and events of an audit's own.

A check that plants something has to plant it before the visits are encoded, and then to go the way
that every row of the study goes, through the very functions of the study: a leak in one of them
shows, and one in a shorter way of the audit's own would not.

No code vectors are learned here, whatever the encoding says of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.encode.encode import encode_visits
from visitseq.evaluate.evaluate import evaluate_model
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.tables import write_parquet

Section = Mapping[str, Any]

#: The kinds of model that ``train_model`` trains; ``train_baseline`` trains the classical ones.
NETWORKS = ("recurrent", "retain", "transformer")


@dataclass(frozen=True)
class Pipeline:
    """What stays the same while rows, events and models change.

    Attributes
    ----------
    task, encoding
        Their sections of the configuration, filled.
    phenotype, codes, ancestors
        The cohort's phenotype file; codes.parquet and ancestors.parquet of the site.
    fold, parts, seed, draws
        The fold, the number of parts of the site, the study's seed and number of bootstrap draws.
    """

    task: Section
    encoding: Section
    phenotype: Path
    codes: Path
    ancestors: Path
    fold: int
    parts: int
    seed: int
    draws: int

    def encode(self, rows: pa.Table, events: Path, folder: Path) -> Path:
        """Write rows as cohort.parquet and encode their visits; return ``folder``."""
        write_parquet(rows, folder / "cohort.parquet")
        encode_visits(
            task=self.task,
            encoding=self.encoding,
            phenotype=self.phenotype,
            cohort=folder / "cohort.parquet",
            events=events,
            codes=self.codes,
            ancestors=self.ancestors,
            folder=folder,
            seed=self.seed,
            parts=self.parts,
        )
        return folder

    def score(self, encoded: Path, model: Section, name: str) -> ScoredRows:
        """Train a model on what ``encode`` wrote and score the fold's test part.

        Its files stand in ``encoded``/``name``, those of stages 4 and 5 in one folder.
        """
        self._train(encoded, model, encoded / name)
        evaluate_model(
            visits=encoded / "visits.arrow",
            trained=encoded / name,
            task=self.task,
            fold=self.fold,
            parts=self.parts,
            seed=self.seed,
            draws=self.draws,
            folder=encoded / name,
        )
        return read_scored(encoded / name)

    def _train(self, encoded: Path, model: Section, folder: Path) -> None:
        shared: dict[str, Any] = {
            "visits": encoded / "visits.arrow",
            "vocabulary": encoded / "vocabulary.parquet",
            "model": model,
            "encoding": {**self.encoding, "vectors": "none"},
            "fold": self.fold,
            "parts": self.parts,
            "seed": self.seed,
            "folder": folder,
        }
        # Imported here so that a study without networks does without torch, which takes 2 s.
        if model["kind"] in NETWORKS:
            from visitseq.train.network import train_model  # noqa: PLC0415

            train_model(**shared)
        else:
            from visitseq.train.baseline import train_baseline  # noqa: PLC0415

            train_baseline(task=self.task, **shared)


def read_scored(evaluated: Path) -> ScoredRows:
    """Read the scored test part in a folder of stage 5."""
    return ScoredRows.from_predictions(pq.read_table(evaluated / "predictions.parquet"))
