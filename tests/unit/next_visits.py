"""Persons whose next visit is a function of the last, and models that predict it, for the tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from arrow_visits import Row, write_histories, write_vocabulary
from small_training import ENCODING, GRU

from visitseq.grid import COUNTED_KINDS
from visitseq.train import count_labels, train_next_visit

CODES, PARTS, FOLD = 40, 7, 2  # fold 2 tests on part 2 and validates on part 3
TASK = {"kind": "next_visit", "labels": ["condition"], "rollup": "none", "split": "parts"}
MODEL: dict[str, Any] = {
    **GRU,
    "dropout": 0.0,
    "embedding": 16,
    "hidden": 16,
    "l2": 0.0,
    "learning_rate": 0.02,
    "loss": "multinomial",
    "tradeoff": 1.0,
}
#: A model on the counts of the last visits; a perceptron has a hidden layer besides.
ON_COUNTS: dict[str, Any] = {
    "hidden": 16,
    "features": "counts",
    "search": {},
    "next_visit": {
        "last_visits": 5,
        **{key: MODEL[key] for key in ("loss", "tradeoff", "l2", "optimiser", "learning_rate")},
        **{key: MODEL[key] for key in ("schedule", "gradient_norm", "batch", "epochs", "patience")},
    },
}
#: What an encoding with vectors says besides.
SKIPGRAM = {"vectors": "skipgram", "dimension": 3}


def chains(n: int = 280, seed: int = 0) -> list[Row]:
    """The next visit holds the code after the last one's, sooner where that one is even."""
    draw = np.random.default_rng(seed)
    rows = []
    for subject in range(n):
        first, length = int(draw.integers(CODES)), int(draw.integers(2, 9))
        codes = [(first + step) % CODES for step in range(length)]
        gaps = [100 if code % 2 else 3 for code in codes[:-1]]
        to_index = np.cumsum([5, *gaps[::-1]])[::-1].astype(float).tolist()
        visits = [[code] for code in codes]
        rows.append(Row(visits, None, subject % PARTS, to_index, subject_id=1000 + subject))
    return rows


def files(rows: Sequence[Row], folder: Path) -> dict[str, Path]:
    names = {name: folder / f"{name}.parquet" for name in ("vocabulary", "labels")}
    written = {k: write_vocabulary(rows, CODES, PARTS, path) for k, path in names.items()}
    return {"visits": write_histories(rows, folder / "visits.arrow"), **written}


def train(
    rows: Sequence[Row],
    folder: Path,
    *,
    split: str = "parts",
    seed: int = 0,
    vectors: Path | None = None,
    **changes: Any,
) -> Path:
    """Train a network, or count for a ``kind`` without one; return the model's folder.

    ``changes`` are of the section, of a model on counts those of its ``next_visit``.
    """
    kind = changes.get("kind", "recurrent")
    same = {
        **files(rows, folder),
        "task": {**TASK, "split": split},
        "encoding": {**ENCODING, "min_count": 1, **({} if vectors is None else SKIPGRAM)},
        "fold": FOLD,
        "parts": PARTS,
        "folder": folder / "model",
    }
    model: dict[str, Any] = {**MODEL, **changes}
    if kind in ("logistic", "mlp"):
        model = {"kind": changes.pop("kind"), **ON_COUNTS}
        model["next_visit"] = {**ON_COUNTS["next_visit"], **changes}
    if kind not in COUNTED_KINDS:
        train_next_visit(**same, model=model, seed=seed, vectors=vectors)
    else:
        count_labels(**same, model={"kind": kind})
    return folder / "model"
