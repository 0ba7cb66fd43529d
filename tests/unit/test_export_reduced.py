"""A model without rare codes scores as the whole one does rows that lack them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import chains
import next_visits
import numpy as np
import numpy.typing as npt
import pytest
from arrow_visits import Row, write_histories, write_visits
from safetensors.numpy import load_file
from small_training import (
    CLASSICAL,
    CODES,
    FOLD,
    GRU,
    PARTS,
    RETAIN,
    TASK,
    TRANSFORMER,
    card_of,
    cohort,
    train,
)

from visitseq.encode.histories import read_histories
from visitseq.encode.sequences import read_sequences, read_visit_lists
from visitseq.encode.vectors import write_vectors
from visitseq.errors import UserError
from visitseq.evaluate.next_visit import predictions_table
from visitseq.export.common_codes import persons_with
from visitseq.export.reduced import reduce_model
from visitseq.train.next_visit import load_next_visit
from visitseq.train.skops_archive import load_archive
from visitseq.train.trained import load_model

TRAINING = [part for part in range(PARTS) if part not in (FOLD, FOLD + 1)]
KINDS: dict[str, dict[str, Any]] = {
    **{kind: model for kind, model in CLASSICAL.items() if kind != "knn"},
    **{f"{kind}_time": {**CLASSICAL[kind], "features": "time"} for kind in ("logistic", "trees")},
    "visit_count": {**CLASSICAL["logistic"], "features": "frequency"},
    "mlp_time": {**CLASSICAL["mlp"], "features": "time"},
    "gru": {**GRU, "epochs": 2},
    "retain": {**RETAIN, "epochs": 2},
    "transformer": {**TRANSFORMER, "epochs": 2},
}


def persons_by_hand(rows: Sequence[Row]) -> list[int]:
    """Persons of the training parts who have each code."""
    trained = [row for row in rows if row.part in TRAINING]
    return [
        len({row.subject_id for row in trained if any(code in visit for visit in row.visits)})
        for code in range(CODES)
    ]


def without(rows: Sequence[Row], codes: set[int]) -> list[Row]:
    """The same rows without some codes; visits stay, if need be empty."""
    return [
        replace(row, visits=[[c for c in visit if c not in codes] for visit in row.visits])
        for row in rows
    ]


def scores(model: Path, rows: Sequence[Row], folder: Path) -> npt.NDArray[np.float64]:
    return load_model(model).score(read_sequences(write_visits(rows, folder / "scored.arrow")))


def reduced(model: Path, folder: Path, minimum: int, task: dict[str, Any] = TASK) -> Path:
    reduce_model(
        trained=model,
        visits=folder / "visits.arrow",
        task=task,
        minimum_cell=minimum,
        folder=folder / "reduced",
    )
    return folder / "reduced"


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_scored_as_if_they_lacked_the_rare_codes(kind: str, tmp_path: Path) -> None:
    rows = cohort()
    trained = train(rows, tmp_path, KINDS[kind])
    persons = persons_by_hand(rows)
    minimum = sorted(persons)[CODES // 2]  # half of the codes are rare
    rare = {code for code, number in enumerate(persons) if number < minimum}
    assert 0 < len(rare) < CODES
    model = reduced(trained, tmp_path, minimum)
    assert card_of(model)["codes"] == [f"condition/{c}" for c in range(CODES) if c not in rare]
    before, after = scores(trained, rows, tmp_path), scores(model, rows, tmp_path)
    if kind == "visit_count":  # which counts codes, whichever they are
        assert np.array_equal(after, before)
        return
    assert not np.array_equal(after, before)
    truth = scores(trained, without(rows, rare), tmp_path)
    np.testing.assert_allclose(after, truth, rtol=1e-6 if kind.startswith("mlp") else 1e-12)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "visit_count"])
def test_a_model_that_knows_no_code_any_more_still_scores(kind: str, tmp_path: Path) -> None:
    rows = cohort()
    trained = train(rows, tmp_path, KINDS[kind])
    model = reduced(trained, tmp_path, len(rows) + 1)
    assert card_of(model)["known"] == []
    truth = scores(trained, without(rows, set(range(CODES))), tmp_path)
    np.testing.assert_allclose(scores(model, rows, tmp_path), truth, rtol=1e-6)
    if (model / "model.safetensors").exists():
        assert not load_file(model / "model.safetensors")["embed.weight"].any()
    elif kind in ("logistic", "svm"):
        assert not load_archive(model / "model.skops")["model"]["classify"].coef_.any()


def test_neighbours_stay_in_the_house(tmp_path: Path) -> None:
    trained = train(cohort(), tmp_path, CLASSICAL["knn"])
    with pytest.raises(UserError, match=r"cannot be exported: .* knn is its training records"):
        reduced(trained, tmp_path, 5)


def test_the_perceptron_leaves_its_first_weights_behind(tmp_path: Path) -> None:
    model = reduced(train(cohort(), tmp_path, CLASSICAL["mlp"]), tmp_path, 1)
    pipeline = load_archive(model / "model.skops")["model"]
    assert not hasattr(pipeline["classify"], "_best_coefs")
    assert not hasattr(pipeline["scale"], "var_")
    assert not hasattr(pipeline["scale"], "n_samples_seen_")


def test_trees_leave_their_counts_behind(tmp_path: Path) -> None:
    model = reduced(train(cohort(), tmp_path, CLASSICAL["trees"]), tmp_path, 1)
    text = load_archive(model / "model.skops")["model"]
    for word in ("count", "weight", "parameters", "["):
        assert word not in text


@pytest.mark.parametrize(
    ("kind", "has_vectors"),
    [
        *[(kind, False) for kind in ("recurrent", "logistic", "mlp", "most_frequent")],
        ("logistic", True),
    ],
)
def test_the_next_visit_without_rare_codes_and_labels(
    kind: str, has_vectors: bool, tmp_path: Path
) -> None:
    rows = [
        replace(row, visits=[[code % 25] if code % 25 > 2 else [] for (code,) in row.visits])
        for row in next_visits.chains()
    ]
    rows[0] = replace(rows[0], visits=[[30], *rows[0].visits[1:]], part=0)
    vectors = tmp_path / "vectors.safetensors" if has_vectors else None
    if vectors is not None:
        drawn = np.random.default_rng(0).normal(size=(next_visits.CODES, 3))
        write_vectors(drawn.astype(np.float32), vectors, "persons")
    trained = next_visits.train(rows, tmp_path, kind=kind, epochs=2, vectors=vectors)
    model = reduced(trained, tmp_path, 2, next_visits.TASK)
    card = card_of(model)
    assert 30 in card_of(trained)["known"]
    assert 30 not in [*card["known"], *card["known_labels"]]
    assert len(card["label_visits"]) == len(card["known_labels"])
    # The whole model on rows without the code, its rare label passed over.
    lacking = write_histories(without(rows, {30}), tmp_path / "lacking.arrow")
    whole, own = load_next_visit(trained), load_next_visit(model)
    every = np.arange(len(rows))
    truth = predictions_table(read_histories(lacking), every, whole)
    found = predictions_table(read_histories(tmp_path / "visits.arrow"), every, own)
    width = len(own.known_labels)
    ranked = [[label for label in top if label != 30] for top in truth["top"].to_pylist()]
    assert [top[: min(30, width)] for top in ranked] == found["top"].to_pylist()
    assert truth["predicted_log_days"].equals(found["predicted_log_days"])


def test_a_pretrained_model_loses_codes(tmp_path: Path) -> None:
    rows = chains.chains()
    trained = chains.train(rows, tmp_path, epochs=1, pretraining_epochs=1)
    model = reduced(trained, tmp_path, 130)
    kept = card_of(model)["known"]
    assert 0 < len(kept) < len(card_of(trained)["known"])
    truth = scores(trained, without(rows, set(range(CODES)) - set(kept)), tmp_path)
    assert np.array_equal(scores(model, rows, tmp_path), truth)


def test_persons_are_counted_once(tmp_path: Path) -> None:
    rows = [
        Row([[0, 1], [1]], subject_id=1),
        Row([[1]], subject_id=1),
        Row([[1], [2]], subject_id=2),
        Row([], subject_id=3),
        Row([[2]], subject_id=4, part=1),
    ]
    lists = read_visit_lists(write_visits(rows, tmp_path / "visits.arrow"))
    counted = persons_with(lists, lists.rows_of_parts([0]), lists.code_offsets, lists.codes, 4)
    assert counted.tolist() == [1, 2, 1, 0]
