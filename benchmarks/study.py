"""Run a study of workflow/experiments, and compare its scores on the same rows and draws."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from visitseq.encode.sequences import read_sequences
from visitseq.evaluate.bootstrap import resampling_groups
from visitseq.evaluate.metrics import metric_draws, metric_values
from visitseq.evaluate.oracle_rows import read_part, scored_rows
from visitseq.evaluate.scored_rows import ScoredRows

ROOT = Path(__file__).resolve().parents[1]
Floats = npt.NDArray[np.float64]
DRAWS, SEED = 1000, 0


def run_study(name: str, folder: Path) -> Path:
    """Run an experiment as far as its evaluation; give the folder of its results."""
    command = [sys.executable, "-m", "snakemake", "evaluate", "--cores", "all", "--quiet", "all"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    experiment = ROOT / "workflow" / "experiments" / f"{name}.yaml"
    subprocess.run([*command, "--configfile", str(experiment)], check=True, cwd=ROOT)
    return folder / "results"


def model_rows(results: Path, site: str, model: str, fold: int) -> ScoredRows:
    """Test part of one fold, scored by a model, or by the oracle."""
    evaluated = results / "5_evaluate" / site / "heart_failure"
    if model == "oracle":
        return scored_rows(read_part(evaluated / "oracle.parquet", fold), "oracle")
    predictions = evaluated / "one_hot" / model / f"fold{fold}" / "predictions.parquet"
    return ScoredRows.from_predictions(pq.read_table(predictions))


def utilisation_rows(results: Path, site: str, fold: int) -> dict[str, ScoredRows]:
    """Test part of one fold, scored by the number of visits, of codes, and by their span."""
    setting = results / "3_encode" / site / "heart_failure" / "one_hot"
    sequences = read_sequences(setting / "visits.arrow")
    test = sequences.take(sequences.rows_of_parts([fold]))
    first = np.zeros(len(test))
    some = test.lengths > 0
    first[some] = test.days_to_index[test.visit_offsets[:-1][some]]
    last = np.zeros(len(test))
    last[some] = test.days_to_index[test.visit_offsets[1:][some] - 1]
    scores = {
        "number of visits": test.lengths,
        "number of codes": np.diff(test.code_offsets[test.visit_offsets]),
        "span of the visits": first - last,
    }
    part = read_part(results / "5_evaluate" / site / "heart_failure" / "oracle.parquet", fold)
    groups = resampling_groups(part["set_id"], part["subject_id"])
    matched = np.ones(len(test), dtype=bool)
    return {
        name: ScoredRows.sort(test.label, score.astype(np.float64), groups, matched)
        for name, score in scores.items()
    }


def auroc_draws(rows: list[ScoredRows], metric: str = "auroc") -> tuple[float, Floats]:
    """Mean over the folds of a metric, and its bootstrap draws."""
    values = [metric_values(r, np.ones((1, len(r))), (metric,))[metric][0] for r in rows]
    drawn = [metric_draws(r, DRAWS, SEED, f, (metric,))[metric] for f, r in enumerate(rows)]
    return float(np.mean(values)), np.mean(drawn, axis=0)


def interval(draws: Floats, level: float) -> tuple[float, float]:
    """Percentile interval of a level."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
