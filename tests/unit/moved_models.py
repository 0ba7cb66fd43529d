"""Write what stage 6 leaves of moved models, drawn at random, without the stage."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from visitseq.figures.study import Direction, Study
from visitseq.figures.transfer_results import MAIN, NAMES, PEAK

FRACTIONS = (5, 10, 20, 40, 80, 100)
#: What each strategy is worth on little and on all of the target's training part.
WORTH = {"last_layer": (0.70, 0.74), "fine_tuned": (0.69, 0.79), "scratch": (0.55, 0.77)}
FEW = "not estimable: fewer than 20 cases in the drawn training rows"


def estimate(value: float, half: float = 0.03) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half}


def nothing(reason: str) -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "reason": reason}


def arm(kind: str, value: float, n: int, **more: Any) -> dict[str, Any]:
    """The metrics of stage 5 with the main one ``value``, and what stage 6 adds."""
    worth = {name: estimate(value) for name in NAMES[kind] if name != PEAK}
    slopes = {"calibration_intercept": -0.9, "calibration_slope": 0.6, "recalibrated_slope": 1.05}
    slopes |= {"recalibrated_intercept": 0.08}
    worth |= {name: estimate(own, 0.3) for name, own in slopes.items() if name in worth}
    cases = {"cases": n // 5} if kind == "onset" else {}
    return {**worth, "n": n, **cases, **more}


def trained_arm(kind: str, strategy: str, fraction: int, n: int, train: int) -> dict[str, Any]:
    low, high = WORTH[strategy]
    value = low + (high - low) * np.log(fraction / 5) / np.log(20)
    rows = max(1, train * fraction // 100)
    onset = {"rows": rows, "cases": rows // 5}
    more: dict[str, Any] = {"training": onset if kind == "onset" else {"persons": rows}}
    more |= {"draws": [value] * 5, PEAK: {**estimate(value + 0.02), "epoch": 4.2}}
    own = arm(kind, float(value), n, **more)
    if more["training"].get("cases", rows) < 20:
        own |= {name: nothing(FEW) for name in NAMES[kind]}
    return own


def metrics_of(
    kind: str, strategies: Sequence[str] = tuple(WORTH), n: int = 500, train: int = 2500
) -> dict[str, Any]:
    """metrics.json of a model and fold."""
    main = MAIN[kind]
    content: dict[str, Any] = {
        "zero_shot": arm(kind, 0.68, n),
        "zero_shot_high_coverage": arm(kind, 0.73, n // 2),
        "zero_shot_low_coverage": arm(kind, 0.64, n - n // 2),
    }
    for strategy in WORTH:
        fractions = FRACTIONS if strategy in strategies else ()
        content[strategy] = {str(f): trained_arm(kind, strategy, f, n, train) for f in fractions}
    content["differences"] = {
        str(fraction): {
            f"{one}_less_{two}": {main: estimate(0.02, 0.01)}
            for one in strategies
            for two in ("scratch", "zero_shot")
            if one != two
        }
        for fraction in FRACTIONS
    }
    return content


def curve_lines(kind: str, strategies: Sequence[str]) -> list[str]:
    """Lines of curve.csv: draw d of a strategy stops after 8 + d epochs, the third was best."""
    lines = ["strategy,fraction,draw,epoch,metric,validation,test,chosen"]
    for strategy in ("fine_tuned", "scratch"):
        for fraction in FRACTIONS if strategy in strategies else ():
            for draw in range(5):
                for epoch in range(strategy == "scratch", 9 + draw):
                    low, high = WORTH[strategy]
                    test = high - (high - low) * 0.6**epoch + 0.005 * draw
                    own = (
                        strategy,
                        fraction,
                        draw,
                        epoch,
                        MAIN[kind],
                        test,
                        test,
                        epoch == 3 + draw,
                    )
                    lines.append(",".join(map(str, own)))
    return lines


def coverage_of(kind: str) -> dict[str, Any]:
    shares: dict[str, Any] = {
        "by_code": {"target_in_source": 0.71, "source_in_target": 0.52},
        "by_event": {"target_in_source": 0.93, "source_in_target": 0.88},
        "by_patient": {"target_in_source": 0.9, "source_in_target": 0.84},
    }
    codes = {"source": 1200, "target": 880, "shared": 625, "with_ancestor": 130}
    labels = {"labels": {"codes": {**codes, "target": 300, "shared": 280}, **shares}}
    return {
        "codes": codes,
        **shares,
        **(labels if kind == "next_visit" else {}),
        "persons": {"relation": "ids shared (declared)", "in_both": 4},
        "unknown_rate": 0.07,
    }


def write_moved(
    study: Study, strategies: dict[str, Sequence[str]] | None = None, **sizes: int
) -> None:
    """All directions of a study; ``strategies`` of a model are all unless said."""
    for direction, model in study.transferred:
        write_direction(study, direction)
        own = (strategies or {}).get(model, tuple(WORTH))
        kind = study.task_kinds[direction.task]
        for fold in study.folds:
            folder = study.transfer_folder(direction, model, fold)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(metrics_of(kind, own, **sizes), folder / "metrics.json")
            curve = "\n".join(curve_lines(kind, own)) + "\n"
            (folder / "curve.csv").write_text(curve, encoding="utf-8")


def write_direction(study: Study, direction: Direction) -> None:
    path = study.coverage(direction)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(coverage_of(study.task_kinds[direction.task]), path)


def write_json(content: Any, path: Path) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
