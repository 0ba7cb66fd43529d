"""Whether a case-control score keeps its worth where it would be used.

Two questions of each model and landmark task, answered from as_used.json of one fold.

score_as_used        the AUROC is lower on the landmark rows than on the case-control sample: a
                     warning where the 95% interval of the drop lies wholly above ``LARGE_DROP``
calibration_as_used  the probabilities as the model gives them fit the landmark rows: a warning
                     where the interval of the calibration intercept leaves out 0, or that of the
                     slope 1, with what recalibration makes of them

Neither fails: a score that is worth less at the bedside is no defect of the study, but a reader has
to know it. With fewer than ``FEWEST`` onsets, or where there is no interval, nothing can be said,
and that is a warning too.
"""

import json
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from visitseq.audit.findings import Finding, write_findings
from visitseq.cohort.outcomes import fell_ill_in_gap
from visitseq.evaluate.estimate import Estimate
from visitseq.figures.labels import interval_text
from visitseq.figures.small_cells import may_show, show_count

logger = logging.getLogger(__name__)

Content = Mapping[str, Any]

#: A fall of the AUROC that is large; fewer onsets than this are too few to say anything.
LARGE_DROP, FEWEST = 0.05, 10

#: What the calibration intercept and slope are where the probabilities are right.
RIGHT = {"calibration_intercept": 0.0, "calibration_slope": 1.0}


def check_as_used(
    *,
    results: Mapping[str, Path],
    onset_before: Mapping[str, Path],
    prediction_months: float,
    minimum_cell: int,
    path: Path,
) -> None:
    """Write findings.json of a task's models.

    Parameters
    ----------
    results
        The as_used.json of each model, by its name.
    onset_before
        The onset_before.csv of each landmark task's cohort.
    prediction_months
        The tasks' gap between window and index date.
    minimum_cell
        Smallest number of persons, but 0, that may be shown.
    path
        Where the findings go.
    """
    gaps = {task: fell_ill_in_gap(file, prediction_months) for task, file in onset_before.items()}
    findings = [
        finding
        for model, file in results.items()
        for task, content in json.loads(file.read_text("utf-8")).items()
        for finding in _findings(model, task, content, gaps[task], minimum_cell)
    ]
    write_findings(findings, path)
    warnings = sum(finding.verdict == "warn" for finding in findings)
    logger.info("%d findings, %d warnings", len(findings), warnings)


def _findings(model: str, task: str, content: Content, gap: int, minimum: int) -> Iterator[Finding]:
    """Answer both questions of a model on a landmark task."""
    rows, counts = _counts(content["test"], gap, minimum)
    place = {"model": model, "landmark_task": task, **counts}
    onsets = content["test"]["onset"]
    if onsets < max(FEWEST, minimum):
        fewest = max(FEWEST, minimum)
        evidence = f"{model} on {task}: too few: fewer than {fewest} rows with an onset ({rows})"
        advice = "Take more persons or a longer horizon for the landmark cohort."
        for question in ("score_as_used", "calibration_as_used"):
            yield Finding(question, "warn", evidence + ".", advice, place)
        return
    yield _of_score(model, task, content, rows, place)
    yield _of_calibration(model, task, content, rows, place)


def _of_score(model: str, task: str, content: Content, rows: str, place: Content) -> Finding:
    """Say how far the AUROC drops."""
    drop = Estimate.from_json(content["drop"]["auroc"])
    at_home, used = (
        Estimate.from_json(content[where]["auroc"]) for where in ("case_control", "raw")
    )
    evidence = (
        f"{model}: AUROC {interval_text(at_home, 3)} on cases and controls, "
        f"{interval_text(used, 3)} on the rows of {task} ({rows}): a drop of "
        f"{interval_text(drop, 3)}"
    )
    numbers = {**place, "drop": drop.to_json(), "large_drop": LARGE_DROP}
    if math.isnan(drop.low):
        advice = "Take more persons or a longer horizon for the landmark cohort."
        return Finding("score_as_used", "warn", f"{evidence}; no interval.", advice, numbers)
    if drop.low > LARGE_DROP:
        advice = (
            f"Report the AUROC on the rows of {task}: the interval of the drop lies above "
            f"{LARGE_DROP}. Train on the landmark cohort itself, or match on less."
        )
        return Finding("score_as_used", "warn", evidence + ".", advice, numbers)
    unsure = f"; whether it is above {LARGE_DROP} cannot be told" if drop.high > LARGE_DROP else ""
    return Finding("score_as_used", "pass", f"{evidence}{unsure}.", numbers=numbers)


def _of_calibration(model: str, task: str, content: Content, rows: str, place: Content) -> Finding:
    """Say whether the probabilities fit the landmark rows, and what recalibration makes of them."""
    raw = {name: Estimate.from_json(content["raw"][name]) for name in RIGHT}
    mended = content.get("recalibrated")
    after = f"not recalibrated ({content['recalibration'].get('reason')})"
    if mended is not None:
        after = "recalibrated " + _in_words(
            {name: Estimate.from_json(mended[name]) for name in RIGHT}
        )
    evidence = f"{model} on {task} ({rows}): raw {_in_words(raw)}; {after}."
    numbers = {
        **place,
        "raw": {name: content["raw"][name] for name in RIGHT},
        "recalibrated": None if mended is None else {name: mended[name] for name in RIGHT},
    }
    if all(estimate.low <= RIGHT[name] <= estimate.high for name, estimate in raw.items()):
        return Finding("calibration_as_used", "pass", evidence, numbers=numbers)
    advice = (
        "Don't read the raw probabilities as risks: the share of cases in a case-control sample is "
        "what the matching made it. Take the recalibrated ones, fitted where the score is used."
    )
    return Finding("calibration_as_used", "warn", evidence, advice, numbers)


def _in_words(estimates: Mapping[str, Estimate]) -> str:
    return ", ".join(
        f"{name.removeprefix('calibration_')} {interval_text(estimate, 2)}"
        for name, estimate in estimates.items()
    )


def _counts(test: Content, gap: int, minimum: int) -> tuple[str, dict[str, Any]]:
    """Rows of the test part by what came of them, and those left out for the gap, where shown."""
    numbers = {
        "onsets": test["onset"],
        "deaths": test["death"],
        "censored": test["censored"],
        "fell_ill_in_gap": gap,
    }
    words = {
        "onsets": "an onset within the horizon",
        "deaths": "a death before one",
        "censored": "censored before either",
    }
    said = [f"{show_count(numbers[name], minimum)} {text}" for name, text in words.items()]
    rows = f"{show_count(test['n'], minimum)} rows: {', '.join(said)}; "
    rows += f"of all parts {show_count(gap, minimum)} left out who fell ill in the gap"
    shown = {
        name: number if may_show(number, minimum) else None for name, number in numbers.items()
    }
    return rows, {"rows": test["n"] if may_show(test["n"], minimum) else None, **shown}
