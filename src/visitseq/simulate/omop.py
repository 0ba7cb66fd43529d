"""The persons, visits and records of a block as tables of the OMOP Common Data Model.

Every table is sorted by person and time. The numbers of a block's visits and events start at the
block's number times ``ID_STRIDE``: they never clash, and don't depend on other blocks.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from visitseq.simulate.attendance import DAY
from visitseq.simulate.codebook import DOMAINS, Codebook
from visitseq.simulate.hazard import Int
from visitseq.simulate.history import History, Records
from visitseq.simulate.parameters import (
    BLOCK,
    NEVER,
    OUTPATIENT,
    QUANTITIES,
    VISIT_CONCEPTS,
    Preset,
)
from visitseq.simulate.schemas import Column, build_table

ID_STRIDE = 10_000_000

# OMOP type concepts: where a record comes from.
PERIOD_OF_ENCOUNTERS = 44814724
VISIT_FROM_ENCOUNTER = 44818517
ENCOUNTER_DIAGNOSIS = 32020
PRESCRIPTION = 38000177
PROCEDURE_ORDER = 38000275
TEST_ORDER = 5001
OBSERVATION_RECORDED = 38000280

# Men first, not Hispanic first.
SEX_CONCEPTS = np.array([8507, 8532])
SEX_VALUES = np.array(["M", "F"], dtype=object)
ETHNICITY_CONCEPTS = np.array([38003564, 38003563])
DAYS_SUPPLY = 30


@dataclass(frozen=True)
class Block:
    """One block of persons with all that happened to them and was written down."""

    number: int
    history: History
    records: Records

    @property
    def person_id(self) -> Int:
        """Ids of the persons, shape (persons,)."""
        return self.number * BLOCK + 1 + np.arange(len(self.history.persons))

    @property
    def visit_id(self) -> Int:
        """Ids of the visits, shape (visits,)."""
        return self.number * ID_STRIDE + 1 + np.arange(len(self.history.visits.person))


def clinical_tables(block: Block, book: Codebook, preset: Preset) -> dict[str, pa.Table]:
    """All tables of a block of persons, by their OMOP name."""
    return {
        "person": _person(block),
        "observation_period": _observation_period(block),
        "visit_occurrence": _visit_occurrence(block, preset),
        "death": _death(block),
        "condition_occurrence": _condition_occurrence(_events(block, book, "condition")),
        "drug_exposure": _drug_exposure(_events(block, book, "drug")),
        "procedure_occurrence": _procedure_occurrence(_events(block, book, "procedure")),
        "measurement": _measurement(_events(block, book, "measurement"), book),
        "observation": _observation(_events(block, book, "observation")),
    }


def _person(block: Block) -> pa.Table:
    """One row a person."""
    persons = block.history.persons
    birth = persons.birth.astype("datetime64[D]")
    month = birth.astype("datetime64[M]")
    year = birth.astype("datetime64[Y]")
    sex = persons.female.astype(np.int64)
    columns: dict[str, Column] = {
        "person_id": block.person_id,
        "gender_concept_id": SEX_CONCEPTS[sex],
        "year_of_birth": year.astype(np.int64) + 1970,
        "month_of_birth": (month - year).astype(np.int64) + 1,
        "day_of_birth": (birth - month).astype(np.int64) + 1,
        "birth_datetime": persons.birth * DAY,
        "race_concept_id": persons.race,
        "ethnicity_concept_id": ETHNICITY_CONCEPTS[persons.hispanic.astype(np.int64)],
        "care_site_id": persons.clinic,
        "person_source_value": np.char.add("P", block.person_id.astype(str)),
        "gender_source_value": SEX_VALUES[sex],
        "gender_source_concept_id": 0,
    }
    return build_table("person", len(sex), columns)


def _observation_period(block: Block) -> pa.Table:
    """One period a person, from the entry to the exit."""
    columns: dict[str, Column] = {
        "observation_period_id": block.person_id,
        "person_id": block.person_id,
        "observation_period_start_date": block.history.persons.entry,
        "observation_period_end_date": block.history.exit,
        "period_type_concept_id": PERIOD_OF_ENCOUNTERS,
    }
    return build_table("observation_period", len(block.person_id), columns)


def _visit_occurrence(block: Block, preset: Preset) -> pa.Table:
    """One row a visit: outpatients at their clinic, the others at the hospital."""
    visits = block.history.visits
    clinic = block.history.persons.clinic[visits.person]
    hospital = preset.clinics + 1
    columns: dict[str, Column] = {
        "visit_occurrence_id": block.visit_id,
        "person_id": block.person_id[visits.person],
        "visit_concept_id": np.array(VISIT_CONCEPTS)[visits.kind],
        "visit_start_date": visits.day,
        "visit_start_datetime": visits.start,
        "visit_end_date": visits.end // DAY,
        "visit_end_datetime": visits.end,
        "visit_type_concept_id": VISIT_FROM_ENCOUNTER,
        "care_site_id": np.where(visits.kind == OUTPATIENT, clinic, hospital),
    }
    return build_table("visit_occurrence", len(visits.person), columns)


def _death(block: Block) -> pa.Table:
    """One row a person who died while in care."""
    dead = np.flatnonzero(block.history.death < NEVER)
    columns: dict[str, Column] = {
        "person_id": block.person_id[dead],
        "death_date": block.history.death[dead],
        "death_type_concept_id": 0,
    }
    return build_table("death", len(dead), columns)


@dataclass(frozen=True)
class _Events:
    """The records of one domain; every array of shape (events,)."""

    id: Int
    code: Int
    time: Int
    day: Int
    last_day: Int
    columns: dict[str, Column]


def _events(block: Block, book: Codebook, domain: str) -> _Events:
    """Records of one domain, with the columns that all event tables have."""
    records = block.records
    at = np.flatnonzero(book.domain[records.code] == DOMAINS.index(domain))
    code, visit = records.code[at], records.visit[at]
    person = block.history.visits.person[visit]
    return _Events(
        id=block.number * ID_STRIDE + 1 + np.arange(len(at)),
        code=code,
        time=records.time[at],
        day=records.time[at] // DAY,
        last_day=block.history.exit[person],
        columns={
            "person_id": block.person_id[person],
            "visit_occurrence_id": block.visit_id[visit],
            f"{domain}_concept_id": book.concept[code],
            f"{domain}_source_value": pa.array(book.source_value, pa.string()).take(pa.array(code)),
            f"{domain}_source_concept_id": book.source_concept[code],
            "value_as_number": records.value[at],
        },
    )


def _condition_occurrence(events: _Events) -> pa.Table:
    """One row a diagnosis."""
    columns: dict[str, Column] = {
        **events.columns,
        "condition_occurrence_id": events.id,
        "condition_start_date": events.day,
        "condition_start_datetime": events.time,
        "condition_type_concept_id": ENCOUNTER_DIAGNOSIS,
    }
    return build_table("condition_occurrence", len(events.id), columns)


def _drug_exposure(events: _Events) -> pa.Table:
    """One row a prescription; its supply ends with the record at the latest."""
    columns: dict[str, Column] = {
        **events.columns,
        "drug_exposure_id": events.id,
        "drug_exposure_start_date": events.day,
        "drug_exposure_start_datetime": events.time,
        "drug_exposure_end_date": np.minimum(events.day + DAYS_SUPPLY - 1, events.last_day),
        "drug_type_concept_id": PRESCRIPTION,
        "days_supply": DAYS_SUPPLY,
    }
    return build_table("drug_exposure", len(events.id), columns)


def _procedure_occurrence(events: _Events) -> pa.Table:
    """One row a procedure."""
    columns: dict[str, Column] = {
        **events.columns,
        "procedure_occurrence_id": events.id,
        "procedure_date": events.day,
        "procedure_datetime": events.time,
        "procedure_type_concept_id": PROCEDURE_ORDER,
    }
    return build_table("procedure_occurrence", len(events.id), columns)


def _measurement(events: _Events, book: Codebook) -> pa.Table:
    """One row a measured value."""
    unit = np.full(len(book.name), None, dtype=object)
    unit_concept = np.zeros(len(book.name), dtype=np.int64)
    for name, quantity in QUANTITIES.items():
        code = book.row(name)
        unit[code], unit_concept[code] = quantity.unit, quantity.unit_concept
    columns: dict[str, Column] = {
        **events.columns,
        "measurement_id": events.id,
        "measurement_date": events.day,
        "measurement_datetime": events.time,
        "measurement_type_concept_id": TEST_ORDER,
        "unit_concept_id": unit_concept[events.code],
        "unit_source_value": unit[events.code],
    }
    return build_table("measurement", len(events.id), columns)


def _observation(events: _Events) -> pa.Table:
    """One row an observation."""
    columns: dict[str, Column] = {
        **events.columns,
        "observation_id": events.id,
        "observation_date": events.day,
        "observation_datetime": events.time,
        "observation_type_concept_id": OBSERVATION_RECORDED,
    }
    return build_table("observation", len(events.id), columns)
