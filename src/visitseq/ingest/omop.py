"""What is read of the OMOP CDM 5.3 and 5.4: tables, columns, and what their values mean.

``sql/<table>.sql`` says what each table becomes; this module says which columns those queries may
ask for. A column that a site lacks is null, unless it is required.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["id", "date", "datetime", "text", "number"]

#: DuckDB's type of each kind of column.
SQL_TYPES: dict[Kind, str] = {
    "id": "BIGINT",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "text": "VARCHAR",
    "number": "FLOAT",
}


@dataclass(frozen=True)
class OmopTable:
    """Columns of one OMOP table, by kind; ``required`` ones must be there."""

    columns: dict[str, Kind]
    required: tuple[str, ...]


def _event_table(
    concept: str,
    date: str,
    datetime: str,
    source: str,
    value: str | None = None,
) -> OmopTable:
    columns: dict[str, Kind] = {
        "person_id": "id",
        "visit_occurrence_id": "id",
        concept: "id",
        date: "date",
        datetime: "datetime",
        f"{source}_source_value": "text",
        f"{source}_source_concept_id": "id",
    }
    if value is not None:
        columns[value] = "number"
    return OmopTable(columns, required=("person_id", concept, date))


#: Event table of each domain.
EVENT_TABLES = {
    "condition": "condition_occurrence",
    "drug": "drug_exposure",
    "procedure": "procedure_occurrence",
    "measurement": "measurement",
    "observation": "observation",
}

TABLES = {
    "person": OmopTable(
        {
            "person_id": "id",
            "gender_concept_id": "id",
            "year_of_birth": "id",
            "month_of_birth": "id",
            "day_of_birth": "id",
            "birth_datetime": "datetime",
            "race_concept_id": "id",
            "ethnicity_concept_id": "id",
            "care_site_id": "id",
        },
        required=("person_id", "gender_concept_id", "year_of_birth"),
    ),
    "observation_period": OmopTable(
        {
            "person_id": "id",
            "observation_period_start_date": "date",
            "observation_period_end_date": "date",
        },
        required=("person_id", "observation_period_start_date", "observation_period_end_date"),
    ),
    "visit_occurrence": OmopTable(
        {
            "visit_occurrence_id": "id",
            "person_id": "id",
            "visit_concept_id": "id",
            "visit_start_date": "date",
            "visit_start_datetime": "datetime",
            "visit_end_date": "date",
            "visit_end_datetime": "datetime",
            "care_site_id": "id",
        },
        required=("visit_occurrence_id", "person_id", "visit_start_date"),
    ),
    "condition_occurrence": _event_table(
        "condition_concept_id", "condition_start_date", "condition_start_datetime", "condition"
    ),
    "drug_exposure": _event_table(
        "drug_concept_id", "drug_exposure_start_date", "drug_exposure_start_datetime", "drug"
    ),
    "procedure_occurrence": _event_table(
        "procedure_concept_id", "procedure_date", "procedure_datetime", "procedure"
    ),
    "measurement": _event_table(
        "measurement_concept_id",
        "measurement_date",
        "measurement_datetime",
        "measurement",
        "value_as_number",
    ),
    "observation": _event_table(
        "observation_concept_id",
        "observation_date",
        "observation_datetime",
        "observation",
        "value_as_number",
    ),
    "death": OmopTable(
        {"person_id": "id", "death_date": "date", "death_datetime": "datetime"},
        required=("person_id", "death_date"),
    ),
    "care_site": OmopTable(
        {"care_site_id": "id", "care_site_name": "text"}, required=("care_site_id",)
    ),
    "concept": OmopTable(
        {
            "concept_id": "id",
            "concept_name": "text",
            "vocabulary_id": "text",
            "concept_code": "text",
        },
        required=("concept_id", "concept_name", "vocabulary_id", "concept_code"),
    ),
    "concept_ancestor": OmopTable(
        {
            "ancestor_concept_id": "id",
            "descendant_concept_id": "id",
            "min_levels_of_separation": "id",
        },
        required=(
            "ancestor_concept_id",
            "descendant_concept_id",
            "min_levels_of_separation",
        ),
    ),
}


def tables_to_read(domains: list[str]) -> list[str]:
    """Names of the tables that a site with these ``domains`` is asked for, in reading order."""
    events = [EVENT_TABLES[domain] for domain in EVENT_TABLES if domain in domains]
    always = ["person", "observation_period", "visit_occurrence", "death", "care_site"]
    return [*always, *events, "concept", "concept_ancestor"]
