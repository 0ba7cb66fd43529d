"""Persons whose next visit follows from the last, and models of kind seq2seq trained on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from arrow_visits import Row, write_histories, write_visits, write_vocabulary

from visitseq.train import train_forecast, train_pretrained

CODES, PARTS, FOLD, AHEAD = 8, 7, 2, 3  # fold 2 tests on part 2 and validates on part 3
ENCODING = {
    "vocabulary": "codes",
    "sequence": "visit",
    "min_count": 1,
    "vectors": "none",
    "domains": ["condition"],
}
SEQ2SEQ = {
    "kind": "seq2seq",
    "cell": "gru",
    "embedding": 8,
    "hidden": 8,
    "bidirectional": False,
    "duration": True,
    "dropout": 0.2,
    "attention": "none",
    "loss": "multinomial",
    "visits_ahead": 2,
    "pretraining_epochs": 3,
    "seed": 0,
    "search": {},
    "optimiser": "adam",
    "learning_rate": 0.01,
    "schedule": "constant",
    "gradient_norm": None,
    "l2": 0.001,
    "batch": 32,
    "epochs": 5,
    "patience": 5,
}


def chains(n: int = 280, seed: int = 0) -> list[Row]:
    """The next visit is a function of the last: its code and one more, from where one begins."""
    draw = np.random.default_rng(seed)
    rows = []
    for subject in range(n):
        first, length = int(draw.integers(CODES)), int(draw.integers(AHEAD + 1, 8))
        visits = [[(first + step) % CODES] for step in range(length)]
        rows.append(Row(visits, bool(draw.integers(2)), subject % PARTS, subject_id=1000 + subject))
    return rows


def train(rows: Sequence[Row], folder: Path, **changes: Any) -> Path:
    train_pretrained(
        visits=write_visits(rows, folder / "visits.arrow"),
        vocabulary=write_vocabulary(rows, CODES, PARTS, folder / "vocabulary.parquet"),
        model={**SEQ2SEQ, **changes},
        encoding=ENCODING,
        fold=FOLD,
        parts=PARTS,
        seed=0,
        folder=folder / "model",
    )
    return folder / "model"


def forecast_files(rows: Sequence[Row], folder: Path) -> dict[str, Path]:
    names = {name: folder / f"{name}.parquet" for name in ("vocabulary", "labels")}
    written = {k: write_vocabulary(rows, CODES, PARTS, path) for k, path in names.items()}
    return {"visits": write_histories(rows, folder / "visits.arrow"), **written}


def train_on(rows: Sequence[Row], folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    train_forecast(
        **forecast_files(rows, folder),
        task={"kind": "forecast", "visits_ahead": AHEAD},
        model={**SEQ2SEQ, **changes},
        encoding=ENCODING,
        fold=FOLD,
        parts=PARTS,
        seed=seed,
        folder=folder / "model",
    )
    return folder / "model"
