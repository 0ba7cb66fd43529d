"""The importance of each code: of each kind of model, by hand, and small numbers suppressed."""

import json
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from arrow_visits import in_memory
from chains import SEQ2SEQ
from safetensors.numpy import save_file
from scipy.special import logit
from small_training import (
    CODES,
    ENCODING,
    FOLD,
    GRU,
    LOGISTIC,
    PARTS,
    RETAIN,
    TASK,
    TRANSFORMER,
    card_of,
    cohort,
    inputs,
    train,
)

from visitseq.encode.sequences import Sequences, count_matrix, read_sequences
from visitseq.encode.vectors import write_vectors
from visitseq.errors import UserError
from visitseq.evaluate.bootstrap import Groups, set_draws
from visitseq.evaluate.drawn_ratios import Terms, estimate_ratios
from visitseq.evaluate.explainers import Explainer, contributions, load_explainer
from visitseq.evaluate.importance import (
    Draws,
    attribute,
    explain_model,
    explain_rows,
    importance_table,
)
from visitseq.models.batches import Batch
from visitseq.models.retain import Retain
from visitseq.train.baseline import train_baseline
from visitseq.train.network import train_model
from visitseq.train.pretrained import train_pretrained
from visitseq.train.scoring import load_network, score_logits
from visitseq.train.skops_archive import load_archive
from visitseq.train.trained import load_model
from visitseq.train.visits_read import visits_read

NAMES = pd.DataFrame({"code": [f"condition/{code}" for code in range(3)], "description": None})


class TenTimes(Retain):
    """Says itself what each code adds: here 10 times its place."""

    def contributions(self, batch: Batch) -> torch.Tensor:
        return 10.0 * batch.codes


def explained(folder: Path, model: dict[str, Any], minimum_cell: int = 1) -> pd.DataFrame:
    train(cohort(), folder, model)
    explain_model(**arguments(folder), draws=100, seed=0, minimum_cell=minimum_cell, folder=folder)
    return pd.read_csv(folder / "importance.csv")


def arguments(folder: Path) -> dict[str, Path]:
    return {
        "visits": folder / "visits.arrow",
        "vocabulary": folder / "vocabulary.parquet",
        "trained": folder / "model",
    }


def rows_of_test(folder: Path) -> Sequences:
    sequences = read_sequences(folder / "visits.arrow")
    return sequences.take(sequences.rows_of_parts([FOLD]))


def test_of_a_logistic_regression_contributions_are_coefficients_times_counts(
    tmp_path: Path,
) -> None:
    table = explained(tmp_path, LOGISTIC).set_index("code")
    rows, known = rows_of_test(tmp_path), np.array(card_of(tmp_path / "model")["known"], np.int32)
    pipeline = load_archive(tmp_path / "model/model.skops")["model"]
    counts = count_matrix(rows, known).toarray()
    each = counts * pipeline[-1].coef_[0] / pipeline[0].scale_
    logits = pipeline.decision_function(counts)
    np.testing.assert_allclose(each.sum(axis=1) + pipeline[-1].intercept_, logits)
    for place, code in enumerate(card_of(tmp_path / "model")["codes"]):
        line = table.loc[code]
        assert line["persons"] == np.sum(counts[:, place] > 0)
        np.testing.assert_allclose(line["mean"], each[:, place].mean())
        np.testing.assert_allclose(line["mean_absolute"], np.abs(each[:, place]).mean())
        np.testing.assert_allclose(line["mean_among"], each[counts[:, place] > 0, place].mean())
        assert line["mean_low"] <= line["mean"] <= line["mean_high"]
    assert table["mean_absolute"].is_monotonic_decreasing


