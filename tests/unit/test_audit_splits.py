"""The audit of the splits: each check fails for the right reason alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audit_site import ENCODING, MINIMUM, PARTS, SEED, TASK, copy_of, make_site, rewrite, verdicts
from small_training import LOGISTIC

from visitseq.audit.findings import Finding
from visitseq.audit.splits import check_splits
from visitseq.cohort.parts import assign_parts, digest_of_persons, validation_part
from visitseq.encode.vectors import write_vectors
from visitseq.train.baseline import train_baseline

FOLD = 1
COHORT_FILE = "2_cohort/here/failure/cohort.parquet"
ENCODED = "3_encode/here/onset/one_hot"
MODEL = f"4_train/here/onset/one_hot/logistic/fold{FOLD}"
EVALUATED = f"5_evaluate/here/onset/one_hot/logistic/fold{FOLD}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with one trained model, and who was scored with it."""
    results = make_site(tmp_path_factory.mktemp("splits") / "results")
    train_baseline(
        visits=results / ENCODED / "visits.arrow",
        vocabulary=results / ENCODED / "vocabulary.parquet",
        task=TASK,
        model=LOGISTIC,
        encoding=ENCODING,
        fold=FOLD,
        parts=PARTS,
        seed=SEED,
        folder=results / MODEL,
    )
    (results / EVALUATED).mkdir(parents=True)
    cohort = pq.read_table(results / COHORT_FILE).to_pandas()
    parts = {"predictions": FOLD, "validation": validation_part(FOLD, PARTS)}
    for name, part in parts.items():
        scored = cohort.loc[cohort["part"] == part, ["subject_id"]]
        pq.write_table(pa.table({"subject_id": scored["subject_id"]}), file_of(results, name))
    return results


def file_of(results: Path, name: str) -> Path:
    return results / EVALUATED / f"{name}.parquet"


def splits_of(results: Path, **study: Any) -> dict[str, Finding]:
    check_splits(
        study={
            "tasks": {"onset": "failure"},
            "encoded": [["here", "onset", "one_hot"]],
            "models": [["here", "onset", "one_hot", "logistic", FOLD]],
            "moved": [],
            "seed": SEED,
            "parts": PARTS,
            "minimum_cell": MINIMUM,
            **study,
        },
        results=results,
        folder=results / "audit/splits",
    )
    return verdicts(results / "audit/splits")


def failed(found: dict[str, Finding]) -> set[str]:
    return {question for question, finding in found.items() if finding.verdict == "fail"}


def edit_card(results: Path, **changes: Any) -> None:
    path = results / MODEL / "model.json"
    card = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**card, **changes}), "utf-8")


def test_an_honest_study_passes(site: Path) -> None:
    found = splits_of(site)
    assert {finding.verdict for finding in found.values()} == {"pass"}
    assert {"training_persons", "validation_persons", "known_codes"} <= set(found)


def test_the_card_carries_the_digest_of_its_persons(site: Path) -> None:
    """Fold 1 of three tests on part 1, validates on part 2 and trains on part 0."""
    card = json.loads((site / MODEL / "model.json").read_text("utf-8"))
    subjects = pq.read_table(site / COHORT_FILE)["subject_id"].to_numpy()
    part = assign_parts(subjects, SEED, PARTS)
    assert card["persons"] == {
        "training": digest_of_persons(subjects[part == 0]),
        "validation": digest_of_persons(subjects[part == 2]),
    }


def test_the_manifest_says_how_many_and_not_who(site: Path) -> None:
    splits_of(site)
    manifest = pd.read_csv(site / "audit/splits/manifest.csv", dtype=str).set_index("part")
    cohort = pq.read_table(site / COHORT_FILE).to_pandas()
    for part, own in cohort.groupby("part"):
        row = [manifest[name][str(part)] for name in ("rows", "persons", "sha256")]
        digest = digest_of_persons(own["subject_id"].to_numpy())
        assert row == [str(len(own)), str(own["subject_id"].nunique()), digest]


def test_of_few_persons_the_manifest_has_no_digest(site: Path) -> None:
    splits_of(site, minimum_cell=10_000)
    manifest = pd.read_csv(site / "audit/splits/manifest.csv", dtype=str)
    assert manifest["sha256"].isna().all()
    assert set(manifest["persons"]) == {"<10000"}


