"""Stage 5: what a case-control model is worth where it would be used: on a landmark cohort.

A case-control sample asks for the score on the day on which somebody is diagnosed, among as many
controls as were drawn. At the bedside it is asked for on a day like any other, of everybody. So the
model scores every person-year of the landmark task that belongs to its own, as Reps et al. (Journal
of Big Data 2021;8:108) ask of every case-control model: the rows of the test part, with the weights
of ``censoring.py``.

Beside it stands the same model trained on the landmark cohort itself, where the study has that,
with differences on the same rows.
"""

import csv
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.cohort.parts import validation_part
from visitseq.encode.sequences import Sequences
from visitseq.evaluate.as_used_content import (
    AS_USED_METRICS,
    CASE_CONTROL,
    COLUMNS,
    DECISIONS,
    LANDMARK,
    LESS_TRAINED_THERE,
    RAW,
    TRAINED_THERE,
    TREAT_ALL,
)
from visitseq.evaluate.as_used_judged import (
    WHERE,
    Judged,
    Line,
    Scores,
    differences,
    judge,
    read_scores,
)
from visitseq.evaluate.as_used_measures import Draws, incidence
from visitseq.evaluate.as_used_rows import (
    Landmark,
    LandmarkParts,
    LandmarkRows,
    case_control_rows,
    landmark_rows,
    read_in_vocabulary,
)
from visitseq.evaluate.decision import Decision, read_decision
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.evaluate.evaluate import score_sequences
from visitseq.evaluate.metrics import estimates_and_draws
from visitseq.evaluate.paired import compare
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.train.trained import TrainedModel, load_model

logger = logging.getLogger(__name__)

Ids = npt.NDArray[np.int64]


def evaluate_as_used(
    *,
    trained: Path,
    vocabulary: Path,
    evaluated: Path,
    landmarks: Mapping[str, Landmark],
    fold: int,
    parts: int,
    seed: int,
    draws: int,
    folder: Path,
) -> None:
    """Write as_used.json and as_used_curves.csv of one model and fold.

    Parameters
    ----------
    trained
        The model's folder of stage 4.
    vocabulary
        The vocabulary.parquet of the task that it was trained in.
    evaluated
        Folder with its predictions.parquet and metrics.json there.
    landmarks
        The landmark tasks that belong to that task, by name.
    fold, parts
        The fold, and the number of parts of the site.
    seed, draws
        Seed and number of the bootstrap draws.
    folder
        Where the files go.

    Raises
    ------
    UserError
        The model gives a row no finite score.
    """
    model, drawn = load_model(trained), Draws(draws, seed, fold)
    content: dict[str, Any] = {}
    curves: list[Line] = []
    for name, landmark in landmarks.items():
        sequences, outcomes = _read(landmark, vocabulary)
        split = LandmarkParts(
            landmark_rows(sequences, outcomes, fold),
            landmark_rows(sequences, outcomes, validation_part(fold, parts)),
        )
        scores = _score(model, trained, read_decision(evaluated / "metrics.json"), split)
        own, lines = _judge_all(_at_home(evaluated, split), scores, split, landmark, drawn)
        content[name] = {
            "test": {**split.test.counts(), **_description(model, split.test)},
            "validation": split.validation.counts(),
            "case_control": _metrics_at_home(evaluated),
            **own,
        }
        curves += [(name, *line) for line in lines]
        logger.info("%s: %s", name, _in_words(content[name]))
    (folder / "as_used.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with (folder / "as_used_curves.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *curves])


def _read(landmark: Landmark, vocabulary: Path) -> tuple[Sequences, pa.Table]:
    return read_in_vocabulary(landmark, vocabulary), pq.read_table(landmark.outcomes)


def _score(model: TrainedModel, trained: Path, decision: Decision, parts: LandmarkParts) -> Scores:
    """Score both parts; the model brings threshold and sigmoid along."""
    test, validation = (score_sequences(model, rows.sequences, trained) for rows in parts)
    return Scores(
        (test, decision.probabilities(test)),
        (validation, decision.probabilities(validation)),
        decision.threshold.value,
    )


def _at_home(evaluated: Path, parts: LandmarkParts) -> ScoredRows:
    """The case-control test part, drawn with the persons of the landmark rows."""
    predictions: pa.Table = pq.read_table(evaluated / "predictions.parquet")
    return case_control_rows(predictions, np.unique(parts.test.sequences.subject_id))


def _metrics_at_home(evaluated: Path) -> dict[str, Any]:
    """What the model's own metrics.json says of the case-control test part."""
    content = json.loads((evaluated / "metrics.json").read_text("utf-8"))
    return {key: content[key] for key in ("n", "cases", *AS_USED_METRICS) if key in content}


def _description(model: TrainedModel, test: LandmarkRows) -> dict[str, Any]:
    return {
        "unknown_codes": model.unknown_share(test.sequences),
        "empty": int(np.sum(test.sequences.lengths == 0)),
    }


def _judge_all(
    at_home: ScoredRows,
    scores: Scores,
    parts: LandmarkParts,
    landmark: Landmark,
    draws: Draws,
) -> tuple[dict[str, Any], list[Line]]:
    """Judge the model, and beside it the one trained on the landmark cohort, if there is one."""
    persons = at_home.groups.ids
    judged = judge(scores, parts, persons, draws)
    content: dict[str, Any] = {
        "observed_risk": {
            "weighted": _weighted_risk(judged).to_json(WHERE),
            "aalen_johansen": incidence(parts.test, persons, draws).to_json(WHERE),
        },
        **judged.content,
        "drop": {"auroc": _drop(at_home, judged, draws).to_json(WHERE)},
    }
    curves = [(CASE_CONTROL, *line) for line in judged.curves] + _treat_all(judged)
    if landmark.evaluated is not None:
        other = judge(read_scores(landmark.evaluated, parts), parts, persons, draws)
        content[TRAINED_THERE] = other.content
        content[LESS_TRAINED_THERE] = differences(judged, other, len(persons))
        curves += [(LANDMARK, *line) for line in other.curves]
    return content, curves


def _weighted_risk(judged: Judged) -> Estimate:
    """Weighted share of rows with an onset before the horizon."""
    if not judged.measured:
        return undefined("no case or no control")
    return judged.measured[RAW].estimates["observed"][0]


def _drop(at_home: ScoredRows, judged: Judged, draws: Draws) -> Estimate:
    """By how much the case-control AUROC exceeds the landmark rows', both of the same draws."""
    estimates, drawn = estimates_and_draws(at_home, *draws, ("auroc",))
    if "auroc" not in drawn:
        return undefined(str(estimates["auroc"].reason))
    if not judged.measured:
        return undefined("no case or no control among the landmark rows")
    own = judged.measured[RAW]
    both = estimates["auroc"], own.estimates["auroc"][0]
    persons = len(at_home.groups.ids)
    return compare(*both, drawn["auroc"], own.drawn["auroc"][:, 0], persons).difference


def _treat_all(judged: Judged) -> list[Line]:
    """Net benefit of flagging everybody."""
    if not judged.measured:
        return []
    benefit = judged.measured[RAW].estimates["net_benefit_of_all"]
    return [
        ("", "decision", TREAT_ALL, float(x), *estimate[:3])
        for x, estimate in zip(DECISIONS, benefit, strict=True)
    ]


def _in_words(content: Mapping[str, Any]) -> str:
    """Say how many rows there were, and what the score was worth on them."""
    test, auroc = content["test"], content["raw"]["auroc"]["value"]
    said = "undefined" if auroc is None else f"{auroc:.3f}"
    return f"{test['n']} rows with {test['onset']} onsets scored; AUROC {said}"