@pytest.mark.parametrize(
    "model",
    [GRU, {**GRU, "visits": "shuffled"}, RETAIN, {**TRANSFORMER, "longest": 2}],
    ids=["gru", "shuffled", "retain", "transformer"],
)
def test_of_a_network_the_codes_add_up_to_the_logit(tmp_path: Path, model: dict[str, Any]) -> None:
    """What all codes of all test rows are given is what the mean logit changes without codes."""
    table = explained(tmp_path, {**model, "epochs": 2})
    rows, card = rows_of_test(tmp_path), card_of(tmp_path / "model")
    known = np.array(card["known"], dtype=np.int32)
    network = load_network(tmp_path / "model/model.safetensors", card["model"], len(known))
    rows, every = visits_read(rows, card["model"], card["seed"]), np.arange(len(rows))
    change = score_logits(network, rows, every, known) - score_logits(
        network, rows, every, known[:0]
    )
    np.testing.assert_allclose(table["mean"].sum(), change.mean(), atol=1e-5)
    content = json.loads((tmp_path / "importance.json").read_text())
    assert content["largest_gap"] < 1e-5
    assert (content["rows"], content["codes"], content["suppressed"]) == (len(rows), CODES, 0)


def test_with_vectors_a_code_has_the_coefficient_of_its_vector(tmp_path: Path) -> None:
    """Codes add up to the change of the logit from a row of no codes, whose features are 0."""
    vectors = np.random.default_rng(0).normal(size=(CODES, 3)).astype(np.float32)
    save_file({"vectors": vectors}, tmp_path / "vectors.safetensors")
    train_baseline(
        **inputs(cohort(), tmp_path),
        task=TASK,
        model=LOGISTIC,
        encoding=ENCODING,
        fold=FOLD,
        parts=PARTS,
        seed=0,
        folder=tmp_path / "model",
        vectors=tmp_path / "vectors.safetensors",
    )
    explain_model(**arguments(tmp_path), draws=100, seed=0, minimum_cell=1, folder=tmp_path)
    rows, model = rows_of_test(tmp_path), load_model(tmp_path / "model")
    nothing = model.score(rows.take(np.flatnonzero(rows.lengths == 0)[:1]))
    change = logit(model.score(rows)) - logit(nothing)
    table = pd.read_csv(tmp_path / "importance.csv")
    np.testing.assert_allclose(table["mean"].sum(), change.mean())


@pytest.mark.parametrize("model", [GRU, RETAIN, TRANSFORMER, SEQ2SEQ], ids=itemgetter("kind"))
def test_a_network_of_the_vectors_size_is_explained(tmp_path: Path, model: dict[str, Any]) -> None:
    """The vectors' size is not the embedding's; the codes add up to what scores change without."""
    dimension = model["embedding"] - 2
    vectors = np.random.default_rng(0).normal(size=(CODES, dimension)).astype(np.float32)
    write_vectors(vectors, tmp_path / "vectors.safetensors", "persons")
    run: Any = train_pretrained if model["kind"] == "seq2seq" else train_model
    run(
        **inputs(cohort(), tmp_path),
        model={**model, "epochs": 1},
        encoding={**ENCODING, "vectors": "skipgram", "dimension": dimension},
        fold=FOLD,
        parts=PARTS,
        seed=0,
        folder=tmp_path / "model",
        vectors=tmp_path / "vectors.safetensors",
    )
    explain_model(**arguments(tmp_path), draws=100, seed=0, minimum_cell=1, folder=tmp_path)
    rows, trained = rows_of_test(tmp_path), load_model(tmp_path / "model")
    unknown = replace(rows, codes=rows.codes + CODES)
    change = logit(trained.score(rows)) - logit(trained.score(unknown))
    table = pd.read_csv(tmp_path / "importance.csv")
    # What the points of the integral miss (of a transformer more than of the others) is known.
    gap = json.loads((tmp_path / "importance.json").read_text())["largest_gap"]
    assert gap < 1e-3
    assert abs(table["mean"].sum() - change.mean()) < gap + 1e-5


def test_codes_of_few_persons_are_left_out_and_counted(tmp_path: Path) -> None:
    explained(tmp_path, LOGISTIC)
    everything = pd.read_csv(tmp_path / "importance.csv")
    minimum = int(everything["persons"].max())
    table = explained(tmp_path, LOGISTIC, minimum)
    assert (table["persons"] >= minimum).all()
    content = json.loads((tmp_path / "importance.json").read_text())
    assert content["codes"] == len(table) < CODES
    assert content["suppressed"] == CODES - len(table)


