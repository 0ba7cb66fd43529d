"""Train a classical baseline for one fold and write its folder.

The features are counts: in how many of a row's visits each known code stands, divided by the
code's standard deviation over the training rows. They are not centred, so that the matrix stays
sparse; the intercept takes up the difference (Choi et al., JAMIA 2017, Methods, standardise).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from visitseq.train.features import counts
from visitseq.train.losses import Losses, log_loss
from visitseq.train.model_folder import write_card, write_history
from visitseq.train.skops_archive import save_archive
from visitseq.train.training_data import TrainingData, read_training_data


def train_baseline(
    *,
    visits: Path,
    vocabulary: Path,
    model: Mapping[str, Any],
    encoding: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    folder: Path,
) -> None:
    """Write model.skops, model.json and history.csv of a model of kind logistic.

    Parameters
    ----------
    visits, vocabulary
        Files visits.arrow and vocabulary.parquet of one task and encoding.
    model, encoding
        Their sections of the configuration, filled.
    fold, parts
        The fold, and the number of parts of the site.
    seed
        Written to model.json; the fit of a logistic regression draws nothing at random.
    folder
        Where the files go.

    Raises
    ------
    UserError
        The training parts lack cases or controls.
    """
    data = read_training_data(visits, vocabulary, encoding, fold, parts)
    pipeline = Pipeline(
        [
            ("scale", StandardScaler(with_mean=False)),
            ("regress", LogisticRegression(C=model["inverse_penalty"], tol=1e-6, max_iter=1000)),
        ]
    )
    pipeline.fit(*_counts_and_labels(data, data.training))
    losses = Losses(
        training=_loss(pipeline, data, data.training),
        validation=_loss(pipeline, data, data.validation) if len(data.validation) else None,
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_archive(pipeline, folder / "model.skops")
    write_history([losses], 1, folder)
    write_card(folder, data, losses, model=model, encoding=encoding, seed=seed)


def _counts_and_labels(
    data: TrainingData, rows: npt.NDArray[np.intp]
) -> tuple[sparse.csr_matrix, npt.NDArray[np.bool_]]:
    sequences = data.sequences.take(rows)
    return counts(sequences, data.known), sequences.label


def _loss(pipeline: Pipeline, data: TrainingData, rows: npt.NDArray[np.intp]) -> float:
    features, labels = _counts_and_labels(data, rows)
    return log_loss(pipeline.decision_function(features), labels)
