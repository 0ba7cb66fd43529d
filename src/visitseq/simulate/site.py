"""Simulate a hospital: OMOP CDM 5.4 in Parquet, and the truth behind it.

Persons come in blocks of 2,000. A block draws from streams of its own, seeded by (seed, block): its
persons are the same however many follow, on however many cores, and memory doesn't grow with their
number. A block's history comes from a process (hospital.py; controls.py for the presets that test
what a model must not or must be able to find), is written down (history.py), and becomes tables
(omop.py) and truth (truth.py). The numbers behind it, and where they come from, are in
parameters.py, heart_failure.py and the tables that codebook.py and therapy.py read; none was tuned
on a model's score.
"""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.simulate.controls import CONTROLS
from visitseq.simulate.history import History, write_records
from visitseq.simulate.hospital import simulate_hospital
from visitseq.simulate.messy import plant_defects
from visitseq.simulate.omop import ID_STRIDE, Block, clinical_tables
from visitseq.simulate.parameters import BLOCK
from visitseq.simulate.schemas import open_writer
from visitseq.simulate.setting import Setting, Streams
from visitseq.simulate.truth import truth_table, with_defects
from visitseq.simulate.vocabulary import vocabulary_tables
from visitseq.tables import write_parquet

log = logging.getLogger(__name__)


def simulate_site(site: Mapping[str, Any], folder: Path, threads: int = 1) -> None:
    """Simulate a site's records.

    Parameters
    ----------
    site
        A filled section of the configuration: ``preset``, ``persons``, ``seed``, ``order_effect``
        and ``messy`` decide everything. All domains are written.
    folder
        Gets ``omop/<table>.parquet`` for the tables of ``schemas.TABLES``, the clinical ones sorted
        by person and time, and ``truth.parquet`` (schema ``truth.TRUTH``), a row a person. The same
        section always gives the same bytes, whatever ``threads``.
    threads
        Blocks that are simulated at once.
    """
    setting = Setting.from_configuration(site)
    for name, table in vocabulary_tables(setting.preset.clinics).items():
        write_parquet(table, folder / "omop" / f"{name}.parquet")
    rows = _write_blocks(_blocks(site, setting, threads), folder)
    log.info("simulated %s", ", ".join(f"{count} rows of {name}" for name, count in rows.items()))


def simulate_block(site: Mapping[str, Any], setting: Setting, streams: Streams) -> History:
    """Simulate the history of one block of a site's persons."""
    process = CONTROLS.get(site["preset"], simulate_hospital)
    return process(setting, BLOCK, streams)


def _write_blocks(blocks: Iterator[dict[str, pa.Table]], folder: Path) -> Counter[str]:
    """Append each block's tables to the files of their names, and count the rows."""
    rows: Counter[str] = Counter()
    with ExitStack() as stack:
        writers: dict[str, pq.ParquetWriter] = {}
        for tables in blocks:
            for name, table in tables.items():
                if name not in writers:
                    writer = open_writer(folder / f"{name}.parquet", table.schema)
                    writers[name] = stack.enter_context(writer)
                writers[name].write_table(table)
                rows[name] += len(table)
    return rows


def _blocks(
    site: Mapping[str, Any], setting: Setting, threads: int
) -> Iterator[dict[str, pa.Table]]:
    """Tables of each block, in order, ``threads`` of them in the making."""
    waiting: deque[Future[dict[str, pa.Table]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for number in range(-(-site["persons"] // BLOCK)):
            waiting.append(pool.submit(_block_tables, site, setting, number))
            if len(waiting) == threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _block_tables(site: Mapping[str, Any], setting: Setting, number: int) -> dict[str, pa.Table]:
    """Tables of one block by the path of their file, cut after the last person wanted."""
    streams = Streams.of_block(site["seed"], number)
    history = simulate_block(site, setting, streams)
    block = Block(number, history, write_records(history, setting.book, streams.timing))
    clinical = clinical_tables(block, setting.book, setting.preset)
    truth = truth_table(history, block.person_id)
    if site["persons"] < (number + 1) * BLOCK:
        clinical = {n: _first_persons(table, site["persons"]) for n, table in clinical.items()}
        truth = _first_persons(truth, site["persons"])
    if site["messy"]:
        clinical, planted = plant_defects(clinical, streams.spoiling, number * ID_STRIDE)
        truth = with_defects(truth, planted)
    return {**{f"omop/{name}": table for name, table in clinical.items()}, "truth": truth}


def _first_persons(table: pa.Table, persons: int) -> pa.Table:
    """Rows of the persons with the ids 1 to ``persons``; the table is sorted by person."""
    column = "subject_id" if "subject_id" in table.column_names else "person_id"
    return table.slice(0, int(np.searchsorted(table[column].to_numpy(), persons, side="right")))