def test_chosen_persons_are_explained_code_by_code(tmp_path: Path) -> None:
    train(cohort(), tmp_path, GRU)
    sequences, card = read_sequences(tmp_path / "visits.arrow"), card_of(tmp_path / "model")
    known = np.array(card["known"], dtype=np.int32)
    network = load_network(tmp_path / "model/model.safetensors", card["model"], len(known))
    found = explain_rows(**arguments(tmp_path), subject_ids=[12, 3])
    for subject in (3, 12):
        row, own = np.array([subject]), found[found["subject_id"] == subject]
        change = score_logits(network, sequences, row, known)
        change -= score_logits(network, sequences, row, known[:0])
        np.testing.assert_allclose(own["attribution"].sum(), change[0], atol=1e-5)
        visits = [set(of_step["code"]) for _, of_step in own.groupby("step")]
        written = [{f"condition/{code}" for code in v} for v in cohort()[subject].visits if v]
        assert visits == written
        assert own["days_to_index"].is_monotonic_decreasing
    with pytest.raises(UserError, match="1 of 2 persons are not in"):
        explain_rows(**arguments(tmp_path), subject_ids=[3, 100_000])


def test_of_retain_contributions_are_its_own() -> None:
    """Two rows of one person and one of another; code 2 stands twice in the first row."""
    rows = in_memory([[[0, 2], [2]], [[1]], []])
    rows = rows.take(np.arange(3))
    rows.subject_id[:] = [7, 7, 8]
    network = TenTimes(codes=3, embedding=2, hidden=2, dropout=0.0, duration=False)
    explainer = Explainer("", partial(contributions, network), lambda sequences: sequences)
    found = attribute(explainer, rows, np.arange(3, dtype=np.int32))
    table = importance_table(found, rows, NAMES, 1, Draws(100, 0, 0)).set_index("code")
    assert table["persons"].tolist() == [1, 1, 1]
    assert table.loc["condition/2", "mean"] == pytest.approx(40 / 3)
    assert table.loc["condition/2", "mean_among"] == 40
    assert table.loc["condition/1", "mean_absolute"] == pytest.approx(10 / 3)
    assert table.index[0] == "condition/2"


@pytest.mark.parametrize("kind", ["svm", "mlp", "knn", "trees"])
def test_other_kinds_are_refused_with_the_reason(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UserError, match=f"cannot be explained: it is of kind {kind}, and"):
        load_explainer(tmp_path, {"model": {"kind": kind}, "known": []})


def test_a_test_part_without_rows_has_no_code(tmp_path: Path) -> None:
    rows = [row for row in cohort() if row.part != FOLD]
    train(rows, tmp_path, LOGISTIC)
    explain_model(**arguments(tmp_path), draws=100, seed=0, minimum_cell=1, folder=tmp_path)
    assert len(pd.read_csv(tmp_path / "importance.csv")) == 0


def test_a_ratio_over_folds_is_drawn_as_its_folds_are() -> None:
    """Draw d over two folds is the ratio of sums over both folds' draws d."""
    generator = np.random.default_rng(0)
    folds, values = [], []
    for fold, sets in ((0, 4), (3, 6)):
        rows = np.repeat(np.arange(sets), 3)
        groups = Groups(np.arange(sets) + 10 * fold, rows)
        above, below = generator.random((len(rows), 2)), generator.random((len(rows), 1))
        folds.append(Terms(fold, groups, above, below))
        counts = np.concatenate(list(set_draws(groups.ids, 200, 5, fold, len(rows))))
        weights = counts[:, rows]
        values.append((weights @ above, weights @ below))
    above, below = (np.sum(sums, axis=0) for sums in zip(*values, strict=True))
    drawn = above / below
    for place, estimate in enumerate(estimate_ratios(folds, 200, 5)):
        low, high = np.quantile(drawn[:, place], [0.025, 0.975])
        assert (estimate.low, estimate.high) == pytest.approx((low, high))
        value = sum(f.numerators[:, place].sum() for f in folds)
        assert estimate.value == pytest.approx(value / sum(f.denominators.sum() for f in folds))


def test_a_ratio_of_nothing_says_so() -> None:
    terms = Terms(0, Groups(np.arange(3), np.arange(3)), np.zeros((3, 1)), np.zeros((3, 1)))
    (estimate,) = estimate_ratios([terms], 100, 0)
    assert np.isnan(estimate.value)
    assert estimate.reason == "no person"
