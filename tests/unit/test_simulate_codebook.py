"""The codes of the simulated hospitals: how many, of which groups, in whose dialect."""

import re
from pathlib import Path

import numpy as np
import pytest

from visitseq.simulate.codebook import DOMAINS, Codebook, load_codebook
from visitseq.simulate.tail import (
    HEART_FAILURE,
    diagnosis_categories,
    known_groups,
    tail_codes,
    three_characters,
)
from visitseq.simulate.vocabulary import vocabulary_tables

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(params=["primary_care", "intensive_care"])
def book(request: pytest.FixtureRequest) -> Codebook:
    return load_codebook(request.param)


def diagnoses(book: Codebook) -> set[str]:
    """Diagnoses that a hospital may write: those with a meaning and its tail."""
    meant = np.flatnonzero(book.domain == 0)
    named = set(meant.tolist()) - {
        row for row, name in enumerate(book.name) if name == book.source_value[row]
    }
    return {book.source_value[row] for row in [*named, *book.tail[0].tolist()]}


def test_as_many_codes_as_the_paper_reports() -> None:
    book = load_codebook("primary_care")
    sizes = [int((book.domain == DOMAINS.index(domain)).sum()) for domain in DOMAINS[:3]]
    assert sizes == [6910, 6897, 4374]
    assert sum(sizes) == 18181  # Choi et al., JAMIA 2017, Methods
    assert len(set(book.name)) == len(book.name)


def test_groups_of_diagnoses() -> None:
    """1,183 at one hospital (Doctor AI), of which 767 at the other (its MIMIC-II)."""
    groups = {
        dialect: {three_characters(code) for code in diagnoses(load_codebook(dialect))}
        for dialect in ("primary_care", "intensive_care")
    }
    assert len(groups["primary_care"]) == 1183
    assert len(known_groups("intensive_care")) == 767
    assert groups["intensive_care"] <= known_groups("intensive_care") <= groups["primary_care"]


def test_heart_failure_is_never_unrelated(book: Codebook) -> None:
    codes = [book.source_value[row] for row in book.tail[0]]
    assert not [code for code in codes if HEART_FAILURE.match(code)]
    assert HEART_FAILURE.match("428.23")
    assert HEART_FAILURE.match("404.93")


def test_share_of_codes_without_a_concept() -> None:
    for dialect, low, high in (("primary_care", 0.02, 0.07), ("intensive_care", 0.12, 0.18)):
        book = load_codebook(dialect)
        for tail in book.tail:
            assert low < (book.concept[tail] == 0).mean() < high


def test_the_other_hospital_maps_a_fifth_to_coarser_concepts() -> None:
    here, there = (load_codebook(dialect) for dialect in ("primary_care", "intensive_care"))
    added = [here.row(row["code"]) for row in tail_codes() if row["domain"] == "condition"]
    both = [row for row in added if here.concept[row] and there.concept[row]]
    differ = np.mean(here.concept[both] != there.concept[both])
    assert 0.2 < differ < 0.27  # a fifth of all, of those that have a concept


def test_concepts_are_there_and_above_each_other(book: Codebook) -> None:
    tables = vocabulary_tables(clinics=2)
    concept = tables["concept"].to_pandas().set_index("concept_id")
    assert concept.index.is_unique
    used = {*book.concept.tolist(), *book.source_concept.tolist()}
    assert used <= set(concept.index)
    ancestors = tables["concept_ancestor"].to_pandas()
    pairs = ancestors[ancestors.min_levels_of_separation > 0]
    classes = concept.concept_class_id
    above = {
        kind: set(pairs.ancestor_concept_id[classes[pairs.ancestor_concept_id].to_numpy() == kind])
        for kind in ("Drug class", "Procedure group", "Diagnosis group")
    }
    assert len(above["Drug class"]) == 96
    assert len(above["Procedure group"]) > 240
    assert len(above["Diagnosis group"]) > 250
    assert set(concept.index[classes == "Procedure group"]) >= above["Procedure group"]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not here")
def test_diagnosis_categories_are_the_published_ones() -> None:
    text = (SHARED / "codelists" / "CCS-SingleDiagnosisGrouper.txt").read_text("utf-8", "replace")
    published, category = {}, 0
    for line in text.splitlines():
        if heading := re.match(r"(\d+) +\S", line):
            category = int(heading[1])
        elif line.startswith("     "):
            published.update(dict.fromkeys(line.split(), category))
    ours = {code.replace(".", ""): number for code, (number, _) in diagnosis_categories().items()}
    assert ours == published
    assert diagnosis_categories()["428.0"] == (108, "Congestive heart failure; nonhypertensive")
    assert diagnosis_categories()["V58.61"][0] == published["V5861"]
