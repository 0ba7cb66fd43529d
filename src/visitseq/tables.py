"""The tables that pass from stage to stage, as Arrow schemas.

Data is the interface: a stage reads and writes these and nothing else. ``write_parquet`` is the
one way to write a small table, so that the same rows are the same bytes on every run.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TIME = pa.timestamp("us")

#: One row an event: a MEDS data table, with the visit and the source code beside it. Sorted by
#: its columns in the order subject_id, time, code, visit_id, numeric_value, source_code, nulls
#: first, strings by bytes.
EVENTS = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("time", TIME),
        ("code", pa.string()),
        ("numeric_value", pa.float32()),
        ("visit_id", pa.int64()),
        ("source_code", pa.string()),
    ]
)

#: One row a person, sorted by subject_id. ``sex``, ``race`` and ``ethnicity`` are concept ids,
#: ``first_event`` and ``last_event`` the first and last visit start or clinical event,
#: ``observation_start`` and ``observation_end`` the outer ends of the observation periods.
PERSONS = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("birth_date", pa.date32()),
        ("birth_precision", pa.string()),
        ("sex", pa.int64()),
        ("race", pa.int64()),
        ("ethnicity", pa.int64()),
        ("care_site", pa.int64()),
        ("death_date", pa.date32()),
        ("first_event", TIME),
        ("last_event", TIME),
        ("observation_start", pa.date32()),
        ("observation_end", pa.date32()),
    ]
)

#: One row an observation period, overlapping and adjoining ones of a person joined, both days
#: included, sorted by subject_id and start. Empty where the site has none.
OBSERVATION_PERIODS = pa.schema(
    [("subject_id", pa.int64()), ("start", pa.date32()), ("end", pa.date32())]
)

#: MEDS code metadata, sorted by code. ``parent_codes`` holds every ancestor, the nearest first.
CODES = pa.schema(
    [
        ("code", pa.string()),
        ("description", pa.string()),
        ("parent_codes", pa.list_(pa.string())),
    ]
)

#: One row a code that the events hold and an ancestor of it, sorted by code, ``levels``, the
#: ancestor's concept id. ``levels`` are the steps from the code up to the ancestor (OMOP's
#: min_levels_of_separation), ``description`` is the ancestor's name, null where the concept table
#: lacks it. Empty where the site has no concept_ancestor.
ANCESTORS = pa.schema(
    [
        ("code", pa.string()),
        ("ancestor", pa.string()),
        ("levels", pa.int32()),
        ("description", pa.string()),
    ]
)

#: One row a subject and index date, sorted by subject_id, index_time, set_id. ``set_id`` is null
#: without matching, ``index_time`` a midnight, ``label`` null in a cohort without outcome.
COHORT = pa.schema(
    [
        ("set_id", pa.int64()),
        ("subject_id", pa.int64()),
        ("index_time", TIME),
        ("label", pa.bool_()),
        ("part", pa.int32()),
    ]
)

#: One row a row of a landmark cohort, in its order: what came of it within the horizon (onset,
#: death, censored, or free of all at the horizon's end), and so many days after the index date.
OUTCOMES = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("index_time", TIME),
        ("days", pa.int32()),
        ("outcome", pa.string()),
    ]
)

#: One row a matched pair, sorted by set_id, control.
MATCHES = pa.schema(
    [
        ("set_id", pa.int64()),
        ("case", pa.int64()),
        ("control", pa.int64()),
        ("distance", pa.float64()),
        ("n_eligible", pa.int64()),
        ("n_sampled", pa.int64()),
    ]
)

#: One row a cohort row, in its order: the sparse one-hot sequence of its visits.
VISITS = pa.schema(
    [
        *COHORT,
        ("visits", pa.list_(pa.list_(pa.int32()))),
        ("days", pa.list_(pa.float32())),
        ("days_to_index", pa.list_(pa.float32())),
    ]
)

#: The visits of a task that asks for visits: ``targets`` holds each visit's own label ids, as long
#: as ``visits``; ``days_to_index`` is null.
VISIT_TARGETS = pa.schema([*VISITS, ("targets", pa.list_(pa.list_(pa.int32())))])

#: The ancestors that a source's vocabulary has of a target's codes and labels (``of``) it lacks,
#: as ids of the joint vocabulary, sorted by of, id, levels, ancestor. ``levels`` as in ANCESTORS.
SHARED_ANCESTORS = pa.schema(
    [
        ("of", pa.string()),
        ("id", pa.int32()),
        ("ancestor", pa.int32()),
        ("levels", pa.int32()),
    ]
)

#: The test (or validation) part's predictions in cohort order: the MEDS evaluation columns, with
#: the matched set and the untruncated score before them.
PREDICTIONS = pa.schema(
    [
        ("set_id", pa.int64()),
        ("score", pa.float64()),
        ("subject_id", pa.int64()),
        ("prediction_time", TIME),
        ("boolean_value", pa.bool_()),
        ("predicted_boolean_value", pa.bool_()),
        ("predicted_boolean_probability", pa.float32()),
    ]
)

#: The visits of the test (or validation) part that are predicted, by person in cohort order and by
#: ``ahead`` (1 is the first after those read): the ids of the labels that came true, ascending, and
#: of the 30 that were held most likely, best first, ties by id; fewer where fewer are known.
FORECASTS = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("ahead", pa.int32()),
        ("labels", pa.list_(pa.int32())),
        ("top", pa.list_(pa.int32())),
    ]
)

#: The visits of the test (or validation) part that are predicted, each from those before it, by
#: person in cohort order and by ``visit``, from 0; 1 is the first that is predicted. ``labels`` and
#: ``top`` as in FORECASTS, ``days`` since the visit before, ``predicted_log_days`` the logarithm of
#: the days that were expected (at least 1), null from a model that expects none.
NEXT_VISITS = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("visit", pa.int32()),
        ("labels", pa.list_(pa.int32())),
        ("top", pa.list_(pa.int32())),
        ("days", pa.float32()),
        ("predicted_log_days", pa.float32()),
    ]
)

#: One row a cohort row, in its order: hazards at the index date relative to the mean of the set's
#: eligible pool, as the record before the window's end tells them (with the standard error of their
#: simulation, and from each half of its draws) and as they came true; null where there is none.
ORACLE = pa.schema(
    [
        *COHORT,
        ("oracle", pa.float64()),
        ("oracle_standard_error", pa.float64()),
        ("oracle_first_half", pa.float64()),
        ("oracle_second_half", pa.float64()),
        ("oracle_latent", pa.float64()),
    ]
)

#: One row an estimate; ``fold`` is null for the mean over the folds.
METRICS = pa.schema(
    [
        ("source", pa.string()),
        ("target", pa.string()),
        ("task", pa.string()),
        ("encoding", pa.string()),
        ("model", pa.string()),
        ("fold", pa.int32()),
        ("strategy", pa.string()),
        ("fraction", pa.int32()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
    ]
)


def vocabulary_schema(parts: int) -> pa.Schema:
    """Schema of vocabulary.parquet: in how many visits of each of ``parts`` parts a code stands."""
    counts = [(f"part_{part}", pa.int64()) for part in range(parts)]
    return pa.schema(
        [("id", pa.int32()), ("code", pa.string()), ("description", pa.string()), *counts]
    )


def vectors_schema(dimension: int) -> pa.Schema:
    """Schema of vectors.parquet: the vectors of a site's codes, sorted by code."""
    return pa.schema([("code", pa.string()), ("vector", pa.list_(pa.float32(), dimension))])


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write ``table`` to ``path`` (zstd); the same rows always give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
