"""What bfloat16 products do to the AUROC: the same GRU in float32 and in bf16.

    python benchmarks/precision.py [--directory runs/precision]

Runs workflow/experiments/precision.yaml as far as it has not been run, and writes precision.md
beside this file: the mean AUROC over the seven folds of each, and the difference with its 95%
interval from paired bootstrap draws.
"""

import argparse
from pathlib import Path

from study import auroc_draws, interval, model_rows, run_study

FOLDS, SITES = range(7), ("riverside", "lakeview")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, default=Path("runs/precision"))
    results = run_study("precision", parser.parse_args().directory.resolve())
    lines = [
        "# Precision",
        "",
        "Written by `python benchmarks/precision.py`; synthetic records, seven folds.",
        "",
        "| site | cases | float32 | bf16 | bf16 less float32 | 95% |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for site in SITES:
        rows = [[model_rows(results, site, m, f) for f in FOLDS] for m in ("gru", "gru_bf16")]
        (full, full_draws), (half, half_draws) = (auroc_draws(folds) for folds in rows)
        low, high = interval(half_draws - full_draws, 0.95)
        cases = int(sum(fold.case.sum() for fold in rows[0]))
        lines.append(
            f"| {site} | {cases:,} | {full:.4f} | {half:.4f} | {half - full:+.4f} "
            f"| {low:+.4f} to {high:+.4f} |"
        )
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
