"""What the models find where the truth is known: in nothing, in order alone, in counts alone.

    python benchmarks/controls.py [--directory runs/controls]

Runs workflow/experiments/controls.yaml (all seven folds) as far as it has not been run, then

- AUROC of each model, and of the numbers of visits and codes and their span, at no_signal and
  order_only, with 99% intervals (Bonferroni over the scores of a site);
- the difference between the oracle and the logistic regression at counts_only (paired draws);
- labels permuted within matched sets 50 times, in primary_care: the mean
  concordance within sets, and the pooled AUROC beside it, which is no test (it exceeds 0.5 without
  a leak where sets differ in size);
- the signal that the case-control design itself creates in records of primary care: the same
  cohort and models at constant_hazard.

Writes controls.md beside this file.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from study import auroc_draws, interval, model_rows, run_study, utilisation_rows

from visitseq.evaluate.metrics import metric_values
from visitseq.evaluate.scored_rows import ScoredRows

FOLDS = range(7)
MODELS = ("logistic", "gru")
PERMUTATIONS = 50


def chance_table(results: Path, site: str, title: str) -> list[str]:
    """AUROC of every score at one site, with intervals that hold for all of them at once."""
    scores = {model: [model_rows(results, site, model, f) for f in FOLDS] for model in MODELS}
    by_fold = [utilisation_rows(results, site, fold) for fold in FOLDS]
    scores |= {name: [rows[name] for rows in by_fold] for name in by_fold[0]}
    cases = sum(int(rows.case.sum()) for rows in scores["logistic"])
    lines = [f"## {title}", "", f"{cases:,} cases, seven folds.", "", "| score | AUROC | 99% |"]
    lines.append("| --- | ---: | --- |")
    for name, rows in scores.items():
        value, draws = auroc_draws(rows)
        low, high = interval(draws, 1 - 0.01 / len(scores))
        lines.append(f"| {name} | {value:.3f} | {low:.3f} to {high:.3f} |")
    return [*lines, ""]


def counts_table(results: Path) -> list[str]:
    """How far the regression is from the oracle where it is the right model."""
    rows = {
        name: [model_rows(results, "counts_only", name, fold) for fold in FOLDS]
        for name in ("oracle", *MODELS)
    }
    of = {name: auroc_draws(scored) for name, scored in rows.items()}
    cases = sum(int(r.case.sum()) for r in rows["oracle"])
    lines = ["## counts_only", "", f"{cases:,} cases, seven folds.", ""]
    lines += ["| score | AUROC | oracle less score | 95% |", "| --- | ---: | ---: | --- |"]
    for name, (value, draws) in of.items():
        low, high = interval(of["oracle"][1] - draws, 0.95)
        less = of["oracle"][0] - value
        lines.append(f"| {name} | {value:.4f} | {less:.4f} | {low:.4f} to {high:.4f} |")
    return [*lines, ""]


def permuted(results: Path, site: str) -> list[str]:
    """Permute labels within sets: a score must not tell a set's case from its controls."""
    folds = [model_rows(results, site, "gru", fold) for fold in FOLDS]
    rng = np.random.default_rng(0)
    values = []
    for _ in range(PERMUTATIONS):
        shuffled = [replace(rows, case=_within_sets(rows, rng)) for rows in folds]
        values.append(np.mean([_both(rows) for rows in shuffled], axis=0))
    (concordance, auroc), spread = np.mean(values, axis=0), np.std(values, axis=0)
    error = spread / PERMUTATIONS**0.5
    return [
        f"## Labels permuted within sets ({site}, gru, seven folds, {PERMUTATIONS} times)",
        "",
        f"Mean concordance within sets {concordance:.4f} (standard error {error[0]:.4f}); pooled "
        f"AUROC {auroc:.4f} ({error[1]:.4f}).",
        "",
    ]


def _both(rows: ScoredRows) -> list[float]:
    """Concordance within sets, and pooled AUROC."""
    names = ("concordance_within_sets", "auroc")
    found = metric_values(rows, np.ones((1, len(rows))), names)
    return [found[name][0] for name in names]


def _within_sets(rows: ScoredRows, rng: np.random.Generator) -> np.ndarray:
    """Labels of the rows, shuffled within each set."""
    order = np.lexsort((rng.random(len(rows)), rows.groups.rows))
    in_order = np.argsort(rows.groups.rows, kind="stable")
    case = np.empty(len(rows), dtype=bool)
    case[order] = rows.case[in_order]
    return case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, default=Path("runs/controls"))
    folder = parser.parse_args().directory.resolve()
    results = run_study("controls", folder)
    lines = ["# Controls", "", "Written by `python benchmarks/controls.py`; synthetic records.", ""]
    lines += chance_table(results, "no_signal", "no_signal: nothing can be found")
    lines += chance_table(results, "order_only", "order_only: counts tell nothing, order all")
    lines += counts_table(results)
    lines += permuted(results, "riverside")
    title = "constant_hazard: what the case-control design itself creates in primary care"
    lines += chance_table(results, "constant_hazard", title)
    Path(__file__).with_suffix(".md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
