"""A site's restriction, and the SQL in which it is asked of any engine."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
import yaml
from omop_site import (
    ALL_DOMAINS,
    Row,
    Tables,
    condition,
    ingest,
    person,
    visit,
    write_folder,
    write_parquet_folder,
)
from pyarrow import csv
from sqlglot import exp

from visitseq.cohort.phenotype import read_phenotype
from visitseq.errors import UserError
from visitseq.ingest.engine import id_lists
from visitseq.ingest.local import LocalEngine
from visitseq.ingest.omop import TABLES
from visitseq.ingest.pull import pull_tables
from visitseq.ingest.restriction import Restriction
from visitseq.ingest.server import DIALECTS
from visitseq.ingest.site import ingest_site
from visitseq.ingest.translate import Relation, translate
from visitseq.simulate import simulate_site

PHENOTYPES = Path(__file__).resolve().parents[2] / "workflow/phenotypes"
HEART_FAILURE = PHENOTYPES / "heart_failure.yaml"

#: Of persons 1 to 6 who has heart failure: by concept (1), by a descendant (2), by an ICD code as
#: source value (3) or source concept (4); not 5, whose code is a procedure's, nor 6.
TABLES_OF_SIX: Tables = {
    "person": [person(number) for number in range(1, 7)],
    "visit_occurrence": [
        visit(11, 1, "2009-12-30", "2010-01-02"),
        visit(12, 1, "2012-01-01", "2012-01-01"),
        visit(13, 6, "2010-05-01", "2010-05-01"),
    ],
    "condition_occurrence": [
        condition(1, "2010-01-02", 316139, visit_occurrence_id=11),
        condition(1, "2012-01-01", 316139, visit_occurrence_id=12),
        condition(2, "2010-03-01", 777),
        condition(3, "2010-03-01", 0, condition_source_value="i50. 9"),
        condition(4, "2010-03-01", 0, condition_source_concept_id=888),
        condition(5, "2010-03-01", 0, condition_source_concept_id=889),
        condition(6, "2010-05-01", 5, visit_occurrence_id=13),
    ],
    "death": [{"person_id": 1, "death_date": "2020-01-01"}],
    "concept": [
        {"concept_id": 316139, "concept_name": "Heart failure", "vocabulary_id": "SNOMED"},
        {"concept_id": 888, "vocabulary_id": "ICD9CM", "concept_code": "428.0"},
        {"concept_id": 889, "vocabulary_id": "CPT4", "concept_code": "428.0"},
        {"concept_id": 999, "concept_name": "Nobody's", "vocabulary_id": "SNOMED"},
    ],
    "concept_ancestor": [
        {
            "ancestor_concept_id": 316139,
            "descendant_concept_id": 777,
            "min_levels_of_separation": 1,
        }
    ],
}


def restricted(tmp_path: Path, restrict: Row, **files: Any) -> tuple[list[Row], Row]:
    """Ingest the six persons as far as ``restrict`` lets them; return events and summary."""
    path = write_folder(tmp_path / "omop", TABLES_OF_SIX)
    section = {"path": str(path), "domains": ["condition"], "restrict": restrict}
    ingest_site(name="mine", site=section, folder=tmp_path / "out", **files)
    events = pq.read_table(tmp_path / "out/events.parquet").to_pylist()
    return events, json.loads((tmp_path / "out/summary.json").read_text("utf-8"))


def persons_in(events: Sequence[Row]) -> set[int]:
    return {event["subject_id"] for event in events}


def ids_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text(text, "utf-8")
    return path


def test_persons_with_a_phenotype(tmp_path: Path) -> None:
    events, summary = restricted(tmp_path, {}, phenotype=HEART_FAILURE)
    assert persons_in(events) == {1, 2, 3, 4}
    assert summary["tables"]["person"] == {"read": 6, "kept": 4, "dropped": {"restricted": 2}}
    conditions = summary["tables"]["condition_occurrence"]
    assert conditions == {"read": 7, "kept": 4, "dropped": {"no_concept": 1, "restricted": 2}}


def test_who_is_a_case_by_a_code_with_its_vocabulary_comes_too(tmp_path: Path) -> None:
    """As ``cohort.phenotype`` reads such a source value."""
    values = ["ICD10CM/I50.9", "icd9/428.0", "SNOMED/428.0"]
    tables: Tables = {
        "person": [person(number) for number in (1, 2, 3)],
        "condition_occurrence": [
            condition(number, "2010-03-01", 0, condition_source_value=value)
            for number, value in enumerate(values, 1)
        ],
    }
    path = write_folder(tmp_path / "omop", tables)
    section = {"path": str(path), "domains": ["condition"], "restrict": {}}
    ingest_site(name="mine", site=section, folder=tmp_path / "out", phenotype=HEART_FAILURE)
    events = pq.read_table(tmp_path / "out/events.parquet").to_pylist()
    assert persons_in(events) == {1, 2}


def test_persons_of_a_file_and_with_a_phenotype(tmp_path: Path) -> None:
    persons = ids_file(tmp_path, "person_id\n2\n\n6\n2\n")
    events, _ = restricted(tmp_path, {}, phenotype=HEART_FAILURE, persons=persons)
    assert persons_in(events) == {2}


def test_the_persons_of_a_file_are_as_without_restriction(tmp_path: Path) -> None:
    persons = ids_file(tmp_path, "1\n5\n")
    events, summary = restricted(tmp_path, {}, persons=persons)
    whole, _ = ingest(tmp_path / "omop", tmp_path / "whole", domains=["condition"])
    assert events == [event for event in whole if event["subject_id"] in (1, 5)]
    assert summary["tables"]["visit_occurrence"]["read"] == 3


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "out/.spill_killed/pulled/person"
    left.mkdir(parents=True)
    (left / "part_000000.parquet").write_text("rows of patients", "utf-8")
    restricted(tmp_path, {})
    assert not list((tmp_path / "out").glob(".spill_*"))


def test_what_the_engine_knows_of_nulls_shows_in_no_byte(tmp_path: Path) -> None:
    """Of Parquet DuckDB knows that no time is null, of CSV it does not; no table is empty."""
    hospital = {"preset": "primary_care", "persons": 200, "seed": 3, "order_effect": 0.5}
    simulate_site({**hospital, "messy": False}, tmp_path)
    (tmp_path / "csv").mkdir()
    for path in (tmp_path / "omop").glob("*.parquet"):
        csv.write_csv(pq.read_table(path), tmp_path / f"csv/{path.stem}.csv")
    for kind in ("csv", "omop"):
        section = {"path": str(tmp_path / kind), "domains": ["condition", "drug"]}
        ingest_site(name="mine", site=section, folder=tmp_path / f"from_{kind}")
    one, other = (tmp_path / f"from_{kind}/events.parquet" for kind in ("csv", "omop"))
    assert one.read_bytes() == other.read_bytes()


def test_days_by_hand(tmp_path: Path) -> None:
    """Of person 1 the visit that ends in the range stays, and its event keeps it."""
    events, summary = restricted(tmp_path, {"from": "2010-01-01", "until": "2010-04-30"})
    own = [event for event in events if event["subject_id"] == 1]
    assert [event["code"] for event in own] == [
        "MEDS_BIRTH",
        "sex/8507",
        "visit/9202",
        "condition/316139",
        "visit_end/9202",
        "MEDS_DEATH",
    ]
    assert own[3]["visit_id"] == 11
    assert summary["tables"]["visit_occurrence"]["dropped"] == {"restricted": 2}
    assert summary["tables"]["condition_occurrence"]["dropped"] == {
        "restricted": 2,
        "no_concept": 2,
    }
    assert summary["persons"] == 6


def undated() -> Tables:
    """Rows with a date, a datetime, both or neither, about the range 2010-01-01 to 2010-12-31."""
    days: list[tuple[Any, Any]] = [
        ("2010-06-01", None),
        ("2011-01-01", None),
        (None, "2010-12-31 23:59:59"),
        (None, "2011-01-01 00:00:00"),
        (None, "2009-12-31 23:59:59"),
        (None, None),
    ]
    return {
        "person": [person(1)],
        "condition_occurrence": [
            condition(1, day, 100 + number, condition_start_datetime=time)
            for number, (day, time) in enumerate(days)
        ],
        "visit_occurrence": [
            visit(number, 1, day, visit_start_datetime=time)
            for number, (day, time) in enumerate(days)
        ]
        + [
            visit(10, 1, "2009-06-01", visit_end_datetime="2010-01-01 08:00:00"),
            visit(11, 1, None, "2009-06-01"),
        ],
    }


@pytest.mark.parametrize("write", [write_folder, write_parquet_folder])
def test_a_row_without_a_date_is_not_restricted(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / "omop", undated())
    days = {"from": "2010-01-01", "until": "2010-12-31"}
    events, summary = ingest(path, tmp_path / "out", domains=["condition"], restrict=days)
    found = [event["code"] for event in events if event["code"].startswith("condition")]
    assert found == ["condition/100", "condition/102"]
    assert summary["tables"]["condition_occurrence"] == {
        "read": 6,
        "kept": 2,
        "dropped": {"no_date": 1, "restricted": 3},
    }
    assert summary["tables"]["visit_occurrence"] == {
        "read": 8,
        "kept": 3,
        "dropped": {"no_date": 2, "restricted": 3},
    }


def test_the_last_day_of_all_is_no_bound(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "omop", undated())
    days = {"from": None, "until": "9999-12-31"}
    _, summary = ingest(path, tmp_path / "out", domains=["condition"], restrict=days)
    dropped = {table: counted["dropped"] for table, counted in summary["tables"].items()}
    assert dropped["condition_occurrence"] == {"no_date": 1}


def test_many_persons_are_read_in_one_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Counted(LocalEngine):
        def copy(self, table: str, query: str, path: Path) -> None:
            asked.append(table)
            super().copy(table, query, path)

    monkeypatch.setattr("visitseq.ingest.local.LocalEngine", Counted)
    persons = ids_file(tmp_path, "".join(f"{number}\n" for number in range(5, 25_005)))
    events, _ = restricted(tmp_path, {}, persons=persons)
    assert persons_in(events) == {5, 6}
    assert len(asked) == len(set(asked)) == 6


def only_excluded(tmp_path: Path, *, descendants: bool) -> Path:
    concept = {"id": 316139, "name": "Heart failure"}
    text = {
        "description": "What is excluded at once",
        "source": "nobody",
        "concepts": [{**concept, "descendants": descendants}],
        "exclude": [concept],
    }
    path = tmp_path / "nothing.yaml"
    path.write_text(yaml.safe_dump(text), "utf-8")
    return path


def test_a_phenotype_that_excludes_all_that_it_names_is_refused(tmp_path: Path) -> None:
    phenotype = only_excluded(tmp_path, descendants=False)
    with pytest.raises(UserError, match=r"Site mine: .* that it does not exclude as well, so that"):
        restricted(tmp_path, {}, phenotype=phenotype)
    # Its descendants alone can be found, where there is a table of them.
    phenotype = only_excluded(tmp_path, descendants=True)
    events, _ = restricted(tmp_path, {}, phenotype=phenotype)
    assert persons_in(events) == {2}
    (tmp_path / "omop/concept_ancestor.csv").unlink()
    section = {"path": str(tmp_path / "omop"), "domains": ["condition"]}
    with pytest.raises(UserError, match=r"well \(there is no table concept_ancestor\), so that"):
        ingest_site(name="mine", site=section, folder=tmp_path / "out", phenotype=phenotype)


def test_ids_as_large_as_they_come(tmp_path: Path) -> None:
    persons = ids_file(tmp_path, f"{2**63 - 1}\n{-(2**63)}\n2\n")
    events, summary = restricted(tmp_path, {}, persons=persons)
    assert persons_in(events) == {2}
    assert summary["persons"] == 1


def test_a_file_of_persons_that_is_no_text_is_refused(tmp_path: Path) -> None:
    persons = tmp_path / "ids.txt"
    persons.write_text("person_id\n1\n", "utf-16")
    with pytest.raises(UserError, match=r"file of persons .* cannot be used: it is not in UTF-8"):
        restricted(tmp_path, {}, persons=persons)


@pytest.mark.parametrize("text", ["1\nMallory\n", "\n", "person_id\n", f"{2**63}\n"])
def test_a_file_without_ids_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"file of persons .* cannot be used") as caught:
        restricted(tmp_path, {}, persons=ids_file(tmp_path, text))
    assert "Mallory" not in str(caught.value)


def test_a_folder_named_as_in_object_storage(tmp_path: Path) -> None:
    write_parquet_folder(tmp_path / "omop", TABLES_OF_SIX)
    parts = tmp_path / "omop/PERSON"
    parts.mkdir()
    (tmp_path / "omop/PERSON.parquet").rename(parts / "part_0.parquet")
    events, summary = ingest(tmp_path / "omop", tmp_path / "as_folder")
    section = {"path": f"file://{tmp_path}/omop/", "domains": ALL_DOMAINS}
    ingest_site(name="mine", site=section, folder=tmp_path / "as_url")
    assert summary["persons"] == 6
    assert pq.read_table(tmp_path / "as_url/events.parquet").to_pylist() == events


class Recorder:
    """An engine with every table, in capitals, that notes what it is asked and has no row."""

    def __init__(self, dialect: str) -> None:
        self.dialect, self.place = dialect, "CDM"
        self.asked: list[str] = []

    def relations(self, tables: Sequence[str]) -> Mapping[str, Relation]:
        return {
            table: Relation(("CDM", table.upper()), {c: c.upper() for c in TABLES[table].columns})
            for table in tables
        }

    def named(self, ids: Sequence[int]) -> Iterator[str]:
        return id_lists(ids, self.dialect)

    def count(self, table: str, query: str) -> int:
        assert table
        self.asked.append(query)
        return 0

    def copy(self, table: str, query: str, path: Path) -> None:
        self.asked.append(query)
        pq.write_table(
            pa.table({name: pa.array([], pa.int64()) for name in TABLES[table].columns}), path
        )


@pytest.mark.parametrize("dialect", sorted({*DIALECTS.values(), "spark", "duckdb"}))
def test_every_statement_is_a_select_that_its_dialect_parses(tmp_path: Path, dialect: str) -> None:
    engine = Recorder(dialect)
    restriction = Restriction(read_phenotype(HEART_FAILURE), (4, 1, 3), "2010-01-01", "2019-12-31")
    pull_tables(engine, "mine", ALL_DOMAINS, restriction, tmp_path)
    # Nine tables by person, each counted too; care_site, concept and concept_ancestor once.
    assert len(engine.asked) == 9 * 2 + 3
    assert sum("person_id IN (1, 3, 4)" in statement for statement in engine.asked) == 9
    for statement in engine.asked:
        tree = sqlglot.parse_one(statement, read=dialect)
        assert isinstance(tree, exp.Select)
        assert not list(tree.find_all(exp.Insert, exp.Update, exp.Delete, exp.Create, exp.Into))
        assert {table.db for table in tree.find_all(exp.Table)} == {"CDM"}
        assert sqlglot.parse_one(tree.sql(dialect=dialect), read=dialect) == tree


@pytest.mark.parametrize(("dialect", "statements"), [("oracle", 13), ("postgres", 2)])
def test_many_persons_are_named_in_lists_of_a_length_that_the_engine_takes(
    tmp_path: Path, dialect: str, statements: int
) -> None:
    engine = Recorder(dialect)
    pull_tables(engine, "mine", ["drug"], Restriction(None, tuple(range(12_001))), tmp_path)
    asked = [text for text in engine.asked if '"DRUG_EXPOSURE"' in text and "count" not in text]
    lists = [re.findall(r"\d+", text.split("IN (")[1]) for text in asked if "IN (" in text]
    assert len(lists) == statements
    assert [int(number) for part in lists for number in part] == list(range(12_001))


def test_what_a_database_lacks_is_said_of_tables_and_not_of_files(tmp_path: Path) -> None:
    class Other(Recorder):
        def relations(self, tables: Sequence[str]) -> Mapping[str, Relation]:
            return {"death": super().relations(tables)["death"]}

    with pytest.raises(UserError) as caught:
        pull_tables(Other("postgres"), "mine", ["drug"], Restriction(), tmp_path)
    assert str(caught.value) == (
        "Site mine: CDM has no table person; found death. A table or view has the name that OMOP "
        "gives it, in any case."
    )


def test_what_is_no_select_is_not_translated() -> None:
    relation = Relation(("person",), {})
    with pytest.raises(TypeError, match="only a SELECT goes to an engine"):
        translate("DELETE FROM person", {"person": relation}, "postgres")


def test_a_day_is_a_day_whatever_the_session_of_oracle_takes_for_one() -> None:
    relation = Relation(("CDM", "DEATH"), {"death_date": "DEATH_DATE"})
    query = "SELECT person_id FROM death WHERE death_date >= CAST('2010-01-31' AS DATE)"
    told = translate(query, {"death": relation}, "oracle")
    assert told.endswith("WHERE death_date >= TO_DATE('2010-01-31', 'YYYY-MM-DD')")
    # Its dates have a time of day: the last day ends before the next.
    (condition,) = Restriction(last="2010-01-31").conditions("procedure_occurrence", [])
    assert "< CAST('2010-02-01' AS DATE) OR " in condition


def test_a_missing_column_is_null_under_its_name() -> None:
    relation = Relation(("Cdm", "Death"), {"person_id": "Person_ID", "death_date": "Death_Date"})
    query = "SELECT death_datetime FROM death WHERE person_id = 1"
    assert translate(query, {"death": relation}, "postgres") == (
        'SELECT death_datetime FROM (SELECT "Person_ID" AS person_id, "Death_Date" AS death_date, '
        'CAST(NULL AS TIMESTAMP) AS death_datetime FROM "Cdm"."Death") AS death WHERE person_id = 1'
    )


def test_a_phenotype_needs_its_table(tmp_path: Path) -> None:
    events: Any = {
        key: rows for key, rows in TABLES_OF_SIX.items() if key != "condition_occurrence"
    }
    events["drug_exposure"] = [
        {"person_id": 1, "drug_concept_id": 5, "drug_exposure_start_date": "2010-01-01"}
    ]
    path = write_folder(tmp_path / "omop", events)
    section = {"path": str(path), "domains": ["drug"], "restrict": {}}
    with pytest.raises(UserError, match=r"in the table condition_occurrence, which /\S*omop does"):
        ingest_site(name="mine", site=section, folder=tmp_path / "out", phenotype=HEART_FAILURE)


def test_a_phenotype_of_patterns_is_refused(tmp_path: Path) -> None:
    text = HEART_FAILURE.read_text("utf-8")
    phenotype = tmp_path / "patterns.yaml"
    phenotype.write_text(text + "\npatterns: ['428']\n", "utf-8")
    with pytest.raises(UserError, match="names codes by patterns, which are not asked of the eng"):
        restricted(tmp_path, {}, phenotype=phenotype)
