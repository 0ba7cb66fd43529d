"""The tables that don't depend on the persons: care sites, concepts, and their ancestors.

``visitseq/data/simulator_concepts.csv`` is the concept table. Below 2,000,000,000 stand OMOP's own
concepts by their ids, names and codes; from there on local ones: of vocabulary ``visitseq``
(standard concepts for what has none here, and groups), and of vocabulary ``ICD9CM`` the source
codes of the diagnoses, so that ingest can tell their vocabulary. ``parent_concept_id`` is the next
concept above: a diagnosis group, a more general diagnosis, an ingredient, a drug class, a group of
procedures. tail.py adds the long tail and what stands above it: each diagnosis without a meaning
lies under its CCS category.
"""

import numpy as np
import pyarrow as pa

from visitseq.code_tables import Row, read_rows
from visitseq.simulate.schemas import TABLES, build_table
from visitseq.simulate.tail import procedure_group, tail_concepts

VALID_START = 0  # 1970-01-01
VALID_END = int(np.datetime64("2099-12-31", "D").astype(np.int64))


def vocabulary_tables(clinics: int) -> dict[str, pa.Table]:
    """Tables care_site, concept and concept_ancestor of a hospital with so many clinics."""
    concepts = sorted(
        [*map(_with_group, read_rows("simulator_concepts.csv")), *tail_concepts()],
        key=lambda row: int(row["concept_id"]),
    )
    return {
        "care_site": _care_site(clinics),
        "concept": _concept(concepts),
        "concept_ancestor": _concept_ancestor(concepts),
    }


def _with_group(row: Row) -> Row:
    """Put a procedure into its local group; the table itself names none."""
    if row["domain_id"] != "Procedure":
        return row
    return {**row, "parent_concept_id": str(procedure_group(row["concept_code"]))}


def _care_site(clinics: int) -> pa.Table:
    """The clinics, and the hospital after the last of them."""
    names = [f"Clinic {number}" for number in range(1, clinics + 1)] + ["Hospital"]
    columns = {
        "care_site_id": np.arange(1, clinics + 2),
        "care_site_name": names,
        "place_of_service_concept_id": 0,
    }
    return build_table("care_site", len(names), columns)


def _concept(rows: list[Row]) -> pa.Table:
    """The concept table, sorted by concept_id as the rows are."""
    named = set(TABLES["concept"].names) & set(rows[0])
    columns = {
        **{name: [row[name] for row in rows] for name in named},
        "concept_id": [int(row["concept_id"]) for row in rows],
        "standard_concept": [row["standard_concept"] or None for row in rows],
        "valid_start_date": VALID_START,
        "valid_end_date": VALID_END,
        "invalid_reason": pa.nulls(len(rows), pa.string()),
    }
    return build_table("concept", len(rows), columns)


def _concept_ancestor(rows: list[Row]) -> pa.Table:
    """Each condition, drug and procedure with itself and all above it, in the order of both.

    A concept has one parent at most, so the smallest and the largest distance agree.
    """
    parent = {row["concept_id"]: row["parent_concept_id"] for row in rows}
    pairs = []
    for row in rows:
        if (
            row["domain_id"] in ("Condition", "Drug", "Procedure")
            and row["vocabulary_id"] != "ICD9CM"
        ):
            ancestor, level = row["concept_id"], 0
            while ancestor:
                pairs.append((int(ancestor), int(row["concept_id"]), level))
                ancestor, level = parent[ancestor], level + 1
    ancestors, descendants, levels = zip(*sorted(pairs), strict=True)
    columns = {
        "ancestor_concept_id": ancestors,
        "descendant_concept_id": descendants,
        "min_levels_of_separation": levels,
        "max_levels_of_separation": levels,
    }
    return build_table("concept_ancestor", len(pairs), columns)
