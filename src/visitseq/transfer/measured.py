"""The metrics of an arm: means over its draws, with intervals from the same bootstrap draws.

Draw b of the mean over the drawn rows is the mean of their models' bootstrap draws b, which test
the same persons (evaluate/folds.py). What the task measures, and how, is a ``Measure``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.folds import mean_over_folds
from visitseq.evaluate.paired import compare
from visitseq.transfer.arm_results import ArmResult

Floats = npt.NDArray[np.float64]

#: What is compared, where both are there: the first less the second.
DIFFERENCES = (
    ("fine_tuned", "scratch"),
    ("fine_tuned", "zero_shot"),
    ("scratch", "zero_shot"),
    ("last_layer", "zero_shot"),
)


class Measured(NamedTuple):
    """Metrics by name, and each on every bootstrap draw where it is defined, shape (draws,)."""

    estimates: Mapping[str, Estimate]
    draws: Mapping[str, Floats]


def placed(estimates: Mapping[str, Estimate], draws: Mapping[str, Floats], where: str) -> Measured:
    """Metrics whose reasons end in ``where`` something is lacking."""
    return Measured(
        {
            name: one if one.reason is None else one._replace(reason=one.reason + where)
            for name, one in estimates.items()
        },
        draws,
    )


class Measure(Protocol):
    """How the predictions of a task's test part are measured."""

    @property
    def main(self) -> str:
        """The metric of the curve, the peak and the differences."""

    @property
    def names(self) -> Sequence[str]:
        """All metrics of an arm, in the order of metrics.json."""

    @property
    def groups(self) -> int:
        """Sets, or persons, of the test part."""

    @property
    def of_test(self) -> Mapping[str, int | str]:
        """Counts of the test part by name, and what else every arm says."""

    def estimate(self, result: ArmResult) -> Measured:
        """Estimate all metrics of one arm; a reason says in which part something is lacking."""

    def estimate_main(self, predictions: pa.Table) -> Measured:
        """Estimate the main metric alone."""


def mean_over_draws(measured: Sequence[Measured]) -> Measured:
    """Mean of each metric over the draws of a strategy and fraction, at least one."""
    estimates, drawn = {}, {}
    for name in measured[0].estimates:
        of_draws = [one.draws[name] for one in measured if name in one.draws]
        own = [one.estimates[name] for one in measured]
        estimates[name] = mean_over_folds(own, of_draws, of="draws")
        if len(of_draws) == len(measured):
            drawn[name] = np.asarray(np.mean(np.stack(of_draws), axis=0))
    return Measured(estimates, drawn)


def difference(first: Measured, second: Measured, metric: str, groups: int) -> Estimate:
    """The first less the second, of persons who were tested by both."""
    nothing = np.empty(0)
    return compare(
        first.estimates[metric],
        second.estimates[metric],
        first.draws.get(metric, nothing),
        second.draws.get(metric, nothing),
        groups,
    ).difference
