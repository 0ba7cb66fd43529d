"""Train the arms of a transfer one after the other, and keep what each leaves.

What is common to all tasks and models stands here: which rows an arm learns from, whether that is
enough, which arms are there already. How an arm learns is the caller's.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from visitseq.transfer.arm_results import ArmResult, ArmStore
from visitseq.transfer.arms import Arm
from visitseq.transfer.drawn_rows import DrawnRows

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class DrawnArms:
    """All draws of one strategy and fraction.

    Attributes
    ----------
    arms
        One a draw.
    learned_from
        Counts of the rows that they learn from, by name: means over the draws.
    reason
        Why the arms are not estimable, and were not trained; None where they were.
    """

    arms: Sequence[Arm]
    learned_from: Mapping[str, float]
    reason: str | None

    @property
    def strategy(self) -> str:
        """Their strategy."""
        return self.arms[0].strategy

    @property
    def fraction(self) -> int:
        """Their share of the training part, per cent."""
        return self.arms[0].fraction


@dataclass(frozen=True, eq=False)
class Learner:
    """How the arms of one model learn.

    Attributes
    ----------
    rows
        Gives the rows of an arm.
    count
        Counts what is learned from, by name.
    too_few
        Gives the reason why counts are not enough, None where they are.
    train
        Trains an arm.
    """

    rows: Callable[[Arm], DrawnRows]
    count: Callable[[DrawnRows], dict[str, int]]
    too_few: Callable[[Mapping[str, int]], str | None]
    train: Callable[[Arm, DrawnRows], ArmResult]


def run_arms(arms: Sequence[Arm], learner: Learner, store: ArmStore) -> list[DrawnArms]:
    """Train the arms that the store lacks, and say of which there is too little to learn from.

    Parameters
    ----------
    arms
        In the order of results (``arms_of``).
    learner
        How they learn.
    store
        Has every arm that is estimable afterwards.

    Raises
    ------
    UserError
        Training diverges.
    """
    groups = [list(draws) for _, draws in groupby(arms, key=lambda arm: arm[:2])]
    return [_run_draws(draws, learner, store) for draws in groups]


def _run_draws(arms: Sequence[Arm], learner: Learner, store: ArmStore) -> DrawnArms:
    """Train all draws of a strategy and fraction, or none."""
    rows = [learner.rows(arm) for arm in arms]
    counts = [learner.count(drawn) for drawn in rows]
    reasons = [reason for reason in map(learner.too_few, counts) if reason is not None]
    means = {name: float(np.mean([count[name] for count in counts])) for name in counts[0]}
    if reasons:
        log.info("%s at %d %%: not estimable: %s", *arms[0][:2], reasons[0])
        return DrawnArms(arms, means, f"not estimable: {reasons[0]}")
    for arm, drawn, count in zip(arms, rows, counts, strict=True):
        if store.has(arm):
            log.info("%s at %d %%, draw %d: is there", *arm)
            continue
        result = learner.train(arm, drawn)
        store.save(arm, result)
        _say(arm, drawn, count, result)
    return DrawnArms(arms, means, None)


def _say(arm: Arm, drawn: DrawnRows, count: Mapping[str, int], result: ArmResult) -> None:
    """Log a line about a finished arm: counts alone."""
    learned = ", ".join(f"{number} {name}" for name, number in count.items())
    epochs = f", epoch {result.chosen} of {len(result.curve) - 1} kept" if result.curve else ""
    log.info(
        "%s at %d %%, draw %d: learned from %s; %d validation rows%s",
        *arm,
        learned,
        len(drawn.validation),
        epochs,
    )
