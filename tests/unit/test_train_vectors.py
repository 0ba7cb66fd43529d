"""Networks that start from pre-trained vectors: where they begin, and what comes back of them."""

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import chains
import numpy as np
import numpy.typing as npt
import pytest
from arrow_visits import Row
from safetensors.torch import load_file
from small_training import (
    CODES,
    ENCODING,
    FOLD,
    GRU,
    PARTS,
    RETAIN,
    TRANSFORMER,
    card_of,
    cohort,
    inputs,
)

from visitseq.encode.sequences import read_sequences
from visitseq.encode.vectors import write_vectors
from visitseq.evaluate.reach import fresh_network
from visitseq.train.forecast import load_forecaster, train_forecast
from visitseq.train.network import train_model
from visitseq.train.pretrained import train_pretrained
from visitseq.train.trained import load_model
from visitseq.train.vectors import with_vectors

DIMENSION = 5
SKIPGRAM: dict[str, Any] = {**ENCODING, "vectors": "skipgram", "dimension": DIMENSION}
#: Nothing is learned: the network stays where it began.
STILL = {"learning_rate": 0.0, "epochs": 1, "pretraining_epochs": 1}


def rare_code() -> list[Row]:
    """A cohort whose code 3 stands in one visit alone, too few to be known."""
    rows = cohort()
    visits = [[[code for code in visit if code != 3] for visit in row.visits] for row in rows]
    visits[1].append([3])
    return [
        Row(v, r.label, r.part, subject_id=r.subject_id) for v, r in zip(visits, rows, strict=True)
    ]


def vectors_in(folder: Path) -> tuple[Path, npt.NDArray[np.float32]]:
    folder.mkdir(parents=True, exist_ok=True)
    vectors = np.random.default_rng(0).normal(size=(CODES, DIMENSION)).astype(np.float32)
    write_vectors(vectors, folder / "vectors.safetensors", "persons")
    return folder / "vectors.safetensors", vectors


def settings_of(
    files: dict[str, Path], folder: Path, model: dict[str, Any], **encoding: Any
) -> dict[str, Any]:
    own = {"model": model, "encoding": SKIPGRAM | encoding, "fold": FOLD, "parts": PARTS}
    return {**files, **own, "seed": 0, "folder": folder / "model"}


def train(rows: Sequence[Row], folder: Path, **changes: Any) -> Path:
    file, _ = vectors_in(folder)
    train_model(**settings_of(inputs(rows, folder), folder, GRU | changes), vectors=file)
    return folder / "model"


@pytest.mark.parametrize("model", [GRU, RETAIN, TRANSFORMER], ids=itemgetter("kind"))
def test_the_embedding_starts_at_the_vectors_of_the_known_codes(
    tmp_path: Path, model: dict[str, Any]
) -> None:
    file, vectors = vectors_in(tmp_path)
    files = inputs(rare_code(), tmp_path)
    train_model(**settings_of(files, tmp_path, model | STILL), vectors=file)
    known = card_of(tmp_path / "model")["known"]
    assert known == [0, 1, 2, 4, 5, 6, 7]
    weights = load_file(tmp_path / "model/model.safetensors")
    np.testing.assert_array_equal(weights["embed.weight"], vectors[known])


def test_a_fresh_network_starts_at_the_vectors_too(tmp_path: Path) -> None:
    folder = train(cohort(), tmp_path, **STILL)
    weights = load_file(folder / "model.safetensors")
    fresh = fresh_network(card_of(folder), tmp_path / "vectors.safetensors").state_dict()
    for name in ("embed.weight", "recur.weight_hh_l0"):
        np.testing.assert_array_equal(fresh[name], weights[name])


def test_the_embedding_is_trained_on_and_comes_back_in_its_size(tmp_path: Path) -> None:
    rows = cohort()
    folder = train(rows, tmp_path)
    embedding = load_file(folder / "model.safetensors")["embed.weight"].numpy()
    _, vectors = vectors_in(tmp_path)
    assert embedding.shape == (CODES, DIMENSION)
    assert (np.abs(embedding - vectors).max(axis=1) > 0).all()
    assert np.abs(embedding - vectors).max() < 1
    card = card_of(folder)
    assert (card["model"]["embedding"], card["encoding"]["dimension"]) == (8, DIMENSION)
    loaded = load_model(folder)
    scores = loaded.score(read_sequences(tmp_path / "visits.arrow"))
    validation = [row.part == FOLD + 1 for row in rows]
    labels, p = np.array([bool(row.label) for row in rows])[validation], scores[validation]
    loss = -np.where(labels, np.log(p), np.log1p(-p)).mean()
    assert loss == pytest.approx(card["validation"]["loss"], rel=1e-5)


def test_other_vectors_are_another_training(tmp_path: Path) -> None:
    rows = cohort()
    one = train(rows, tmp_path / "one")
    file, vectors = vectors_in(tmp_path / "two")
    write_vectors(vectors + 1, file, "persons")
    settings = settings_of(inputs(rows, tmp_path / "two"), tmp_path / "two", GRU)
    train_model(**settings, vectors=file)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (one, settings["folder"])]
    assert weights[0] != weights[1]


def test_a_fold_that_knows_no_code_trains_all_the_same(tmp_path: Path) -> None:
    file, _ = vectors_in(tmp_path)
    files = inputs(cohort(), tmp_path)
    settings = settings_of(files, tmp_path, GRU | STILL, min_count=10_000)
    train_model(**settings, vectors=file)
    weights = load_file(tmp_path / "model/model.safetensors")
    assert weights["embed.weight"].shape == (1, DIMENSION)


def test_an_encoder_decoder_reads_from_the_vectors_on(tmp_path: Path) -> None:
    rows, model = chains.chains(), chains.SEQ2SEQ | STILL
    file, vectors = vectors_in(tmp_path)
    settings = settings_of(inputs(rows, tmp_path), tmp_path, model, min_count=1)
    train_pretrained(**settings, vectors=file)
    weights = load_file(tmp_path / "model/model.safetensors")
    np.testing.assert_array_equal(weights["embed.weight"], vectors)
    assert len(load_model(tmp_path / "model").score(read_sequences(tmp_path / "visits.arrow")))
    settings |= {**chains.forecast_files(rows, tmp_path), "folder": tmp_path / "forecast"}
    task = {"kind": "forecast", "visits_ahead": chains.AHEAD}
    train_forecast(task=task, **settings, vectors=file)
    encoder = load_forecaster(tmp_path / "forecast").network.encoder
    np.testing.assert_array_equal(encoder.embed.weight.detach(), vectors)


def test_without_vectors_the_section_is_the_models_own() -> None:
    assert with_vectors(GRU, ENCODING) == GRU
    assert with_vectors(GRU, SKIPGRAM) == GRU | {"embedding": DIMENSION}
