"""The codes of the simulated hospitals: how many, of which groups, in whose dialect."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from visitseq.code_tables import read_rows
from visitseq.simulate.codebook import DOMAINS, Codebook, load_codebook
from visitseq.simulate.tail import diagnosis_categories, tail_codes
from visitseq.simulate.vocabulary import vocabulary_tables

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
DIALECTS = ("primary_care", "intensive_care")
# The paper's qualifying codes (RETAIN, table 3).
HEART_FAILURE = {
    *("398.91", "402.01", "402.11", "402.91"),
    *("404.01", "404.03", "404.11", "404.13", "404.91", "404.93"),
    *("428.0", "428.1", "428.20", "428.21", "428.22", "428.23", "428.30", "428.31", "428.32"),
    *("428.33", "428.40", "428.41", "428.42", "428.43", "428.9"),
}


@pytest.fixture(params=DIALECTS)
def book(request: pytest.FixtureRequest) -> Codebook:
    return load_codebook(request.param)


@pytest.fixture(scope="module")
def concept() -> pd.DataFrame:
    table: pd.DataFrame = vocabulary_tables(clinics=2)["concept"].to_pandas()
    return table.set_index("concept_id")


@pytest.fixture(scope="module")
def ancestor() -> pd.DataFrame:
    table: pd.DataFrame = vocabulary_tables(clinics=2)["concept_ancestor"].to_pandas()
    return table


def group(code: str) -> str:
    """ICD-9-CM category: three characters, four of an E code."""
    return code[: 4 if code.startswith("E") else 3]


def meant() -> set[str]:
    """Names of the codes with a meaning."""
    return {row["code"] for row in read_rows("simulator_codes.csv") if not row["tail_rank"]}


def diagnoses(book: Codebook) -> set[str]:
    """Diagnoses that a hospital may write: those with a meaning and its tail."""
    with_meaning = {book.row(name) for name in meant()} & set(np.flatnonzero(book.domain == 0))
    return {book.source_value[row] for row in [*with_meaning, *book.tail[0].tolist()]}


def test_as_many_codes_as_the_paper_reports() -> None:
    book = load_codebook("primary_care")
    sizes = [int((book.domain == DOMAINS.index(domain)).sum()) for domain in DOMAINS[:3]]
    assert sizes == [6910, 6897, 4374]
    assert sum(sizes) == 18181  # Choi et al., JAMIA 2017, Methods
    assert len(set(book.name)) == len(book.name)
    for domain in range(3):
        values = book.source_value[book.domain == domain]
        assert len(set(values)) == len(values)


def test_every_code_has_a_meaning_or_a_rank() -> None:
    book = load_codebook("primary_care")
    tail = np.concatenate(book.tail)
    assert {book.name[row] for row in tail} | meant() == set(book.name)
    assert not {book.name[row] for row in tail} & meant()
    for domain, rows in enumerate(book.tail):
        assert set(book.domain[rows]) == {domain}
        assert len(set(rows)) == len(rows)


def test_the_common_ones_come_first() -> None:
    book = load_codebook("primary_care")
    assert [book.source_value[row] for row in book.tail[0][:2]] == ["477.9", "465.9"]
    for domain, rows in zip(DOMAINS, book.tail, strict=False):
        named = [row for row in read_rows("simulator_codes.csv") if row["domain"] == domain]
        ranks = {row["code"]: int(row["tail_rank"]) for row in named if row["tail_rank"]}
        first = [book.name[row] for row in rows[: len(ranks)]]
        assert first == sorted(ranks, key=ranks.__getitem__)


def test_groups_of_diagnoses() -> None:
    """1,183 at one hospital (Doctor AI), of which 767 at the other (its MIMIC-II)."""
    here, there = (
        {group(code) for code in diagnoses(load_codebook(dialect))} for dialect in DIALECTS
    )
    assert (len(here), len(there)) == (1183, 767)
    assert there <= here


def test_heart_failure_is_never_unrelated(book: Codebook) -> None:
    codes = {book.source_value[row] for row in book.tail[0]}
    assert not codes & HEART_FAILURE
    assert not [code for code in codes if code.startswith("428")]
    assert "428.0" in diagnoses(book)


def test_observation_codes_have_a_meaning(book: Codebook) -> None:
    for name, value in (("suspected_cardiovascular", "V71.7"), ("suspected_other", "V71.89")):
        assert book.source_value[book.row(name)] == value
        assert book.concept[book.row(name)] >= 2_000_000_000


def test_local_numbers_have_the_prefix_of_the_hospital(book: Codebook) -> None:
    prefix = {"PC-"} if book is load_codebook("primary_care") else {"IC-"}
    local = book.source_value[book.source_concept == 0]
    assert {value[:3] for value in local} == prefix
    assert (book.source_concept[book.domain == 0] > 0).all()


def test_share_of_codes_without_a_concept() -> None:
    for dialect, low, high in (("primary_care", 0.03, 0.06), ("intensive_care", 0.13, 0.17)):
        book = load_codebook(dialect)
        for tail in book.tail:
            assert low < (book.concept[tail] == 0).mean() < high


def test_the_other_hospital_maps_a_fifth_to_coarser_concepts(concept: pd.DataFrame) -> None:
    here, there = (load_codebook(dialect) for dialect in DIALECTS)
    added = [here.row(row["code"]) for row in tail_codes() if row["domain"] == "condition"]
    names = concept.concept_name
    coarse = [row for row in added if re.fullmatch("ICD-9-CM [^.]+", names[there.concept[row]])]
    assert 0.18 < len(coarse) / len(added) < 0.22
    for row in coarse:
        assert names[there.concept[row]] == f"ICD-9-CM {group(there.source_value[row])}"
    fine = [row for row in set(added) - set(coarse) if here.concept[row] and there.concept[row]]
    assert (here.concept[fine] == there.concept[fine]).all()
    assert not [row for row in added if re.fullmatch("ICD-9-CM [^.]+", names[here.concept[row]])]


def test_codes_stand_in_the_concept_table(book: Codebook, concept: pd.DataFrame) -> None:
    assert concept.index.is_unique
    assert not concept.duplicated(["vocabulary_id", "concept_code"]).any()
    assert {*book.concept.tolist(), *book.source_concept.tolist()} <= set(concept.index)
    mapped = book.concept > 0
    assert (concept.standard_concept[book.concept[mapped]] == "S").all()
    domain = concept.domain_id[book.concept[mapped]].str.lower().to_numpy()
    assert (domain == np.array(DOMAINS)[book.domain[mapped]]).all()
    known = book.source_concept > 0
    codes = concept.concept_code[book.source_concept[known]].to_numpy()
    assert (codes == book.source_value[known]).all()
    vocabulary = concept.vocabulary_id[book.source_concept[book.domain == 0]]
    assert (vocabulary == "ICD9CM").all()


def test_classes_and_groups(concept: pd.DataFrame, ancestor: pd.DataFrame) -> None:
    """As many as the paper's groupings have (GPI 96, CCS-CPT 244), each named once."""
    above = ancestor[ancestor.min_levels_of_separation > 0].ancestor_concept_id.unique()
    used = concept.concept_class_id[above].value_counts()
    assert used["Drug class"] == 96
    assert used["Procedure group"] == 244
    groups = concept[concept.concept_class_id.isin(["Drug class", "Procedure group"])]
    assert len(groups) == 96 + 244
    names = concept[concept.concept_class_id.str.endswith(("class", "group"))].concept_name
    assert names.is_unique


