"""The heart-failure study at the paper's size on two cores: seconds, memory, and what came out.

    python benchmarks/heart_failure.py [--directory runs/heart_failure]

Runs Fig. 5 of Choi et al., JAMIA 2017 (18 months, no gap; one-hot and grouped: skipgram.py has what
concept vectors cost) on a simulated hospital with about 3,884 cases, as far as it has not been run,
and writes heart_failure.md beside this file:
for each rule the jobs, seconds on the clock and of the processor, and peak memory of its largest
job; then the AUROCs as they are. Seconds on the clock are of a machine that runs two jobs at once.
"""

import argparse
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from study import ROOT

HERE = Path(__file__).resolve().parent
CONFIGURATIONS = (
    ROOT / "workflow/experiments/paper_heart_failure.yaml",
    HERE / "heart_failure.yaml",
)


def run(folder: Path) -> None:
    """Run the study on two cores."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "2",
        "--quiet",
        "all",
        "--rerun-incomplete",
    ]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    subprocess.run([*command, "--configfile", *map(str, CONFIGURATIONS)], check=True, cwd=ROOT)


def costs(results: Path) -> pd.DataFrame:
    """Jobs, seconds, processor seconds and peak memory of each rule, the dearest first."""
    lines = []
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        job = pd.read_csv(path, sep="\t", na_values="-").iloc[0]
        rule = path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv")
        lines.append((rule, job["s"], job["cpu_time"], job["max_rss"] / 1024))
    table = pd.DataFrame(lines, columns=["rule", "seconds", "processor", "memory"])
    grouped = table.groupby("rule").agg(
        jobs=("seconds", "size"),
        seconds=("seconds", "sum"),
        processor=("processor", "sum"),
        memory=("memory", "max"),
    )
    return grouped.sort_values("seconds", ascending=False)


def cost_lines(table: pd.DataFrame) -> Iterator[str]:
    yield "| rule | jobs | seconds | of the processor | largest job, GB |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for rule, line in table.iterrows():
        yield (
            f"| {rule} | {line.jobs:.0f} | {line.seconds:,.0f} | {line.processor:,.0f} "
            f"| {line.memory:.2f} |"
        )
    yield f"| all | {table.jobs.sum():.0f} | {table.seconds.sum():,.0f} " + (
        f"| {table.processor.sum():,.0f} | {table.memory.max():.2f} |"
    )


def result_lines(results: Path) -> Iterator[str]:
    """AUROC of each model by encoding."""
    metrics = pd.read_csv(results / "7_figures/table_metrics.csv")
    table = metrics.pivot(index="model", columns="encoding", values="auroc")
    encodings = list(dict.fromkeys(metrics["encoding"]))
    yield f"| model | {' | '.join(encodings)} |"
    yield "| --- |" + " --- |" * len(encodings)
    for model in dict.fromkeys(metrics["model"]):
        yield f"| {model} | {' | '.join(table.loc[model, encodings])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, default=Path("runs/heart_failure"))
    folder = parser.parse_args().directory.resolve()
    run(folder)
    results = folder / "results"
    cohort = results / "2_cohort/riverside/heart_failure/cohort.parquet"
    label = pq.read_table(cohort, columns=["label"])["label"].to_numpy()
    lines = [
        "# The heart-failure study at the paper's size",
        "",
        f"Written by `python benchmarks/heart_failure.py` on {platform.machine()}, two",
        f"jobs at once. Synthetic records: {label.sum():,} cases and {(~label).sum():,} controls",
        "of 257,000 simulated persons; the paper has 3,884 and 28,903. The seconds of a processor",
        "are what the study takes; those on the clock hold whatever else the machine did.",
        "",
        *cost_lines(costs(results)),
        "",
        "AUROC on the test part of fold 0 [95% interval], synthetic records:",
        "",
        *result_lines(results),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
