"""Stage 5 of the next visit: what was predicted at every visit, and what of it came true.

Each visit but a person's first is predicted from those before it. The gap after the last visit is
censored (how long it would have been nobody knows) and is not scored.

A model that came from another hospital ranks, of the labels that it knows, those that the training
parts there hold: what can be asked of every model there. Labels that it does not know are missed.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.parts import training_parts, validation_part
from visitseq.encode.histories import Histories, read_histories
from visitseq.encode.sequences import Integers, code_positions, gather_lists, known_codes
from visitseq.evaluate.choi_compat import ScoredPart, score_as_released
from visitseq.evaluate.likeliest import asked_visits, likeliest
from visitseq.evaluate.next_visit_metrics import PredictedVisits, estimate_next_visits
from visitseq.evaluate.next_visit_strata import strata_table
from visitseq.tables import NEXT_VISITS, write_parquet
from visitseq.train.next_visit import NextVisitModel, load_next_visit

logger = logging.getLogger(__name__)

WHERE = " in the test part"


def evaluate_next_visit(
    *,
    visits: Path,
    trained: Path,
    fold: int,
    parts: int,
    seed: int,
    draws: int,
    folder: Path,
    choi_compat: bool = False,
    labels: Path | None = None,
) -> None:
    """Write predictions.parquet, validation.parquet, metrics.json, strata.csv of a model and fold.

    Where the validation part was trained on, validation.parquet has no rows.

    Parameters
    ----------
    visits
        The task's visits.arrow, with targets.
    trained
        The model's folder of stage 4.
    fold, parts
        The fold, and the number of parts of the site.
    seed, draws
        Seed and number of the bootstrap draws.
    folder
        Where the files go.
    choi_compat
        Whether metrics.json also has what the defects of the released code do to the numbers.
    labels
        Of a model that came from another hospital, the labels.parquet of this one in the ids of
        that one; metrics.json then also has the recall over the labels that the model knows.

    Raises
    ------
    UserError
        The model gives a visit no finite numbers.
    """
    histories, model = read_histories(visits), load_next_visit(trained)
    test = histories.rows_of_parts([fold])
    validation = histories.rows_of_parts([validation_part(fold, parts)] if model.validated else [])
    ranked = trained_labels(labels, fold, parts, validated=model.validated) if labels else None
    predictions = predictions_table(histories, test, model, ranked)
    write_parquet(predictions, folder / "predictions.parquet")
    scored = predictions_table(histories, validation, model, ranked)
    write_parquet(scored, folder / "validation.parquet")
    predicted = PredictedVisits.from_predictions(predictions)
    known = model.known_labels if labels else None
    estimates = estimate_next_visits(predicted, draws, seed, fold, known)
    content = {
        **{name: estimate.to_json(WHERE) for name, estimate in estimates.items()},
        **_description(histories, test, model, predicted),
    }
    if choi_compat:
        training = np.setdiff1d(np.arange(len(histories)), [*test, *validation])
        part = _test_part(histories, test, model, predicted, training)
        content["choi_compat"] = score_as_released(part, draws, seed, fold)
    (folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    strata = strata_table(predicted, model, draws, seed, fold)
    strata.to_csv(folder / "strata.csv", index=False, lineterminator="\n")
    logger.info(
        "%d visits of %d persons predicted; recall at 10 %s, R2 of log days %s",
        len(predictions),
        len(test),
        content["recall_at_10"],
        content["r2_log_days"],
    )


def trained_labels(
    labels: Path, fold: int, parts: int, *, validated: bool
) -> npt.NDArray[np.int32]:
    """Ids of the labels that the parts which a fold trains on hold, ascending.

    Parameters
    ----------
    labels
        File labels.parquet.
    fold, parts
        The fold, and the number of parts of the site.
    validated
        Whether the validation part is not one of those.
    """
    read = training_parts(fold, parts) + ([] if validated else [validation_part(fold, parts)])
    return known_codes(pq.read_table(labels), read, 1)


def predictions_table(
    histories: Histories,
    rows: Integers,
    model: NextVisitModel,
    ranked: npt.NDArray[np.int32] | None = None,
) -> pa.Table:
    """Lay what a model predicts beside what came true, in the columns of NEXT_VISITS.

    ``rows`` are ascending; of ``ranked`` see ``likeliest``.
    """
    return lay_out(histories, rows, *likeliest(model, histories, rows, ranked))


def lay_out(
    histories: Histories,
    rows: Integers,
    top: npt.NDArray[np.int32],
    log_days: npt.NDArray[np.float32] | None,
) -> pa.Table:
    """Lay what was predicted (``likeliest``) beside what came true."""
    asked = asked_visits(histories, rows)
    entries, offsets = gather_lists(histories.label_offsets, asked)
    ends = np.arange(len(asked) + 1, dtype=np.int32) * top.shape[1]
    row = np.repeat(rows, histories.lengths[rows] - 1)
    columns = {
        "subject_id": histories.subject_id[row],
        "visit": asked - histories.visit_offsets[row],
        "labels": pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), pa.array(histories.labels[entries])
        ),
        "top": pa.ListArray.from_arrays(pa.array(ends), pa.array(top.ravel())),
        "days": histories.days[asked],
        "predicted_log_days": pa.nulls(len(asked)) if log_days is None else log_days,
    }
    return pa.table(columns).cast(NEXT_VISITS)


def _test_part(
    histories: Histories,
    test: Integers,
    model: NextVisitModel,
    predicted: PredictedVisits,
    training: Integers,
) -> ScoredPart:
    """What is scored anew as the released code does it."""

    def predict(other: NextVisitModel) -> PredictedVisits:
        return PredictedVisits.from_predictions(predictions_table(histories, test, other))

    days = histories.days[asked_visits(histories, training)]
    return ScoredPart(model, predicted, predict, float(days.mean(dtype=np.float64)))


def _description(
    histories: Histories, test: Integers, model: NextVisitModel, visits: PredictedVisits
) -> dict[str, Any]:
    """What the metrics were computed from; shares are of codes read and of labels asked."""
    read = asked_visits(histories, test) - 1
    codes, _ = gather_lists(histories.code_offsets, read)
    unknown = code_positions(histories.codes[codes], model.known) < 0
    missing = code_positions(visits.labels.astype(np.int32), model.known_labels) < 0
    return {
        "n": len(test),
        "visits": len(visits.number),
        "labelled_visits": int((visits.sizes > 0).sum()),
        "censored": len(test),
        "unknown_codes": float(unknown.mean()) if len(unknown) else 0.0,
        "unknown_labels": float(missing.mean()) if len(missing) else 0.0,
        "trained_on": model.trained_on,
    }
