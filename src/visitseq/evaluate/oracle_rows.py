"""The oracle's metrics on the rows of a fold's test part, as a model's are computed."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from visitseq.evaluate.bootstrap import resampling_groups
from visitseq.evaluate.estimate import Estimate, undefined
from visitseq.evaluate.metrics import estimate_metrics, metric_values
from visitseq.evaluate.scored_rows import ScoredRows

#: Columns of oracle.parquet that score a row, and the metrics that need no probability.
ORACLES = ("oracle", "oracle_latent")
ORACLE_METRICS = ("auroc", "concordance_within_sets")
SIMULATION_ERRORS = ("standard_error", "auroc_standard_error", "auroc_bias")


def estimate_oracle(path: Path, draws: int, seed: int, fold: int) -> dict[str, dict[str, Estimate]]:
    """Metrics of each of ``ORACLES`` on the test part of ``fold``, from the models' draws."""
    part = read_part(path, fold)
    return {name: _estimate(part, name, draws, seed, fold) for name in ORACLES}


def simulation_error(path: Path, fold: int) -> dict[str, float | None]:
    """How sure the simulation of the gap is of the oracle on the test part of ``fold``.

    Returns
    -------
    dict
        ``standard_error`` is the mean standard error of a score as a share of it. With A the AUROC
        and A1, A2 those of the two halves of the draws, ``auroc_standard_error`` is |A1 - A2| / 2,
        and ``auroc_bias`` (A1 + A2) / 2 - A: halving the draws doubles the variance of the scores,
        so endless draws would raise A by about as much as halving them lowers it. None without
        scores, or without both classes.
    """
    part = read_part(path, fold)
    if not is_scored(part, "oracle"):
        return dict.fromkeys(SIMULATION_ERRORS)
    score, error = (part[name].to_numpy() for name in ("oracle", "oracle_standard_error"))
    columns = ("oracle", "oracle_first_half", "oracle_second_half")
    whole, first, second = (_auroc(part, name) for name in columns)
    values = (float(np.mean(error / score)), abs(first - second) / 2, (first + second) / 2 - whole)
    return {
        name: None if np.isnan(value) else value
        for name, value in zip(SIMULATION_ERRORS, values, strict=True)
    }


def _auroc(part: pa.Table, name: str) -> float:
    rows = scored_rows(part, name)
    return float(metric_values(rows, np.ones((1, len(rows))), ("auroc",))["auroc"][0])


def read_part(path: Path, fold: int) -> pa.Table:
    """Rows of oracle.parquet in the test part of ``fold``."""
    table = pq.read_table(path)
    return table.filter(pc.equal(table["part"], fold))


def is_scored(part: pa.Table, name: str) -> bool:
    """Whether there are rows, and all have a score."""
    return len(part) > 0 and part[name].null_count == 0


def scored_rows(part: pa.Table, name: str) -> ScoredRows:
    """Rows of a part, scored by one of ``ORACLES``."""
    return ScoredRows.sort(
        case=part["label"].to_numpy(),
        score=part[name].to_numpy(),
        groups=resampling_groups(part["set_id"], part["subject_id"]),
        matched=part["set_id"].is_valid().to_numpy(),
    )


def _estimate(part: pa.Table, name: str, draws: int, seed: int, fold: int) -> dict[str, Estimate]:
    if not is_scored(part, name):
        reason = "no row, or a hazard that the gap leaves unknown"
        return {metric: undefined(reason) for metric in ORACLE_METRICS}
    return estimate_metrics(scored_rows(part, name), draws, seed, fold, ORACLE_METRICS)
