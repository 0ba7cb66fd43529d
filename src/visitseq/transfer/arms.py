"""The arms of a transfer: what is done to the source's model, with how much of the target's data.

    zero_shot    the source's model as it is
    last_layer   its last layer trained on, all else frozen
    fine_tuned   all of it trained on
    scratch      a model of the same settings that has seen the target alone

All but the first learn from a share of the target's training part, drawn several times over
(drawn_rows.py). What a kind of model cannot do (pairs.py) is no arm of it.

An arm that would learn from fewer than 20 cases (of the next visit: persons) in one of its draws is
not estimable, and none of its draws is trained.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from visitseq.transfer.pairs import strategies_of

#: In the order in which results are written.
STRATEGIES = ("zero_shot", "last_layer", "fine_tuned", "scratch")
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


def arms_of(pair: Mapping[str, Any], model: Mapping[str, Any]) -> list[Arm]:
    """All that is trained of a model for a pair of sites, in the order of results.

    Parameters
    ----------
    pair
        The pair's section of the configuration: ``strategies``, ``fractions`` and ``draws`` are
        used.
    model
        The model's section; strategies for which its kind has no use are no arms of it.
    """
    return [
        Arm(strategy, fraction, draw)
        for strategy in sorted(strategies_of(pair, model), key=STRATEGIES.index)
        for fraction in sorted(pair["fractions"])
        for draw in range(pair["draws"])
    ]
