"""Selection: which of its eligible controls a case gets.

Each case has an order of preference among its eligible controls: a random permutation, or by
distance. With reuse it takes the first ``ratio`` of them. Without reuse controls are handed out in
rounds, one a case a round, the cases in a new random order each round, so that scarce controls are
spread over the cases before any case gets a second one; a case whose next preferences are taken
goes on to the first that is free.

A case's permutation depends on (seed, its subject_id) alone, and the order of the cases in a round
is that of a hash of (seed, round, subject_id): neither depends on the order of the rows or on the
other cases.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from visitseq.cohort.day_lists import Ints, Rows
from visitseq.cohort.parts import hash_ids

_LOOK_AHEAD = 64  # preferences looked at in one step when the next one is taken


def random_preference(eligible: Rows, subject_id: int, seed: int) -> Rows:
    """Put the eligible controls of the case ``subject_id`` in random order.

    ``eligible`` has to come in an order that does not depend on that of the rows of any table.
    """
    words = np.random.SeedSequence([seed, subject_id % 2**63])
    return np.random.default_rng(words).permutation(eligible)


def take_first(preferences: Sequence[Rows], ratio: int) -> list[Rows]:
    """Give each case its ``ratio`` most preferred controls, whoever else has them."""
    return [preference[:ratio] for preference in preferences]


def take_in_rounds(
    preferences: Sequence[Rows], subject_ids: Ints, ratio: int, persons: int, seed: int
) -> list[Rows]:
    """Give each case up to ``ratio`` controls, each control to one case only.

    Parameters
    ----------
    preferences
        For each case its eligible controls (rows), the most wanted first.
    subject_ids
        The cases, shape (cases,).
    ratio
        Rounds.
    persons
        Number of rows that a control can have.
    seed
        Seed of the order of the cases in each round.
    """
    taken = np.zeros(persons, dtype=bool)
    place = [0] * len(preferences)
    drawn: list[list[int]] = [[] for _ in preferences]
    waiting = np.arange(len(preferences))
    for number in range(ratio):
        order = np.argsort(hash_ids(subject_ids[waiting], _round_seed(seed, number)), kind="stable")
        waiting = waiting[order]
        for case in waiting.tolist():
            place[case] = _next_free(preferences[case], place[case], taken)
            if place[case] < len(preferences[case]):
                control = int(preferences[case][place[case]])
                taken[control] = True
                drawn[case].append(control)
        waiting = np.array(
            [c for c in waiting.tolist() if place[c] < len(preferences[c])], dtype=np.int64
        )
    return [np.array(controls, dtype=np.int32) for controls in drawn]


def _next_free(preference: Rows, place: int, taken: npt.NDArray[np.bool_]) -> int:
    """First place from ``place`` on whose control is not taken; the length where there is none."""
    while place < len(preference):
        free = ~taken[preference[place : place + _LOOK_AHEAD]]
        if free.any():
            return place + int(free.argmax())
        place += _LOOK_AHEAD
    return len(preference)


def _round_seed(seed: int, number: int) -> int:
    """Seed of the order of the cases in a round, far from those of any other draw."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])
