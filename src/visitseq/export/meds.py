"""Write a site as a MEDS 0.4 data set, from which ``ingest_meds`` makes the same tables again.

    data/{split}/{shard}.parquet     the events, with visit_id and source_code beside MEDS's columns
    metadata/codes.parquet           every code, with its ancestors' steps and names beside MEDS's
    metadata/subject_splits.parquet  train, tuning and held_out: the parts of one fold
    metadata/dataset.json

What events.parquet does not hold are rows of their own: race, ethnicity, the own care site and the
precision of the birth without a time, the first and the last day of each observation period. The
records of patients are in it: it goes nowhere by itself.
"""

import json
import logging
import tempfile
from importlib.resources import files
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import visitseq
from visitseq.cohort.parts import assign_parts, training_parts, validation_part
from visitseq.engine import connect
from visitseq.ingest.meds_codes import PERIOD_END, PERIOD_START, PERSON_WORDS
from visitseq.tables import TIME, write_parquet

log = logging.getLogger(__name__)

MEDS_VERSION = "0.4.1"
#: Persons of a shard: programs that read MEDS hold one in memory.
SHARD = 50_000
_BATCH = 122_880  # rows: a row group

SPLITS = pa.schema([("subject_id", pa.int64()), ("split", pa.string())])
#: MEDS data, with what this project knows of an event besides.
DATA = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        ("time", TIME),
        pa.field("code", pa.string(), nullable=False),
        ("numeric_value", pa.float32()),
        ("visit_id", pa.int64()),
        ("source_code", pa.string()),
    ]
)
_TABLES = ("events", "persons", "observation_periods", "codes", "ancestors")


def write_meds(
    *,
    name: str,
    events: Path,
    persons: Path,
    observation_periods: Path,
    codes: Path,
    ancestors: Path,
    folder: Path,
    synthetic: bool,
    fold: int,
    seed: int,
    parts: int,
    threads: int = 1,
    memory_mb: int = 3000,
) -> None:
    """Write the folders data/ and metadata/ of a site.

    Parameters
    ----------
    name
        The site's name.
    events, persons, observation_periods, codes, ancestors
        Its tables of stage 1.
    folder
        Gets data/ and metadata/.
    synthetic
        Whether the records were made up, which dataset.json then says.
    fold, seed, parts
        The fold whose parts are the splits, and ``run.seed`` and ``run.parts``.
    threads, memory_mb
        What the engine may use; the files do not depend on either.
    """
    (folder / "metadata").mkdir(parents=True, exist_ok=True)
    splits = _splits(pq.read_table(persons, columns=["subject_id"]), fold, seed, parts)
    write_parquet(splits, folder / "metadata/subject_splits.parquet")
    tables = dict(
        zip(_TABLES, (events, persons, observation_periods, codes, ancestors), strict=True)
    )
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".spill_") as scratch,
        connect(threads=threads, memory_mb=memory_mb, scratch=Path(scratch)) as connection,
    ):
        for table, path in tables.items():
            connection.execute(f"CREATE TEMP VIEW {table} AS FROM read_parquet({_quote(path)})")
        connection.execute(f"CREATE TEMP VIEW meds_row AS {_sql('meds_row')}")
        shards = _write_shards(connection, splits, folder / "data")
        described = connection.sql(_sql("meds_code")).to_arrow_table()
    write_parquet(described, folder / "metadata/codes.parquet")
    text = json.dumps(_dataset(name, synthetic), indent=2) + "\n"
    (folder / "metadata/dataset.json").write_text(text, encoding="utf-8")
    log.info("site %s: %d persons in %d shards", name, len(splits), shards)


def _splits(subjects: pa.Table, fold: int, seed: int, parts: int) -> pa.Table:
    """The split of every person, sorted by subject_id."""
    own = np.sort(subjects["subject_id"].to_numpy())
    names = dict.fromkeys(training_parts(fold, parts), "train")
    names |= {validation_part(fold, parts): "tuning", fold: "held_out"}
    split = [names[part] for part in assign_parts(own, seed, parts).tolist()]
    return pa.table({"subject_id": own, "split": split}, schema=SPLITS)


def _write_shards(connection: duckdb.DuckDBPyConnection, splits: pa.Table, folder: Path) -> int:
    """Write the rows of each split, a shard of persons a file; return how many files."""
    written = 0
    for split in ("train", "tuning", "held_out"):
        subjects = splits["subject_id"].filter(pc.equal(splits["split"], split))
        (folder / split).mkdir(parents=True, exist_ok=True)
        for number, first in enumerate(range(0, max(len(subjects), 1), SHARD)):
            own = pa.table({"subject_id": subjects.slice(first, SHARD)})
            connection.register("shard_subject", own)
            path = folder / split / f"{number}.parquet"
            with pq.ParquetWriter(path, DATA, compression="zstd") as writer:
                for batch in connection.sql(_sql("meds_shard")).to_arrow_reader(_BATCH):
                    writer.write_batch(batch.cast(DATA))
            connection.unregister("shard_subject")
            written += 1
    return written


def _sql(name: str) -> str:
    """A query of ``sql/``, with the codes of rows that are no events filled in."""
    text = files("visitseq.export").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")
    words = {**PERSON_WORDS, "period_start": PERIOD_START, "period_end": PERIOD_END}
    for key, word in words.items():
        text = text.replace(f"{{{key}}}", word)
    return text


def _dataset(name: str, synthetic: bool) -> dict[str, str | list[str]]:
    """Content of dataset.json; without a date, for the same records are the same bytes."""
    return {
        "dataset_name": f"{name} (synthetic records)" if synthetic else name,
        "etl_name": "visitseq",
        "etl_version": visitseq.__version__,
        "meds_version": MEDS_VERSION,
        "raw_source_id_columns": ["visit_id"],
        "other_extension_columns": ["source_code"],
    }


def _quote(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