def test_unrelated_diagnoses_lie_under_their_category(
    book: Codebook, concept: pd.DataFrame, ancestor: pd.DataFrame
) -> None:
    above = ancestor[ancestor.min_levels_of_separation == 1]
    parent = dict(zip(above.descendant_concept_id, above.ancestor_concept_id, strict=True))
    wrong = []
    for row in book.tail[0]:
        code, own = book.source_value[row], book.concept[row]
        name = concept.concept_name[own]
        if own and name != f"ICD-9-CM {group(code)}":
            label = diagnosis_categories()[code][1]
            wrong += [code] * (concept.concept_name[parent[own]] != label)
    assert not wrong


def test_ancestors_are_closed(book: Codebook, ancestor: pd.DataFrame) -> None:
    """Each concept is above itself, has something above it, and what that lies under."""
    pairs = ancestor[["ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation"]]
    pairs = pairs.set_axis(["upper", "lower", "levels"], axis=1)
    itself = set(pairs.lower[(pairs.upper == pairs.lower) & (pairs.levels == 0)])
    over = set(pairs.lower[pairs.levels > 0])
    for domain in range(3):
        concepts = set(book.concept[book.domain == domain].tolist()) - {0}
        assert concepts <= itself
        assert concepts <= over
    chains = pairs.merge(pairs, left_on="lower", right_on="upper", suffixes=("", "_of_lower"))
    assert len(chains) > len(pairs)
    chains["levels"] += chains.levels_of_lower
    reached = chains[["upper", "lower_of_lower", "levels"]]
    assert set(reached.itertuples(index=False, name=None)) <= set(
        pairs.itertuples(index=False, name=None)
    )


def test_heart_failure_and_nothing_else_lies_under_316139(
    book: Codebook, ancestor: pd.DataFrame
) -> None:
    below = set(ancestor.descendant_concept_id[ancestor.ancestor_concept_id == 316139])
    conditions = np.flatnonzero(book.domain == 0)
    failing = {book.source_value[row] for row in conditions if book.concept[row] in below}
    assert failing == HEART_FAILURE & set(book.source_value[conditions])


DIGEST = """
import hashlib
from visitseq.simulate.codebook import load_codebook
from visitseq.simulate.vocabulary import vocabulary_tables
digest = hashlib.sha256()
for dialect in ("primary_care", "intensive_care"):
    book = load_codebook(dialect)
    tail = [rows.tolist() for rows in book.tail]
    columns = [book.concept.tolist(), book.source_value.tolist(), tail]
    digest.update(repr([book.name, *columns]).encode())
for table in vocabulary_tables(clinics=2).values():
    digest.update(repr(table.to_pydict()).encode())
print(digest.hexdigest())
"""


def test_every_run_has_the_same_codes() -> None:
    """Two interpreters that hash strings differently."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop()) == 2 * hashlib.sha256().digest_size


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
    assert len(set(published.values())) == 283
    assert diagnosis_categories()["428.0"] == (108, "Congestive heart failure; nonhypertensive")
    assert diagnosis_categories()["V58.61"][0] == published["V5861"]


def test_diagnosis_categories_are_written_as_the_records_are() -> None:
    form = re.compile(r"(\d{3}|V\d{2}|E\d{3})(\.\d{1,2})?")
    assert not [code for code in diagnosis_categories() if not form.fullmatch(code)]
