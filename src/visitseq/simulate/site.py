"""Simulate a hospital: OMOP CDM 5.4 in Parquet, and the truth behind it.

Persons come in blocks of 1,000. A block draws from streams of its own, seeded by (seed, block):
its persons are the same however many follow, and memory doesn't grow with their number. Within a
block the person comes first (persons.py: birth, diseases, death, from hazards that raise each
other), then the visits (attendance.py: rates that rise with disease), then what each visit writes
down (states.py, recording.py), then the tables (omop.py). The numbers behind it, and where they
come from, are in parameters.py and in the tables that codebook.py reads; none was tuned on a
model's score.

This is a first simulator: its records exercise every stage of the workflow, they don't claim to be
real in more than their outlines.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.simulate.attendance import Visits, simulate_visits
from visitseq.simulate.codebook import Codebook, load_codebook
from visitseq.simulate.hazard import Bool, Int
from visitseq.simulate.omop import Block, clinical_tables
from visitseq.simulate.parameters import BLOCK, NEVER, PRESETS, Preset
from visitseq.simulate.persons import simulate_persons
from visitseq.simulate.recording import record_visits
from visitseq.simulate.states import diagnosis_visits, visit_states
from visitseq.simulate.vocabulary import vocabulary_tables
from visitseq.tables import write_parquet

log = logging.getLogger(__name__)

#: What the records hide: the true onset of heart failure (null where there is none in the time of
#: the record), the day of the visit that diagnosed it (null where none did), the liability to
#: disease (mean 0 and standard deviation 1 in the preset primary_care) and the factor on the
#: person's visits.
TRUTH = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("onset", pa.date32()),
        ("diagnosis", pa.date32()),
        ("liability", pa.float64()),
        ("attendance", pa.float64()),
    ]
)


def simulate_site(site: Mapping[str, Any], folder: Path) -> None:
    """Simulate a site's records.

    Parameters
    ----------
    site
        A filled section of the configuration: ``preset`` (primary_care or intensive_care),
        ``persons`` and ``seed`` decide everything. All domains are written.
    folder
        Gets ``omop/<table>.parquet`` for the tables of ``schemas.TABLES``, the clinical ones sorted
        by person and time, and ``truth.parquet`` (schema ``TRUTH``), a row a person. The same
        preset, persons and seed always give the same bytes.
    """
    preset = PRESETS[site["preset"]]
    book = load_codebook(site["preset"], preset)
    for name, table in vocabulary_tables(preset).items():
        write_parquet(table, folder / "omop" / f"{name}.parquet")
    rows = _write_blocks(_blocks(site["persons"], site["seed"], preset, book), folder)
    log.info("simulated %s", ", ".join(f"{count} rows of {name}" for name, count in rows.items()))


def _write_blocks(blocks: Iterator[dict[str, pa.Table]], folder: Path) -> Counter[str]:
    """Append each block's tables to the files of their names, and count the rows."""
    rows: Counter[str] = Counter()
    with ExitStack() as stack:
        writers: dict[str, pq.ParquetWriter] = {}
        for tables in blocks:
            for name, table in tables.items():
                if name not in writers:
                    path = folder / f"{name}.parquet"
                    writer = pq.ParquetWriter(path, table.schema, compression="zstd")
                    writers[name] = stack.enter_context(writer)
                writers[name].write_table(table)
                rows[name] += len(table)
    return rows


def _blocks(
    persons: int, seed: int, preset: Preset, book: Codebook
) -> Iterator[dict[str, pa.Table]]:
    """Tables of each block; the last is cut after ``persons`` persons in all."""
    for number in range(-(-persons // BLOCK)):
        tables = _simulate_block(seed, number, preset, book)
        if persons < (number + 1) * BLOCK:
            tables = {name: _first_persons(table, persons) for name, table in tables.items()}
        yield tables


def _simulate_block(seed: int, number: int, preset: Preset, book: Codebook) -> dict[str, pa.Table]:
    """Clinical tables of one block and its truth, by the path of their file."""
    streams = np.random.SeedSequence([seed, number]).spawn(3)
    life, coming, writing = (np.random.Generator(np.random.PCG64(stream)) for stream in streams)
    people = simulate_persons(preset, life)
    visits = simulate_visits(people, preset, coming)
    diagnosis = diagnosis_visits(people, visits)
    states = visit_states(people, visits, diagnosis, preset, writing)
    records = record_visits(visits, states, book, preset, writing)
    block = Block(number, people, visits, records)
    truth = {
        "subject_id": block.person_id,
        "onset": _date(people.onset["heart_failure"]),
        "diagnosis": _date(_diagnosis_days(visits, diagnosis)),
        "liability": people.liability,
        "attendance": people.attendance,
    }
    tables = {f"omop/{name}": table for name, table in clinical_tables(block, book, preset).items()}
    return {**tables, "truth": pa.table(truth, schema=TRUTH)}


def _diagnosis_days(visits: Visits, diagnosis: Bool) -> Int:
    """Day on which each person's heart failure is diagnosed, ``NEVER`` where it is not."""
    day = np.full(BLOCK, NEVER, dtype=np.int64)
    day[visits.person[diagnosis]] = visits.day[diagnosis]
    return day


def _date(day: Int) -> pa.Array:
    """Days since 1970-01-01 as dates, null where ``NEVER``."""
    return pa.array(day.astype(np.int32), mask=day == NEVER).cast(pa.date32())


def _first_persons(table: pa.Table, persons: int) -> pa.Table:
    """Rows of the persons with the ids 1 to ``persons``; the table is sorted by person."""
    column = "subject_id" if "subject_id" in table.column_names else "person_id"
    return table.slice(0, int(np.searchsorted(table[column].to_numpy(), persons, side="right")))
