"""What a canary's figures say: the verdict, and the sentence with its numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from visitseq.audit.balance import FEWEST_SETS
from visitseq.audit.findings import Finding
from visitseq.audit.sample import TEST_CASES, TRAINING_CASES
from visitseq.evaluate.estimate import Estimate
from visitseq.figures.labels import interval_text
from visitseq.figures.small_cells import may_show, show_count

#: The AUROC that a code which only cases have has to reach at the least.
FOUND = 0.9

QUESTIONS = ("labels_permuted", "index_day_code", "planted_code", "order")

_DIGITS = 3


class Counts(NamedTuple):
    """How many sets a subsample has, and cases and rows its training and test parts."""

    sets: int
    training_cases: int
    cases: int
    rows: int
    minimum_cell: int

    def too_few(self, min_count: int) -> bool:
        """Whether cases or controls are too few for any statement, or for one that may be shown.

        A code that fewer than ``min_count`` cases have is not known to the model.
        """
        tested = min(self.cases, self.rows - self.cases)
        needed = max(TEST_CASES, self.minimum_cell)
        return self.training_cases < max(TRAINING_CASES, min_count) or tested < needed

    def in_words(self) -> str:
        """Say on how many the canaries were trained and tested."""
        trained, tested, rows = (
            show_count(number, self.minimum_cell)
            for number in (self.training_cases, self.cases, self.rows)
        )
        return (
            f"a subsample of {show_count(self.sets, self.minimum_cell)} matched sets, {trained} "
            f"cases to train on and {tested} among the {rows} rows tested"
        )

    def numbers(self) -> dict[str, Any]:
        """Give those that may be shown; None in the place of the others."""
        return {
            name: number if may_show(number, self.minimum_cell) else None
            for name, number in self._asdict().items()
            if name != "minimum_cell"
        }


def too_few_findings(counts: Counts) -> list[Finding]:
    """Say of each canary that there are too few cases for it."""
    evidence = (
        f"Too few cases: {counts.in_words()}; {TRAINING_CASES} (or the encoding's min_count) and "
        f"{max(TEST_CASES, counts.minimum_cell)} are needed."
    )
    advice = "Take fewer parts (run.parts), or believe the canaries of a larger site."
    return [Finding(name, "warn", evidence, advice, counts.numbers()) for name in QUESTIONS]


def permuted_finding(
    found: Sequence[Estimate], counts: Counts, model: Mapping[str, Any]
) -> Finding:
    """Judge the concordance within sets of each permutation of the labels.

    One interval in forty lies above a half by chance, so that only a second permutation that is
    learned as well is a failure, and on fewer than ``FEWEST_SETS`` cases none is.
    """
    last, few = found[-1], counts.cases < FEWEST_SETS
    said = " and ".join(interval_text(estimate, _DIGITS) for estimate in found)
    evidence = (
        f"Trained and tested on labels that changed places within their sets, {_described(model)} "
        f"has a concordance within sets of {said} ({counts.in_words()})."
    )
    numbers = {**counts.numbers(), "concordance_within_sets": [e.to_json() for e in found]}
    name = "labels_permuted"
    if math.isnan(last.low) or (few and last.low > 0.5):
        return Finding(name, "warn", f"Too few cases. {evidence}", _MORE_CASES, numbers)
    if last.low > 0.5:
        return Finding(name, "fail", evidence, _LEARNED_NOTHING, numbers)
    if last.high < 0.5:
        return Finding(name, "warn", evidence, _BELOW_CHANCE, numbers)
    return Finding(name, "pass", evidence, numbers=numbers)


def index_day_finding(known: bool, auroc: Estimate | None, counts: Counts) -> Finding:
    """Judge a code that stands on the first day after the window of each case.

    Parameters
    ----------
    known
        Whether the code got into the vocabulary.
    auroc
        On what was encoded with it; None where that is byte for byte what it was without.
    counts
        Of the subsample.
    """
    name = "index_day_code"
    if auroc is None and not known:
        evidence = (
            "With a code planted on the first day after the window of each case, and on its index "
            "day, visits.arrow and vocabulary.parquet are byte for byte what they are without it, "
            f"and so is all that is learned from them ({counts.in_words()})."
        )
        return Finding(name, "pass", evidence, numbers=counts.numbers())
    stands = "stands in" if known else "is not in, but changed,"
    reached = "" if auroc is None else f", and the AUROC is {interval_text(auroc, _DIGITS)}"
    evidence = (
        "A code planted on the first day after the window of each case, and on its index day, "
        f"{stands} what models read{reached} ({counts.in_words()})."
    )
    numbers = {**counts.numbers(), "auroc": None if auroc is None else auroc.to_json()}
    return Finding(name, "fail", evidence, _AFTER_WINDOW, numbers)


def planted_finding(planted: Estimate, unplanted: Estimate, full: int, counts: Counts) -> Finding:
    """Judge a code that stands within the window of each case and of no control.

    Parameters
    ----------
    planted, unplanted
        AUROC with and without the code.
    full
        How many cases had no day left for it.
    counts
        Of the subsample.
    """
    name = "planted_code"
    evidence = (
        "With a code planted within the windows of the cases alone, the AUROC is "
        f"{interval_text(planted, _DIGITS)}, without it {interval_text(unplanted, _DIGITS)} "
        f"({counts.in_words()}; {show_count(full, counts.minimum_cell)} cases had no day without "
        "a visit left for it)."
    )
    numbers = {**counts.numbers(), "planted": planted.to_json(), "unplanted": unplanted.to_json()}
    if math.isnan(planted.low):
        return Finding(name, "warn", f"Too few cases. {evidence}", _MORE_CASES, numbers)
    if planted.low >= FOUND or planted.low > unplanted.high:
        return Finding(name, "pass", evidence, numbers=numbers)
    if planted.high >= FOUND or counts.cases < FEWEST_SETS:
        return Finding(name, "warn", f"Too few cases to be sure. {evidence}", _MORE_CASES, numbers)
    return Finding(name, "fail", evidence, _SEES_NO_LEAK, numbers)


def order_finding(
    difference: Estimate, in_order: Estimate, shuffled: Estimate, counts: Counts
) -> Finding:
    """Judge the AUROC with visits in order less that with visits in random order."""
    name = "order"
    evidence = (
        f"With visits in order the network has an AUROC of {interval_text(in_order, _DIGITS)}, "
        f"with visits in random order {interval_text(shuffled, _DIGITS)}; the difference is "
        f"{interval_text(difference, _DIGITS)} ({counts.in_words()})."
    )
    estimates = {"in_order": in_order, "shuffled": shuffled, "difference": difference}
    numbers = {**counts.numbers(), **{key: e.to_json() for key, e in estimates.items()}}
    if math.isnan(difference.low):
        return Finding(name, "warn", f"Too few cases. {evidence}", _MORE_CASES, numbers)
    if difference.high < 0:
        return Finding(name, "warn", evidence, _ORDER_HARMS, numbers)
    return Finding(name, "pass", evidence, numbers=numbers)


def no_order_finding(model: Mapping[str, Any]) -> Finding:
    """Say that the order of visits is no input of the study's models."""
    evidence = (
        f"The study has no network, and a model of kind {model['kind']} on features "
        f"{model['features']} is not told the order of the visits."
    )
    return Finding("order", "pass", evidence)


def _described(model: Mapping[str, Any]) -> str:
    """Say what was trained."""
    if "epochs" not in model or "hidden" not in model:
        return f"a model of kind {model['kind']}"
    return (
        f"a model of kind {model['kind']}, with {model['hidden']} hidden units and of at most "
        f"{model['epochs']} epochs,"
    )


_MORE_CASES = "Take fewer parts (run.parts), or believe the canaries of a larger site."
_LEARNED_NOTHING = (
    "Find how labels of the test part reach training: what was changed in the parts, in the "
    "encoding or in the models since this canary last passed?"
)
_BELOW_CHANCE = "Chance alone does that once in forty; it is worth a second look with another seed."
_AFTER_WINDOW = (
    "Find why an event at or after the window's end is read (encode/sql/window_code.sql); until "
    "then no figure of this study can be believed."
)
_SEES_NO_LEAK = (
    "A model that does not find what only cases have would not find a leak either: the canaries "
    "that passed say nothing. Look at min_count and the encoding's domains first."
)
_ORDER_HARMS = (
    "On so few cases a network may learn from the order what does not hold; compare a model with "
    "visits: shuffled on all cases."
)