def test_a_person_in_two_parts_is_found(site: Path, tmp_path: Path) -> None:
    """In two cohorts of the site, each of which alone has every person in one part."""
    results = copy_of(site, tmp_path)
    second = results / "2_cohort/here/second/cohort.parquet"
    second.parent.mkdir()
    second.write_bytes((results / COHORT_FILE).read_bytes())
    part = pq.read_table(second)["part"].to_numpy()
    rewrite(second, part=(part + 1) % PARTS)
    copied = results / "3_encode/here/second_task/one_hot"
    copied.mkdir(parents=True)
    (copied / "visits.arrow").write_bytes((results / ENCODED / "visits.arrow").read_bytes())
    found = splits_of(
        results,
        tasks={"onset": "failure", "second_task": "second"},
        encoded=[["here", "onset", "one_hot"], ["here", "second_task", "one_hot"]],
    )
    assert failed(found) == {"person_in_one_part", "parts_recomputed"}


def test_a_set_on_both_sides_is_found(site: Path, tmp_path: Path) -> None:
    results = copy_of(site, tmp_path)
    part = pq.read_table(results / COHORT_FILE)["part"].to_numpy().copy()
    part[0] = (part[0] + 1) % PARTS
    rewrite(results / COHORT_FILE, part=part)
    assert failed(splits_of(results)) == {"set_in_one_part", "parts_recomputed"}


@pytest.mark.parametrize("side", ["training", "validation"])
def test_a_model_that_saw_others_is_found(site: Path, tmp_path: Path, side: str) -> None:
    results = copy_of(site, tmp_path)
    card = json.loads((results / MODEL / "model.json").read_text("utf-8"))
    subjects = pq.read_table(results / COHORT_FILE)["subject_id"].to_numpy()
    edit_card(results, persons={**card["persons"], side: digest_of_persons(subjects)})
    assert failed(splits_of(results)) == {f"{side}_persons"}


def test_a_code_of_the_test_part_that_is_known_is_found(site: Path, tmp_path: Path) -> None:
    results = copy_of(site, tmp_path)
    known = json.loads((results / MODEL / "model.json").read_text("utf-8"))["known"]
    edit_card(results, known=[*known, known[-1] + 1])
    assert failed(splits_of(results)) == {"known_codes"}


def test_pretraining_on_everybody_is_found(site: Path, tmp_path: Path) -> None:
    results = copy_of(site, tmp_path)
    subjects = pq.read_table(results / COHORT_FILE)["subject_id"].to_numpy()
    everybody = {"visits_ahead": 1, "persons_digest": digest_of_persons(subjects)}
    edit_card(results, pretraining=everybody)
    assert failed(splits_of(results)) == {"pretraining_persons"}


@pytest.mark.parametrize("corpus", ["site", "cohort"])
def test_vectors_of_other_persons_are_found(site: Path, tmp_path: Path, corpus: str) -> None:
    results = copy_of(site, tmp_path)
    table = "1_ingest/here/persons.parquet" if corpus == "site" else COHORT_FILE
    subjects = np.unique(pq.read_table(results / table)["subject_id"].to_numpy())
    training = digest_of_persons(subjects[assign_parts(subjects, SEED, PARTS) == 0])
    path, own = results / ENCODED / f"fold{FOLD}/vectors.safetensors", np.zeros((2, 2), np.float32)
    section = {**ENCODING, "vectors": "skipgram", "corpus": corpus, "paper_mode": False}
    edit_card(results, encoding=section)
    write_vectors(own, path, training)
    assert splits_of(results)["vectors_persons"].verdict == "pass"
    write_vectors(own, path, digest_of_persons(subjects))
    assert failed(splits_of(results)) == {"vectors_persons"}
    edit_card(results, encoding={**section, "paper_mode": True})
    found = splits_of(results)
    assert not failed(found)
    assert found["declared_vectors"].verdict == "warn"


def test_a_score_of_somebody_trained_on_is_found(site: Path, tmp_path: Path) -> None:
    results = copy_of(site, tmp_path)
    subjects = pq.read_table(results / COHORT_FILE)["subject_id"]
    pq.write_table(pa.table({"subject_id": subjects}), file_of(results, "predictions"))
    assert failed(splits_of(results)) == {"test_part_alone"}
    moved = [[str(results / EVALUATED), "here", "onset", FOLD]]
    assert splits_of(results, models=[], moved=moved)["test_part_alone"].numbers["wrong"] == 1
