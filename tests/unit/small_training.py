"""A small cohort and small models, for the tests of what trains on them."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from arrow_visits import Row, write_visits, write_vocabulary

from visitseq.train.baseline import train_baseline
from visitseq.train.network import train_model

CODES, PARTS, FOLD = 8, 7, 2  # fold 2 tests on part 2 and validates on part 3
ENCODING = {
    "vocabulary": "codes",
    "sequence": "visit",
    "min_count": 2,
    "vectors": "none",
    "domains": ["condition"],
}
GRU = {
    "kind": "recurrent",
    "cell": "gru",
    "reset": "after",
    "bidirectional": False,
    "embed": "sum",
    "initialisation": "uniform",
    "precision": "float32",
    "embedding": 8,
    "hidden": 8,
    "layers": 1,
    "dropout": 0.2,
    "duration": True,
    "visits": "in_order",
    "seed": 0,
    "search": {},
    "optimiser": "adam",
    "learning_rate": 0.01,
    "schedule": "constant",
    "gradient_norm": None,
    "class_weights": "none",
    "l2": 0.001,
    "batch": 32,
    "epochs": 5,
    "patience": 5,
}
#: What the other networks have in common with the GRU.
SHARED = {
    key: GRU[key]
    for key in (
        *("embedding", "hidden", "dropout", "duration", "visits", "seed", "search", "optimiser"),
        *("learning_rate", "schedule", "gradient_norm", "class_weights", "l2", "batch", "epochs"),
        "patience",
    )
}
RETAIN = {"kind": "retain", **SHARED}
TRANSFORMER = {"kind": "transformer", "heads": 2, "layers": 2, "longest": 256, **SHARED}
TASK = {"kind": "onset", "observation_months": 18, "prediction_months": 0}
OF_COUNTS: dict[str, Any] = {"features": "counts", "search": {}}
LOGISTIC = {"kind": "logistic", "inverse_penalty": 0.1, **OF_COUNTS}
SVM = {"kind": "svm", "inverse_penalty": 0.01, **OF_COUNTS}
MLP = {"kind": "mlp", "hidden": 8, "l2": 1e-4, "epochs": 20, "patience": 3, **OF_COUNTS}
KNN = {"kind": "knn", "neighbours": 9, **OF_COUNTS}
TREES = {
    "kind": "trees",
    "trees": 50,
    "leaves": 4,
    "learning_rate": 0.1,
    "least_rows": 5,
    "patience": 5,
    **OF_COUNTS,
}
CLASSICAL = {model["kind"]: model for model in (LOGISTIC, SVM, MLP, KNN, TREES)}


def cohort(n: int = 210, seed: int = 0) -> list[Row]:
    """Random visits; code 0 raises the risk. Every seventh row has no visit."""
    draw = np.random.default_rng(seed)
    rows = []
    for subject in range(n):
        lengths = draw.integers(0, 4, size=0 if subject % 7 == 0 else draw.integers(1, 6))
        visits = [sorted(draw.choice(CODES, size=k, replace=False).tolist()) for k in lengths]
        risk = 0.8 if any(0 in visit for visit in visits) else 0.2
        part = int(draw.integers(PARTS))
        rows.append(Row(visits, bool(draw.random() < risk), part, subject_id=subject))
    return rows


def inputs(rows: Sequence[Row], folder: Path) -> dict[str, Path]:
    return {
        "visits": write_visits(rows, folder / "visits.arrow"),
        "vocabulary": write_vocabulary(rows, CODES, PARTS, folder / "vocabulary.parquet"),
    }


def train(rows: Sequence[Row], folder: Path, model: dict[str, Any], seed: int = 0) -> Path:
    """Train on ``rows``; return the model's folder."""
    run: Any = partial(train_baseline, task=TASK) if model["kind"] in CLASSICAL else train_model
    run(
        **inputs(rows, folder),
        model=model,
        encoding=ENCODING,
        fold=FOLD,
        parts=PARTS,
        seed=seed,
        folder=folder / "model",
    )
    return folder / "model"


def card_of(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return card
