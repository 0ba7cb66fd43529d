"""Stage 5: score a model's test part once, and say what the scores are worth.

The validation part is scored first and decides (decision.py). Then the test part is scored, and its
metrics are computed from the whole table of predictions, with bootstrap intervals whose draws are
the same for every model of the fold.

A model that came from another hospital brings its decision along: as it is, it has learned nothing
from the hospital where it is now. So it can score persons whose outcome nobody knows yet; what it
is worth there is then null, for want of an outcome.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.cohort.parts import validation_part
from visitseq.encode.sequences import Sequences, read_sequences
from visitseq.errors import UserError
from visitseq.evaluate.decision import decide, read_decision
from visitseq.evaluate.delong import delong_interval, delong_json
from visitseq.evaluate.estimate import undefined
from visitseq.evaluate.metrics import METRICS, estimate_metrics
from visitseq.evaluate.oracle_rows import ORACLE_METRICS, estimate_oracle, simulation_error
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.evaluate.threshold import Threshold
from visitseq.tables import write_parquet
from visitseq.train.trained import TrainedModel, load_model

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

#: The end of a reason why a metric is undefined.
WHERE = " in the test part"

#: Why persons whose outcome nobody knows have no metrics.
NO_OUTCOME = "no outcome"


def evaluate_model(
    *,
    visits: Path,
    trained: Path,
    task: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    draws: int,
    folder: Path,
    oracle: Path | None = None,
    home: Path | None = None,
) -> None:
    """Write predictions.parquet, validation.parquet and metrics.json of one model and fold.

    Parameters
    ----------
    visits
        The task's visits.arrow.
    trained
        The model's folder of stage 4.
    task
        The task's section of the configuration: its ``observation_months`` and
        ``prediction_months`` are read.
    fold, parts
        The fold, and the number of parts of the site.
    seed, draws
        Seed and number of the bootstrap draws.
    folder
        Where the files go.
    oracle
        The task's oracle.parquet at a simulated site; metrics.json then holds its metrics too.
    home
        The metrics.json of the model where it was trained, whose threshold and sigmoid are taken;
        with None both are of the validation part of ``visits``, which then needs an outcome.

    Raises
    ------
    UserError
        The model gives a row no finite score.
    """
    sequences = read_sequences(visits, without_outcome=home is not None)
    model = load_model(trained)
    test = sequences.take(sequences.rows_of_parts([fold]))
    validation = sequences.take(sequences.rows_of_parts([validation_part(fold, parts)]))
    validation_scores = score_sequences(model, validation, trained)
    decision = (
        read_decision(home)
        if home
        else decide(validation.label, validation_scores, _base_rate(model))
    )
    predictions = decision.table(test, score_sequences(model, test, trained), task)
    write_parquet(predictions, folder / "predictions.parquet")
    chosen_by = decision.table(validation, validation_scores, task)
    write_parquet(chosen_by, folder / "validation.parquet")
    content = {
        **(_metrics_json(predictions, draws, seed, fold) if test.labelled else _no_metrics()),
        **_description(test, decision.threshold, model.unknown_share(test)),
        **({"platt": decision.platt.to_json()} if decision.platt else {}),
        **(_oracle_json(oracle, draws, seed, fold) if oracle else {}),
    }
    (folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    auroc = _in_words(content["auroc"])
    cases = "no outcome" if content["cases"] is None else f"{content['cases']} cases"
    logger.info("%d rows with %s scored; AUROC %s", len(test), cases, auroc)


def _base_rate(model: TrainedModel) -> float | None:
    """Share of cases among the training rows; None of a model that gives probabilities."""
    if model.gives_probabilities:
        return None
    training = model.card["training"]
    return float(training["cases"] / training["rows"])


def _in_words(metric: Mapping[str, Any]) -> str:
    """Write a metric as "0.734 (0.679 to 0.788)", or why it has no value or no interval."""
    if metric["value"] is None:
        return f"undefined ({metric['reason']})"
    if metric["low"] is None:
        return f"{metric['value']:.3f} ({metric['reason']})"
    return f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"


def score_sequences(model: TrainedModel, sequences: Sequences, trained: Path) -> Floats:
    """Score the rows; a part without rows has no scores.

    Raises
    ------
    UserError
        The model in ``trained`` gives a row no finite score.
    """
    if not len(sequences):
        return np.empty(0)
    scores = model.score(sequences)
    unusable = int(np.sum(~np.isfinite(scores)))
    if unusable:
        raise UserError(
            f"The model in {trained} gives {unusable} of {len(scores)} rows no finite score: its "
            "training diverged. Train it with a smaller learning rate or a stronger penalty."
        )
    return scores


def _metrics_json(predictions: pa.Table, draws: int, seed: int, fold: int) -> dict[str, Any]:
    """Metrics of a table of predictions, as metrics.json has them."""
    rows = ScoredRows.from_predictions(predictions)
    estimates = estimate_metrics(rows, draws, seed, fold)
    return {
        **{name: estimate.to_json(WHERE) for name, estimate in estimates.items()},
        "auroc_delong": delong_json(delong_interval(rows.case, rows.score), WHERE),
    }


def _no_metrics() -> dict[str, Any]:
    """Metrics of rows without outcome, as metrics.json has them."""
    return {name: undefined(NO_OUTCOME).to_json() for name in (*METRICS, "auroc_delong")}


def _oracle_json(oracle: Path, draws: int, seed: int, fold: int) -> dict[str, Any]:
    """AUROC of the oracle on the test part's rows, its other metrics beside it."""
    content = {}
    for name, estimates in estimate_oracle(oracle, draws, seed, fold).items():
        auroc, concordance = (estimates[metric].to_json(WHERE) for metric in ORACLE_METRICS)
        content[name] = {**auroc, "concordance_within_sets": concordance}
    content["oracle"] |= simulation_error(oracle, fold)
    return content


def _description(test: Sequences, threshold: Threshold, unknown: float) -> dict[str, Any]:
    """What the metrics were computed from."""
    return {
        "threshold": threshold.to_json(),
        "n": len(test),
        "cases": int(test.label.sum()) if test.labelled else None,
        "unknown_codes": unknown,
        "empty": int(np.sum(test.lengths == 0)),
    }
