"""Learned from earlier years, tested in later ones: what a model is worth when time goes by.

A random division lets a model learn from the very years in which it is tested. Here it learns and
chooses on the rows until a year and is tested on those after it (``in_time_rows.py``); the visits
are encoded anew, so that a code that came up later is unknown to it. Beside it stands what the same
model reached on the random test part of the study. The two test parts are taken as independent:
draw d of the difference is draw d of the one less draw d of the other.

Codes are learned without vectors, whatever the encoding says of them.
"""

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.audit.findings import write_findings
from visitseq.audit.in_time_rows import EARLIER_SHARE, DividedRows, divide_in_time
from visitseq.audit.in_time_verdicts import in_time_findings, is_enough
from visitseq.audit.pipeline import Pipeline, read_scored
from visitseq.audit.sample import draw_sets, events_of, set_of
from visitseq.cohort.parts import training_parts, validation_part
from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.metrics import METRICS, metric_draws
from visitseq.evaluate.paired import compare
from visitseq.tables import write_parquet

#: How many matched sets are read at most.
SETS = 1000


def test_in_time(
    *,
    cohort: Path,
    phenotype: Path,
    events: Path,
    codes: Path,
    ancestors: Path,
    evaluated: Mapping[str, Path],
    task: Mapping[str, Any],
    encoding: Mapping[str, Any],
    models: Mapping[str, Mapping[str, Any]],
    fold: int,
    parts: int,
    seed: int,
    draws: int,
    minimum_cell: int,
    folder: Path,
) -> None:
    """Write findings.json and in_time.json: models that learn from earlier years alone.

    Parameters
    ----------
    cohort, phenotype
        cohort.parquet of matched cases and controls, and its phenotype file.
    events, codes, ancestors
        events.parquet, codes.parquet and ancestors.parquet of the site.
    evaluated
        By model, its folder of stage 5 in the study, with the random test part of ``fold``.
    task, encoding, models
        Their sections of the configuration, filled; of the models by name.
    fold, parts, seed, draws
        The fold, the number of parts of the site, the study's seed and number of bootstrap draws.
    minimum_cell
        Smallest number of persons that the findings may show.
    folder
        Where the files go. in_time.json holds ``year``, the last one that is learned from;
        ``share``, ``sets`` (those of the cohort, and those read), ``trained``, ``chosen_by`` and
        ``tested`` and, of the study's own division, ``random`` (rows and cases), ``left_out``; and
        by model the metrics ``in_time`` and ``random`` and the ``difference`` of their AUROCs.
        ``models`` is empty where there are too few cases, and ``year`` is null where there is only
        one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = pq.read_table(cohort)
    divided = divide_in_time(draw_sets(every, SETS, seed), fold, parts)
    content: dict[str, Any] = {"year": None, "models": {}}
    if divided is not None:
        content = {"year": divided.year, **_counts(every, divided, fold, parts), "models": {}}
    if divided is not None and is_enough(content, minimum_cell):
        pipeline = Pipeline(task, encoding, phenotype, codes, ancestors, fold, parts, seed, draws)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".in_time_") as scratch:
            recorded = Path(scratch) / "events.parquet"
            write_parquet(events_of(divided.rows, events), recorded)
            encoded = pipeline.encode(divided.rows, recorded, Path(scratch))
            content["models"] = {
                name: _tested(pipeline, encoded, name, model, evaluated[name])
                for name, model in models.items()
            }
    text = json.dumps(content, indent=2) + "\n"
    (folder / "in_time.json").write_text(text, encoding="utf-8")
    write_findings(in_time_findings(content, minimum_cell), folder / "findings.json")


def _tested(
    pipeline: Pipeline, encoded: Path, name: str, model: Mapping[str, Any], evaluated: Path
) -> dict[str, Any]:
    """Train a model on the earlier years, and compare it with itself on the random test part."""
    pipeline.score(encoded, model, name)
    return _compared(pipeline, encoded / name, evaluated)


def _compared(pipeline: Pipeline, in_time: Path, random: Path) -> dict[str, Any]:
    """Metrics of two folders of stage 5, and the difference of their AUROCs."""
    places = {"in_time": in_time, "random": random}
    metrics = {name: _metrics(place) for name, place in places.items()}
    settings = (pipeline.draws, pipeline.seed, pipeline.fold)
    rows = {name: read_scored(place) for name, place in places.items()}
    first, second = (Estimate.from_json(metrics[name]["auroc"]) for name in places)
    defined = not (math.isnan(first.value) or math.isnan(second.value))
    drawn = {
        name: metric_draws(own, *settings, ("auroc",))["auroc"] if defined else np.empty(0)
        for name, own in rows.items()
    }
    fewest = min(len(own.groups.ids) for own in rows.values())
    difference = compare(first, second, drawn["in_time"], drawn["random"], fewest).difference
    return {**metrics, "difference": difference.to_json()}


def _metrics(evaluated: Path) -> dict[str, Any]:
    content = json.loads((evaluated / "metrics.json").read_text(encoding="utf-8"))
    return {name: content[name] for name in (*METRICS, "n", "cases", "unknown_codes")}


def _counts(every: pa.Table, divided: DividedRows, fold: int, parts: int) -> dict[str, Any]:
    """What in_time.json counts."""
    part = divided.rows["part"].to_numpy()
    sides = {
        "trained": _size(divided.rows, np.isin(part, training_parts(fold, parts))),
        "chosen_by": _size(divided.rows, part == validation_part(fold, parts)),
        "tested": _size(divided.rows, part == fold),
        "random": _size(every, every["part"].to_numpy() == fold),
    }
    sets = {"cohort": len(np.unique(set_of(every))), "read": len(np.unique(set_of(divided.rows)))}
    sets["read"] += divided.left_out["sets"]
    return {
        "share": EARLIER_SHARE,
        "sets": sets,
        **sides,
        "left_out": divided.left_out,
    }


def _size(rows: pa.Table, chosen: npt.NDArray[np.bool_]) -> dict[str, int]:
    """How many of the chosen rows there are, and how many of them are cases."""
    return {"rows": int(chosen.sum()), "cases": int(rows["label"].to_numpy()[chosen].sum())}
