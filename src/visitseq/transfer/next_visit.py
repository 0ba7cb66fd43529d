"""Stage 6 of the next visit: a source's model at the target, trained on, and one from scratch.

As of the onset (onset.py): the zero-shot arm has been evaluated by stage 5's function on the
translated visits, every other arm is trained on drawn persons of the target's training part, and
all are scored on the target's test part. The main metric is the recall at 30 (Choi et al., Doctor
AI, MLHC 2016, Fig. 3, where a network of one hospital is trained on at another).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from visitseq.encode.histories import read_histories
from visitseq.evaluate.next_visit import trained_labels
from visitseq.train.checkpoint import training_digest
from visitseq.train.model_folder import read_card
from visitseq.train.next_visit import load_next_visit
from visitseq.transfer.arm_results import ArmStore
from visitseq.transfer.arms import LEAST, arms_of
from visitseq.transfer.assembly import write_results
from visitseq.transfer.next_visit_arms import AskedTarget, NextVisitArms
from visitseq.transfer.next_visit_measure import NextVisitMeasure
from visitseq.transfer.running import Learner, run_arms


def transfer_next_visit(
    *,
    visits: Path,
    vocabulary: Path,
    labels: Path,
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
    """Write predictions.parquet, metrics.json and curve.csv of a model of the next visit.

    A finished arm stands in ``folder``/checkpoint until all are there, and a call with the same
    arguments does not train it again.

    Parameters
    ----------
    visits, vocabulary, labels, ancestors
        Files visits.arrow, vocabulary.parquet, labels.parquet and ancestors.parquet of the pair:
        the target's visits in the source's vocabulary.
    trained
        The source's folder of stage 4 (or a carried model's). Its settings are those of all arms.
    zero_shot
        Folder with predictions.parquet and metrics.json of the source's model on ``visits``.
    task, encoding
        Their sections of the configuration, filled; of the task ``split`` is used. With ``paper``
        the arms learn from the validation part too, and the last epoch is kept.
    pair
        The pair's: ``strategies``, ``fractions`` and ``draws`` are used.
    fold, parts
        The fold, and the number of parts of a site.
    seed
        The run's: with the draw it decides the drawn persons; with the fold, the model's own seed,
        the strategy, the fraction and the draw the initial weights, the dropout and the order of
        the batches; with the fold the bootstrap.
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
    source, card, split = load_next_visit(trained), read_card(trained), task["split"]
    target = AskedTarget(
        histories=read_histories(visits),
        labels=trained_labels(labels, fold, parts, validated=split == "parts"),
        ancestors=pq.read_table(ancestors),
        vectors=vectors,
        split=split,
        encoding=encoding,
        fold=fold,
        parts=parts,
        seed=seed,
    )
    learn = NextVisitArms(target, source, card)
    learner = Learner(rows=target.draw, count=target.count, too_few=_too_few, train=learn)
    given = [visits, vocabulary, labels, ancestors, *sorted(trained.glob("model.*"))]
    where = {"fold": fold, "parts": parts, "seed": seed}
    digest = training_digest(
        [*given, *([vectors] if vectors else [])],
        {"task": dict(task), "encoding": dict(encoding), **where},
        __name__,
    )
    store = ArmStore(folder / "checkpoint", digest)
    measure = NextVisitMeasure(target, source, draws)
    groups = run_arms(arms_of(pair, card["model"]), learner, store)
    predictions = pq.read_table(zero_shot / "predictions.parquet")
    content = measure.zero_shot(zero_shot)
    write_results(predictions, content, groups, store, measure, folder=folder)
    store.remove()


def _too_few(counts: Mapping[str, int]) -> str | None:
    if counts["persons"] < LEAST:
        return f"fewer than {LEAST} persons in the drawn training rows"
    return None if counts["labelled_visits"] else "no label in the drawn training visits"
