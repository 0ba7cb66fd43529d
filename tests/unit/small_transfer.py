"""A small model at another hospital, for the tests of what is trained there."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from arrow_visits import Row, write_visits, write_vocabulary
from small_training import CODES, ENCODING, FOLD, GRU, PARTS, TASK, cohort, inputs

from visitseq import tables
from visitseq.evaluate.evaluate import evaluate_model
from visitseq.train.network import train_model
from visitseq.transfer.onset import transfer_model

#: The source's codes, and two that it lacks: of 8 it has the parent 1, of 9 no ancestor.
JOINT = CODES + 2
ABOVE = [("code", 8, 1, 1), ("code", 8, 5, 2)]
PAIR: dict[str, Any] = {
    "source": "here",
    "target": "there",
    "strategies": ["last_layer", "fine_tuned", "scratch"],
    "fractions": [5, 50, 100],
    "draws": 2,
}
#: Nothing is drawn by chance: a network's logits are its weights'.
PLAIN = {**GRU, "dropout": 0.0, "epochs": 3, "patience": 3}
FILES = ("predictions.parquet", "metrics.json", "curve.csv")


def matched(rows: Sequence[Row]) -> list[Row]:
    """Each case with the next control of its part as a set; the others are on their own."""
    waiting: dict[int, list[Row]] = {}
    found = []
    for row in rows:
        free = waiting.setdefault(row.part, [])
        if row.label:
            free.append(replace(row, set_id=row.subject_id))
            found.append(free[-1])
        else:
            found.append(replace(row, set_id=free.pop(0).set_id if free else None))
    return found


def there(n: int = 210) -> list[Row]:
    """The target: code 1 is written 8 in every second row, and 2 is written 9."""
    rows = matched(cohort(n, seed=1))
    other = {1: 8, 2: 9}
    return [
        replace(row, visits=[sorted(other.get(code, code) for code in v) for v in row.visits])
        if row.subject_id % 2
        else row
        for row in rows
    ]


def ancestors_table(rows: Sequence[tuple[str, int, int, int]]) -> pa.Table:
    names = tables.SHARED_ANCESTORS.names
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    return pa.table(columns, schema=tables.SHARED_ANCESTORS)


def pair_of(
    folder: Path,
    model: dict[str, Any],
    rows: Sequence[Row] | None = None,
    train: Callable[..., None] = train_model,
) -> dict[str, Any]:
    """Arguments of ``transfer_model`` for a model that was trained on ``cohort()``."""
    trained = folder / "source/model"
    shared: dict[str, Any] = {"encoding": ENCODING, "fold": FOLD, "parts": PARTS, "seed": 0}
    train(**inputs(cohort(), folder / "source"), model=model, folder=trained, **shared)
    rows = there() if rows is None else rows
    files = {
        "visits": write_visits(rows, folder / "pair/visits.arrow"),
        "vocabulary": write_vocabulary(rows, JOINT, PARTS, folder / "pair/vocabulary.parquet"),
        "ancestors": folder / "pair/ancestors.parquet",
    }
    tables.write_parquet(ancestors_table(ABOVE), files["ancestors"])
    settings: dict[str, Any] = {"task": TASK, "fold": FOLD, "parts": PARTS, "seed": 0, "draws": 40}
    evaluate_model(visits=files["visits"], trained=trained, folder=folder / "zero_shot", **settings)
    return {
        **files,
        **settings,
        "trained": trained,
        "zero_shot": folder / "zero_shot",
        "encoding": ENCODING,
        "pair": PAIR,
        "folder": folder / "out",
    }


def transfer(arguments: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Run ``transfer_model``; return metrics.json."""
    transfer_model(**{**arguments, **changes})
    folder = {**arguments, **changes}["folder"]
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return content
