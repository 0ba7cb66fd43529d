"""The tables of the OMOP Common Data Model 5.4 that the simulator writes, as Arrow schemas.

Columns that the standard requires and those that the simulator fills, by their standard names and
in its order; the other optional columns are left out.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

#: A column of a table: its values, or the one that holds in every row.
Column: TypeAlias = npt.NDArray[np.generic] | Sequence[object] | pa.Array | int

_KINDS: dict[str, pa.DataType] = {
    "id": pa.int64(),
    "int": pa.int32(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "number": pa.float64(),
    "text": pa.string(),
}
MICROSECONDS_A_MINUTE = 60_000_000


def _schema(columns: str) -> pa.Schema:
    """Schema of columns written as ``name:kind``; an id where no kind stands."""
    named = [column.partition(":") for column in columns.split()]
    return pa.schema([(name, _KINDS[kind or "id"]) for name, _, kind in named])


TABLES: dict[str, pa.Schema] = {
    "person": _schema(
        "person_id gender_concept_id year_of_birth:int month_of_birth:int day_of_birth:int "
        "birth_datetime:datetime race_concept_id ethnicity_concept_id care_site_id "
        "person_source_value:text gender_source_value:text gender_source_concept_id"
    ),
    "observation_period": _schema(
        "observation_period_id person_id observation_period_start_date:date "
        "observation_period_end_date:date period_type_concept_id"
    ),
    "visit_occurrence": _schema(
        "visit_occurrence_id person_id visit_concept_id visit_start_date:date "
        "visit_start_datetime:datetime visit_end_date:date visit_end_datetime:datetime "
        "visit_type_concept_id care_site_id"
    ),
    "condition_occurrence": _schema(
        "condition_occurrence_id person_id condition_concept_id condition_start_date:date "
        "condition_start_datetime:datetime condition_type_concept_id visit_occurrence_id "
        "condition_source_value:text condition_source_concept_id"
    ),
    "drug_exposure": _schema(
        "drug_exposure_id person_id drug_concept_id drug_exposure_start_date:date "
        "drug_exposure_start_datetime:datetime drug_exposure_end_date:date drug_type_concept_id "
        "days_supply:int visit_occurrence_id drug_source_value:text drug_source_concept_id"
    ),
    "procedure_occurrence": _schema(
        "procedure_occurrence_id person_id procedure_concept_id procedure_date:date "
        "procedure_datetime:datetime procedure_type_concept_id visit_occurrence_id "
        "procedure_source_value:text procedure_source_concept_id"
    ),
    "measurement": _schema(
        "measurement_id person_id measurement_concept_id measurement_date:date "
        "measurement_datetime:datetime measurement_type_concept_id value_as_number:number "
        "unit_concept_id visit_occurrence_id measurement_source_value:text "
        "measurement_source_concept_id unit_source_value:text"
    ),
    "observation": _schema(
        "observation_id person_id observation_concept_id observation_date:date "
        "observation_datetime:datetime observation_type_concept_id visit_occurrence_id "
        "observation_source_value:text observation_source_concept_id"
    ),
    "death": _schema("person_id death_date:date death_type_concept_id"),
    "care_site": _schema("care_site_id care_site_name:text place_of_service_concept_id"),
    "concept": _schema(
        "concept_id concept_name:text domain_id:text vocabulary_id:text concept_class_id:text "
        "standard_concept:text concept_code:text valid_start_date:date valid_end_date:date "
        "invalid_reason:text"
    ),
    "concept_ancestor": _schema(
        "ancestor_concept_id descendant_concept_id min_levels_of_separation:int "
        "max_levels_of_separation:int"
    ),
}


def build_table(name: str, rows: int, columns: Mapping[str, Column]) -> pa.Table:
    """Arrow table ``name`` of ``rows`` rows.

    Dates are days and datetimes minutes since 1970-01-01; NaN is written as null.
    """
    schema = TABLES[name]
    arrays = [_array(columns[field.name], rows, field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Parquet writer for a clinical table; numbers that rise from row to row are written as steps.

    That takes half the time and half the space of what Arrow does on its own.
    """
    rising = [field.name for field in schema if _rises(field)]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[name for name in schema.names if name not in rising],
        column_encoding=dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
    )


def _rises(field: pa.Field) -> bool:
    """Whether a column is a date, a time, or a number of persons, visits or rows."""
    counted = field.type == _KINDS["id"] and "concept" not in field.name
    return counted or field.type in (_KINDS["date"], _KINDS["datetime"])


def _array(column: Column, rows: int, kind: pa.DataType) -> pa.Array:
    """Arrow array of a column."""
    if isinstance(column, pa.Array):
        return column
    if isinstance(column, int):
        column = np.full(rows, column)
    if kind == _KINDS["datetime"]:
        return pa.array(np.asarray(column, dtype=np.int64) * MICROSECONDS_A_MINUTE).cast(kind)
    if kind == _KINDS["date"]:
        return pa.array(np.asarray(column, dtype=np.int32)).cast(kind)
    return pa.array(column, type=kind, from_pandas=kind == _KINDS["number"])
