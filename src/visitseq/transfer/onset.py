"""Stage 6 of the onset: a source's model at the target, trained on, and against one from scratch.

The zero-shot arm has been evaluated by stage 5's function on the translated visits; its files are
read. Every other arm (arms.py) is trained on drawn rows of the target (drawn_rows.py), decides on
its drawn validation rows and is scored on the target's test part, which is the same for all and was
fixed before anything was trained.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def transfer_model(
    *,
    visits: Path,
    vocabulary: Path,
    ancestors: Path,
    trained: Path,
    zero_shot: Path,
    task: Mapping[str, Any],
    encoding: Mapping[str, Any],
    pair: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    draws: int,
    folder: Path,
    vectors: Path | None = None,
) -> None:
    """Write predictions.parquet, metrics.json and curve.csv of a model of kind onset at a target.

    A finished arm stands in ``folder``/checkpoint until all are there, and a call with the same
    arguments does not train it again.

    Parameters
    ----------
    visits, vocabulary, ancestors
        Files visits.arrow, vocabulary.parquet and ancestors.parquet of the pair: the target's
        visits in the source's vocabulary.
    trained
        The source's folder of stage 4 (or a carried model's). Its settings are those of all arms;
        a model with a search searches anew from scratch.
    zero_shot
        Folder with predictions.parquet, validation.parquet and metrics.json of the source's model
        on ``visits``.
    task, encoding
        Their sections of the configuration, filled.
    pair
        The pair's: ``strategies``, ``fractions`` and ``draws`` are used.
    fold, parts
        The fold, and the number of parts of a site.
    seed
        The run's: with the fold, the model's own seed, the strategy, the fraction and the draw, it
        decides the drawn rows, the initial weights, the dropout and the order of the batches.
    draws
        Number of bootstrap draws.
    folder
        Where the files go.
    vectors
        File vectors.safetensors of the fold, in the vocabulary of the pair, from which a network
        starts that is trained from scratch; None where the encoding has none.

    Raises
    ------
    UserError
        Training diverges.
    """
    raise NotImplementedError
