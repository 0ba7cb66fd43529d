"""The arms of a transfer: what is done to the source's model, with how much of the target's data.

    zero_shot    the source's model as it is
    last_layer   its last layer trained on, all else frozen
    fine_tuned   all of it trained on
    scratch      a model of the same settings that has seen the target alone

All but the first learn from a share of the target's training part, drawn several times over
(drawn_rows.py). What a kind of model cannot do is no arm of it: a model that is its training rows,
a plane or a forest of trees has nothing to train on from, and a logistic regression has no layer
but the last, so that there is nothing to freeze.

An arm that would learn from fewer than 20 cases (of the next visit: persons) in one of its draws is
not estimable, and none of its draws is trained.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

#: In the order in which results are written.
STRATEGIES = ("zero_shot", "last_layer", "fine_tuned", "scratch")
#: Those that begin with the source's weights, by the kinds that lack one of them.
_LACKING: dict[str, tuple[str, ...]] = {
    "knn": ("last_layer", "fine_tuned"),
    "svm": ("last_layer", "fine_tuned"),
    "trees": ("last_layer", "fine_tuned"),
    "most_frequent": ("last_layer", "fine_tuned"),
    "last_visit": ("last_layer", "fine_tuned"),
    "logistic": ("last_layer",),
}
#: Fewest cases, or persons, to learn from.
LEAST = 20


class Arm(NamedTuple):
    """One training: a strategy, the share of the training part in per cent, and the draw of it."""

    strategy: str
    fraction: int
    draw: int

    @property
    def name(self) -> str:
        """A file's name."""
        return f"{self.strategy}_{self.fraction}_{self.draw}"

    @property
    def entropy(self) -> tuple[int, int, int]:
        """What sets its random numbers apart from those of the other arms."""
        return STRATEGIES.index(self.strategy), self.fraction, self.draw


#: The source's model as it is; it is evaluated like any model, not trained.
ZERO_SHOT = Arm("zero_shot", 0, 0)


def strategies_of(kind: str, asked: list[str]) -> list[str]:
    """Which of the strategies ``asked`` for a kind of model has, in the order of results."""
    lacking = _LACKING.get(kind, ())
    return [name for name in STRATEGIES if name in asked and name not in lacking]


def arms_of(kind: str, pair: Mapping[str, Any]) -> list[Arm]:
    """All that is trained of a model for a pair of sites, in the order of results.

    Parameters
    ----------
    kind
        Of the model.
    pair
        The pair's section of the configuration: ``strategies``, ``fractions`` and ``draws`` are
        used.
    """
    return [
        Arm(strategy, fraction, draw)
        for strategy in strategies_of(kind, pair["strategies"])
        for fraction in sorted(pair["fractions"])
        for draw in range(pair["draws"])
    ]
