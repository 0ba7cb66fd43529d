"""How many seconds a trained model takes to score one patient.

The clock runs from the mapped visits of the test part to the scores: features or batches are made
within it, files are read before. Patients are scored in two ways:

    one     one after the other, as at a bedside; quartiles are over patients
    batch   the whole test part in one call, divided by its rows; quartiles are over repetitions

after a call of each that is not counted. Choi et al. (JAMIA 2017, Table 3) don't say which they
took; the 2 microseconds of their logistic regression can only be a batch's.

Seconds are those of this machine, and of all that ran beside.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from visitseq.encode.sequences import Sequences, read_sequences
from visitseq.train.trained import Scorer, load_model

logger = logging.getLogger(__name__)

#: Patients that are scored one after the other, evenly spread over the test part.
ONES = 200
#: Times that the whole test part is scored.
REPETITIONS = 5


def time_scoring(
    *,
    visits: Path,
    trained: Path,
    fold: int,
    table: Path,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Write ``table``: way (one or batch), timed, rows, and quartiles of seconds a patient.

    ``timed`` is how many times were taken, ``rows`` how many patients each of them scored. Of a
    test part without rows the table has none.

    Parameters
    ----------
    visits
        The task's visits.arrow.
    trained
        The model's folder of stage 4.
    fold
        Whose test part is scored.
    table
        Where the CSV file goes.
    clock
        Gives seconds.
    """
    sequences, model = read_sequences(visits), load_model(trained)
    tested = sequences.rows_of_parts([fold])
    spread = np.unique(np.linspace(0, len(tested) - 1, ONES).astype(np.intp))
    ones = [sequences.take(tested[[place]]) for place in spread if len(tested)]
    calls = {"one": ones, "batch": [sequences.take(tested)] * REPETITIONS if len(tested) else []}
    lines = [
        _line(way, _seconds(model.score, c, clock), len(c[0])) for way, c in calls.items() if c
    ]
    table.parent.mkdir(parents=True, exist_ok=True)
    columns = ["way", "timed", "rows", "median", "low", "high"]
    pd.DataFrame(lines, columns=columns).to_csv(table, index=False, lineterminator="\n")
    logger.info("%d rows scored in a batch, %d alone", len(tested), len(ones))


def _seconds(
    score: Scorer, calls: list[Sequences], clock: Callable[[], float]
) -> npt.NDArray[np.float64]:
    """Seconds of each call, after the first has been made once for nothing."""
    score(calls[0])
    seconds = []
    for call in calls:
        start = clock()
        score(call)
        seconds.append(clock() - start)
    return np.array(seconds)


def _line(way: str, seconds: npt.NDArray[np.float64], rows: int) -> dict[str, object]:
    low, median, high = np.quantile(seconds / rows, [0.25, 0.5, 0.75])
    numbers = {"median": median, "low": low, "high": high}
    return {"way": way, "timed": len(seconds), "rows": rows, **numbers}
