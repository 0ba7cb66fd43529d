"""What a recurrent network gains over counts, by how much the order of the record decides.

    python benchmarks/order_effect.py [--directory runs/order_effect]

Runs workflow/experiments/order_effect.yaml as far as it has not been run, and draws the difference
of the AUROCs of the GRU and of the logistic regression (means over the seven folds), with 95%
intervals from paired bootstrap draws, to docs/order_effect.svg; the numbers go between the markers
of docs/simulator.md. Both models are chosen by the loss of the validation part: the GRU's epoch,
the regression's penalty.
"""

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from study import ROOT, auroc_draws, interval, model_rows, run_study

from visitseq.evaluate.scored_rows import ScoredRows

DOCUMENT = ROOT / "docs" / "simulator.md"
BEGIN, END = "<!-- order: begin -->", "<!-- order: end -->"
DIAL = {"order_0": 0.0, "order_25": 0.25, "order_50": 0.5, "order_75": 0.75, "order_100": 1.0}


FOLDS = range(7)
PENALTIES = ("logistic_2", "logistic_3", "logistic_4", "logistic_5")


def chosen_regression(results: Path, site: str, fold: int) -> str:
    """The regression whose loss on the validation part is smallest."""
    folder = results / "4_train" / site / "heart_failure" / "one_hot"

    def loss(name: str) -> float:
        card = json.loads((folder / name / f"fold{fold}" / "model.json").read_text("utf-8"))
        return float(card["validation"]["loss"])

    return min(PENALTIES, key=loss)


def scored(results: Path, site: str, model: str) -> list[ScoredRows]:
    """Test parts of all folds, scored by a model, the best regression, or the oracle."""
    names = [chosen_regression(results, site, f) if model == "logistic" else model for f in FOLDS]
    return [model_rows(results, site, name, f) for f, name in zip(FOLDS, names, strict=True)]


def draw(gaps: list[tuple[float, float, float]]) -> None:
    """Draw the gap and its interval at each setting of the dial."""
    mpl.rcParams.update({"svg.hashsalt": "visitseq", "font.size": 8, "svg.fonttype": "none"})
    figure = Figure(figsize=(4.2, 2.8), layout="constrained")
    axes = figure.add_subplot()
    value, low, high = np.array(gaps).T
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.errorbar(
        list(DIAL.values()), value, [value - low, high - value], fmt="o-", capsize=3, linewidth=1
    )
    axes.set(
        xlabel="order_effect (0: counts alone, 1: order and timing alone)",
        ylabel="AUROC of gru less that of logistic",
        xticks=list(DIAL.values()),
    )
    axes.set_title("synthetic records, mean of 7 folds, 95% intervals", fontsize=8, loc="right")
    figure.savefig(DOCUMENT.parent / "order_effect.svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, default=Path("runs/order_effect"))
    results = run_study("order_effect", parser.parse_args().directory.resolve())
    gaps = []
    lines = ["| order_effect | cases | logistic | gru | oracle | gru less logistic | 95% |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for site, dial in DIAL.items():
        rows = {name: scored(results, site, name) for name in ("logistic", "gru", "oracle")}
        of = {name: auroc_draws(folds) for name, folds in rows.items()}
        low, high = interval(of["gru"][1] - of["logistic"][1], 0.95)
        gap = of["gru"][0] - of["logistic"][0]
        gaps.append((gap, low, high))
        cases = int(sum(fold.case.sum() for fold in rows["gru"]))
        aurocs = " | ".join(f"{of[name][0]:.3f}" for name in rows)
        lines.append(f"| {dial} | {cases} | {aurocs} | {gap:.3f} | {low:.3f} to {high:.3f} |")
    draw(gaps)
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    table = "\n".join([BEGIN, *lines, END])
    DOCUMENT.write_text(before + table + after, encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
