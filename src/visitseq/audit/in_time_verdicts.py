"""What the figures of the test in time say: the verdict, and the sentence with its numbers."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from visitseq.audit.findings import Finding
from visitseq.audit.sample import TEST_CASES, TRAINING_CASES
from visitseq.evaluate.estimate import Estimate
from visitseq.figures.labels import interval_text
from visitseq.figures.small_cells import may_show, show_count

_DIGITS = 3


def is_enough(content: Mapping[str, Any], minimum_cell: int) -> bool:
    """Whether in_time.json counts enough to learn from, and to say what was tested."""
    tested = (content[name] for name in ("tested", "random"))
    fewest = min(min(own["cases"], own["rows"] - own["cases"]) for own in tested)
    enough = content["trained"]["cases"] >= TRAINING_CASES and fewest >= _needed(minimum_cell)
    return bool(enough)


def _needed(minimum_cell: int) -> int:
    """How many cases and controls a part has to have of which metrics are shown."""
    return max(TEST_CASES, minimum_cell)


def in_time_findings(content: Mapping[str, Any], minimum_cell: int) -> list[Finding]:
    """A finding a model of in_time.json; one alone where there are too few cases."""
    if content["year"] is None:
        evidence = "Too few cases: all have their index date in the same year."
        return [Finding("in_time", "warn", evidence, _MORE_CASES)]
    counted = _in_words(content, minimum_cell)
    numbers = {"year": content["year"], **_shown(content, minimum_cell)}
    if not content["models"]:
        needed = f"{TRAINING_CASES} to train on and {_needed(minimum_cell)} to test on are needed"
        evidence = f"Too few cases: {counted}; {needed}."
        return [Finding("in_time", "warn", evidence, _MORE_CASES, numbers)]
    return [_finding(name, model, counted, numbers) for name, model in content["models"].items()]


def _finding(
    name: str, model: Mapping[str, Any], counted: str, numbers: Mapping[str, Any]
) -> Finding:
    in_time, random = (Estimate.from_json(model[key]["auroc"]) for key in ("in_time", "random"))
    difference = Estimate.from_json(model["difference"])
    evidence = (
        f"Model {name} has an AUROC of {interval_text(in_time, _DIGITS)} in time and of "
        f"{interval_text(random, _DIGITS)} on the random test part; the difference is "
        f"{interval_text(difference, _DIGITS)} ({counted})."
    )
    estimates = {"in_time": in_time, "random": random, "difference": difference}
    every = {**numbers, "model": name, **{key: e.to_json() for key, e in estimates.items()}}
    if math.isnan(difference.low):
        return Finding("in_time", "warn", f"Too few cases. {evidence}", _MORE_CASES, every)
    if difference.high < 0:
        return Finding("in_time", "warn", evidence, _WORSE_IN_TIME, every)
    return Finding("in_time", "pass", evidence, numbers=every)


def _in_words(content: Mapping[str, Any], minimum_cell: int) -> str:
    """Say until when and on how many the models learned, and on whom they were tested."""
    count = partial(show_count, minimum=minimum_cell)
    sets, trained, tested, random, left_out = (
        content[name] for name in ("sets", "trained", "tested", "random", "left_out")
    )
    return (
        f"trained on index years up to {content['year']}, until which at least "
        f"{100 * content['share']:.0f}% of the cases have their index, with "
        f"{count(trained['cases'])} cases; tested after it on {count(tested['cases'])} cases among "
        f"{count(tested['rows'])} rows, at random on {count(random['cases'])}; "
        f"{count(sets['read'])} of the cohort's {count(sets['cohort'])} matched sets read; "
        f"{count(left_out['rows'])} later rows left out whose person or whose case has an earlier "
        "one"
    )


def _shown(content: Mapping[str, Any], minimum_cell: int) -> dict[str, Any]:
    """Counts that may be shown, None in the place of the others."""
    return {
        f"{name}_{of}": number if may_show(number, minimum_cell) else None
        for name in ("sets", "trained", "chosen_by", "tested", "random", "left_out")
        for of, number in content[name].items()
    }


_MORE_CASES = "Believe the test in time of a site with more cases, spread over several years."
_WORSE_IN_TIME = (
    "Do not expect the AUROC of a random division from patients to come: report that in time "
    "beside it, and look at what changed (codes, guidelines, who is observed) between the years."
)
