"""Phenotypes: the shipped files, what a broken file says, and which events qualify."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from visitseq.cohort.phenotype import (
    IS_QUALIFYING,
    Phenotype,
    qualifying_codes,
    read_phenotype,
    register_phenotype,
)
from visitseq.errors import UserError
from visitseq.tables import CODES

FOLDER = Path(__file__).parents[2] / "workflow/phenotypes"

PAPER = {
    "398.91",
    *("402.01", "402.11", "402.91"),
    *("404.01", "404.03", "404.11", "404.13", "404.91", "404.93"),
    *("428.0", "428.1", "428.9"),
    *(f"428.{kind}{course}" for kind in (2, 3, 4) for course in (0, 1, 2, 3)),
}
NO_CODES = CODES.empty_table()


def codes(**parents: list[str] | None) -> pa.Table:
    """A codes.parquet of condition concepts, c4229440=["316139"] for what descends from what."""
    rows = [
        {
            "code": f"condition/{concept[1:]}",
            "description": "",
            "parent_codes": above and [f"condition/{parent}" for parent in above],
        }
        for concept, above in parents.items()
    ]
    return pa.Table.from_pylist(rows, CODES)


def is_qualifying(phenotype: Phenotype, *events: tuple[str, str | None]) -> list[Any]:
    with duckdb.connect() as connection:
        register_phenotype(connection, phenotype, NO_CODES)
        rows = {"code": [event[0] for event in events], "source_code": [e[1] for e in events]}
        table = pa.table(rows, schema=pa.schema([("code", pa.string()), ("source_code", "string")]))
        connection.register("event", table)
        found = connection.execute(f"SELECT {IS_QUALIFYING} FROM event").fetchall()
    return [row[0] for row in found]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_file_is_valid(path: Path) -> None:
    phenotype = read_phenotype(path)
    assert phenotype.name == path.stem
    for listed in (phenotype.listed, phenotype.icd9cm, phenotype.icd10cm):
        assert len(set(listed)) == len(listed)
    if phenotype.domain == "condition":
        assert 312927 in {concept.id for concept in phenotype.exclude}


def test_heart_failure_has_the_codes_of_the_paper() -> None:
    phenotype = read_phenotype(FOLDER / "heart_failure.yaml")
    assert set(phenotype.icd9cm) == PAPER
    assert len(phenotype.icd9cm) == 25
    assert {"I09.81", "I11.0", "I13.0", "I13.2", "I50.1", "I50.9", "I50.43"} < set(
        phenotype.icd10cm
    )
    assert {concept.id for concept in phenotype.concepts} == {316139, 315295, 314378, 439696}


def test_strict_heart_failure_is_a_part_of_it() -> None:
    wide = read_phenotype(FOLDER / "heart_failure.yaml")
    strict = read_phenotype(FOLDER / "heart_failure_strict.yaml")
    assert set(strict.icd9cm) == {code for code in wide.icd9cm if code.startswith("428")}
    assert set(strict.icd10cm) == {code for code in wide.icd10cm if code.startswith("I50")}
    lost = qualifying_codes(wide, NO_CODES) - qualifying_codes(strict, NO_CODES)
    named, unnamed = (315295, 314378, 439696), (439694, 439698, 442310)
    assert lost == {f"condition/{concept}" for concept in (*named, *unnamed)}


def test_listed_ids_are_those_that_both_published_lists_have() -> None:
    path = Path(__file__).parents[3] / "shared/data/codelists/hf_omop_concept_ids.csv"
    if not path.exists():
        pytest.skip("the shared code lists are not here")
    lines = [line.split(",") for line in path.read_text("utf-8").splitlines()[1:]]
    both = {int(line[0]) for line in lines if line[1] == line[2] == "1"}
    listed = read_phenotype(FOLDER / "heart_failure.yaml").listed
    assert set(listed) == both - {312927, 312338, 316994}


def test_descendants_come_from_the_site_where_it_knows_any() -> None:
    phenotype = read_phenotype(FOLDER / "heart_failure.yaml")
    found = qualifying_codes(
        phenotype,
        codes(
            c4229440=["319835", "316139", "321588"],
            c312927=["316139"],
            c1=["312927", "316139"],
            c2=["315295"],
            c201826=["4034964"],
            c45773075=None,
        ),
    )
    ids = {316139, 315295, 314378, 439696, 4229440}
    assert found == {f"condition/{concept}" for concept in ids}


def test_listed_ids_serve_where_no_condition_has_an_ancestor() -> None:
    phenotype = read_phenotype(FOLDER / "heart_failure.yaml")
    drug = {"code": "drug/1", "description": "", "parent_codes": ["drug/2"]}
    site = pa.concat_tables([codes(c4229440=[], c201826=None), pa.Table.from_pylist([drug], CODES)])
    found = qualifying_codes(phenotype, site)
    assert "condition/4229440" in found
    assert "condition/316139" in found
    assert "condition/201826" not in found
    assert "condition/312927" not in found


@pytest.mark.parametrize(
    ("code", "source_code", "qualifies"),
    [
        ("condition/316139", None, True),
        ("condition/312927", None, False),
        ("procedure/316139", None, False),
        ("condition/1", None, False),
        ("condition/1", "428.20", True),
        ("condition/1", "42820", True),
        ("condition/1", " 428.2 0 ", True),
        ("condition/1", "i50.9", True),
        ("condition/1", "428.2", False),
        ("condition/1", "428.200", False),
        ("condition/1", "I50", False),
        ("condition/1", "ICD9CM/428.20", True),
        ("condition/1", "icd9cm/42820", True),
        ("condition/1", "ICD9/428.20", True),
        ("condition/1", "ICD10CM/428.20", False),
        ("condition/1", "ICD10CM/I50.9", True),
        ("condition/1", "ICD10/I509", True),
        ("condition/1", "ICD10GM/I50.1", True),
        ("condition/1", "ICD9CM/I50.9", False),
        ("condition/1", "SNOMED/42820", False),
        ("condition/1", "ICD9Proc/42.81", False),
        ("condition/1", "ICD10PCS/I509", False),
        ("condition/1", "", False),
        ("condition/source/428.20", None, True),
        ("condition/source/ICD9CM/428.20", None, True),
        ("condition/source/401.9", None, False),
        ("condition/source/anything", "428.20", True),
        ("procedure/2106252", "42821", False),
        ("procedure/2106252", "CPT4/42821", False),
        ("procedure/source/42821", None, False),
        ("drug/1", "ICD9CM/428.20", False),
    ],
)
def test_which_events_qualify(code: str, source_code: str | None, qualifies: bool) -> None:
    phenotype = read_phenotype(FOLDER / "heart_failure.yaml")
    assert is_qualifying(phenotype, (code, source_code)) == [qualifies]


def test_the_expression_serves_in_where_and_in_aggregates() -> None:
    phenotype = read_phenotype(FOLDER / "heart_failure_strict.yaml")
    with duckdb.connect() as connection:
        for _ in range(2):  # the second registration replaces the first
            register_phenotype(connection, phenotype, NO_CODES)
        connection.execute(
            "CREATE TABLE event AS SELECT * FROM (VALUES (1, 'condition/316139', NULL), "
            "(1, 'drug/1', NULL), (2, 'condition/1', 'I11.0')) AS t(visit, code, source_code)"
        )
        kept = connection.execute(f"SELECT code FROM event WHERE NOT {IS_QUALIFYING} ORDER BY ALL")
        assert kept.fetchall() == [("condition/1",), ("drug/1",)]
        visits = connection.execute(
            f"SELECT visit, bool_or({IS_QUALIFYING}) FROM event GROUP BY visit ORDER BY visit"
        )
        assert visits.fetchall() == [(1, True), (2, False)]


VALID: dict[str, Any] = {
    "description": "text",
    "source": "text",
    "concepts": [{"id": 1, "name": "a", "descendants": True}],
    "icd9cm": ["428.0"],
}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (VALID | {"icd11": []}, "unknown key 'icd11'"),
        ({"description": "a", "concepts": []}, "no key 'source'"),
        (VALID | {"description": 1}, "'description' has to be text"),
        (VALID | {"icd9cm": [428.0]}, "with its quotes"),
        (VALID | {"icd9cm": "428.0"}, "'icd9cm' has to be a list"),
        (VALID | {"listed": ["1"]}, "'listed' has to hold whole numbers"),
        (VALID | {"listed": [True]}, "'listed' has to hold whole numbers"),
        (VALID | {"concepts": [316139]}, "descendants: true"),
        (VALID | {"concepts": [{"id": 1}]}, "descendants: true"),
        (VALID | {"exclude": [{"id": 1, "name": "a", "with": 1}]}, "descendants: true"),
        (VALID | {"exclude": [{"id": "1", "name": "a"}]}, "whole numbers"),
        (VALID | {"concepts": [{"id": 1, "name": "a", "descendants": "yes"}]}, "true or false"),
        (VALID | {"concepts": [], "icd9cm": []}, "neither a concept nor an ICD code"),
        (["428.0"], "holds no mapping"),
    ],
)
def test_a_broken_file_is_refused(content: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(UserError) as caught:
        read_phenotype(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("concepts: [", "utf-8")
    with pytest.raises(UserError, match="is no YAML"):
        read_phenotype(path)


def test_a_missing_file_names_those_that_exist() -> None:
    with pytest.raises(
        UserError, match=r"gout\.yaml does not exist.*heart_failure, heart_failure_st"
    ):
        read_phenotype(FOLDER / "gout.yaml")


def test_a_missing_file_in_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no phenotype is there"):
        read_phenotype(tmp_path / "gout.yaml")
