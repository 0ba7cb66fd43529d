"""Stage 6 of the onset: a source's model at the target, trained on, and against one from scratch.

The zero-shot arm has been evaluated by stage 5's function on the translated visits; its files are
read. Every other arm (arms.py) is trained on drawn rows of the target (drawn_rows.py), decides on
its drawn validation rows and is scored on the target's test part, which is the same for all and was
fixed before anything was trained.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from visitseq.encode.sequences import read_sequences
from visitseq.evaluate.decision import decide
from visitseq.evaluate.recalibration import fit_recalibration
from visitseq.evaluate.scored_rows import ScoredRows
from visitseq.train.checkpoint import training_digest
from visitseq.train.fitted import CLASSICAL_KINDS
from visitseq.train.model_folder import read_card
from visitseq.train.search import area_under_roc
from visitseq.transfer.arm_results import ArmResult, ArmStore, CurvePoint
from visitseq.transfer.arms import LEAST, Arm, arms_of
from visitseq.transfer.assembly import write_results
from visitseq.transfer.drawn_rows import DrawnRows, draw_rows
from visitseq.transfer.learned import Learned, Target
from visitseq.transfer.onset_measure import OnsetMeasure
from visitseq.transfer.running import Learner, run_arms

if TYPE_CHECKING:
    from visitseq.transfer.classical_arms import ClassicalArms
    from visitseq.transfer.network_arms import NetworkArms


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
        The run's: with the draw it decides the drawn rows; with the fold, the model's own seed, the
        strategy, the fraction and the draw the initial weights, the dropout and the order of the
        batches; with the fold the bootstrap.
    draws
        Number of bootstrap draws.
    folder
        Where the files go.
    vectors
        File vectors.safetensors of the fold in the vocabulary of the pair, from which a network
        from scratch starts; None where the encoding has none.

    Raises
    ------
    UserError
        Training diverges.
    """
    folder.mkdir(parents=True, exist_ok=True)
    card = read_card(trained)
    target = Target(
        sequences=read_sequences(visits),
        names=pq.read_table(vocabulary)["code"].to_pylist(),
        ancestors=pq.read_table(ancestors),
        vectors=vectors,
        task=task,
        encoding=encoding,
        fold=fold,
        parts=parts,
        seed=seed,
    )
    # Which arms a pair asks for changes none of them, so that the pair is not in the digest.
    inputs = [visits, vocabulary, ancestors, *sorted(trained.glob("model.*"))]
    settings = {"task": dict(task), "encoding": dict(encoding), "fold": fold, "parts": parts}
    digest = training_digest(
        [*inputs, *([vectors] if vectors else [])], {**settings, "seed": seed}, __name__
    )
    store = ArmStore(folder / "checkpoint", digest)
    measure = OnsetMeasure(target, draws)
    groups = run_arms(arms_of(pair, card["model"]), _learner(target, trained, card), store)
    predictions = pq.read_table(zero_shot / "predictions.parquet")
    content = measure.zero_shot(zero_shot, np.array(card["known"], dtype=np.int32))
    write_results(predictions, content, groups, store, measure, folder=folder)
    store.remove()


def _learner(target: Target, trained: Path, card: Mapping[str, Any]) -> Learner:
    """How the arms of the source's model learn."""
    learn, labels = _arms(card["kind"])(target, trained, card), target.sequences.label
    return Learner(
        rows=partial(_draw, target),
        count=lambda drawn: {
            "rows": len(drawn.training),
            "cases": int(labels[drawn.training].sum()),
        },
        too_few=_too_few,
        train=lambda arm, drawn: _judge(learn(arm, drawn), drawn, target),
    )


def _arms(kind: str) -> "type[ClassicalArms | NetworkArms]":
    """What trains the arms of a kind; imported here so that neither waits for the other."""
    if kind in CLASSICAL_KINDS:
        from visitseq.transfer.classical_arms import ClassicalArms  # noqa: PLC0415

        return ClassicalArms
    from visitseq.transfer.network_arms import NetworkArms  # noqa: PLC0415

    return NetworkArms


def _draw(target: Target, arm: Arm) -> DrawnRows:
    """Rows of an arm."""
    draw = partial(draw_rows, groups=target.groups, arm=arm, seed=target.seed)
    return DrawnRows(draw(target.training), draw(target.validation))


def _too_few(counts: Mapping[str, int]) -> str | None:
    if counts["cases"] < LEAST:
        return f"fewer than {LEAST} cases in the drawn training rows"
    return "no control in the drawn training rows" if counts["cases"] == counts["rows"] else None


def _judge(learned: Learned, drawn: DrawnRows, target: Target) -> ArmResult:
    """Decide on the drawn validation rows, and lay out the predictions of the test part."""
    validation, test = (target.sequences.take(rows) for rows in (drawn.validation, target.test))
    scores, chosen = learned.validation[learned.chosen], learned.chosen
    decision = decide(validation.label, scores, learned.base_rate)
    result = ArmResult(
        predictions=decision.table(test, learned.test[chosen], target.task),
        chosen=chosen,
        recalibration=fit_recalibration(
            ScoredRows.from_predictions(decision.table(validation, scores, target.task))
        ),
    )
    if not learned.in_epochs:
        return result
    curve = [
        CurvePoint(area_under_roc(validation.label, seen), area_under_roc(test.label, unseen))
        for seen, unseen in zip(learned.validation, learned.test, strict=True)
    ]
    peak = max(range(len(curve)), key=lambda epoch: curve[epoch].test or 0.0)
    best = decision.table(test, learned.test[peak], target.task)
    return replace(result, curve=curve, peak=best, peak_epoch=peak)
