"""A site of a few matched sets, written by hand, for the checks that train models anew."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from event_tables import Event, event, write_ancestors, write_codes, write_events
from small_training import LOGISTIC

from visitseq.tables import COHORT

PHENOTYPE = Path(__file__).parents[2] / "workflow/phenotypes/heart_failure.yaml"
INDEX = datetime(2015, 6, 1)
PARTS, CONTROLS = 3, 3  # fold 0 tests on part 0, validates on part 1 and trains on part 2
SETS = {0: 20, 1: 4, 2: 24}  # by part
MODEL = {**LOGISTIC, "inverse_penalty": 1.0}
ENCODING: dict[str, Any] = {
    "vocabulary": "codes",
    "sequence": "visit",
    "min_count": 2,
    "vectors": "none",
    "domains": ["condition", "drug"],
}
TASK: dict[str, Any] = {
    "kind": "onset",
    "observation_months": 12,
    "prediction_months": 1,
    "phenotype_codes": "drop",
}

#: What a case's or a control's visit on a day holds: label, index date, day to codes.
Codes = Callable[[bool, datetime, datetime], list[str]]


def by_chance(seed: int = 0) -> Codes:
    """Codes that have nothing to do with the outcome."""
    draw = np.random.default_rng(seed)
    return lambda label, index, day: [f"condition/{code}" for code in draw.integers(0, 9, 2)]


def write_site(
    folder: Path, codes: Codes, index_of: Callable[[int], datetime] = lambda number: INDEX
) -> dict[str, Any]:
    """Write a cohort and its records: a visit every 50 days until a week after the index date."""
    rows: list[dict[str, Any]] = []
    events: list[Event] = []
    part_of_set = [part for part, sets in SETS.items() for _ in range(sets)]
    for number, part in enumerate(part_of_set):
        for place in range(1 + CONTROLS):
            person, index, label = number * 10 + place, index_of(number), place == 0
            rows.append(
                {"set_id": number, "subject_id": person, "index_time": index, "label": label}
                | {"part": part}
            )
            for back in range(-7, 350, 50):
                day = index - timedelta(days=back)
                events += [event(person, day, code) for code in codes(label, index, day)]
    return write_tables(folder, rows, events)


def write_tables(
    folder: Path, rows: Iterable[dict[str, Any]], events: list[Event]
) -> dict[str, Path]:
    """Write the tables that the checks read; return their arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    cohort = folder / "cohort.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows), schema=COHORT), cohort)
    return {
        "cohort": cohort,
        "phenotype": PHENOTYPE,
        "events": write_events(folder / "events.parquet", events),
        "codes": write_codes(folder / "codes.parquet", events),
        "ancestors": write_ancestors(folder / "ancestors.parquet"),
    }
