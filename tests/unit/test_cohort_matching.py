"""Selection and assignment of controls, against brute force and the rules in words."""

import itertools
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visitseq.cohort import assignment
from visitseq.cohort.assignment import assign_controls
from visitseq.cohort.selection import random_preference, take_first, take_in_rounds
from visitseq.errors import UserError


def rows(*lists: list[int]) -> list[np.ndarray[tuple[int], np.dtype[np.int32]]]:
    return [np.array(values, dtype=np.int32) for values in lists]


def as_lists(arrays: list[np.ndarray[tuple[int], np.dtype[np.int32]]]) -> list[list[int]]:
    return [array.tolist() for array in arrays]


def test_random_draws_every_eligible_control_equally_often() -> None:
    """Of 12 eligible 3 are drawn: each in a quarter of 4000 draws, within 4 deviations."""
    eligible = np.arange(12, dtype=np.int32)
    drawn = np.zeros(12)
    for seed in range(4000):
        drawn[random_preference(eligible, 77, seed)[:3]] += 1
    assert drawn.sum() == 3 * 4000
    assert np.abs(drawn - 1000).max() < 4 * math.sqrt(4000 * 0.25 * 0.75)


def test_random_draws_differ_between_cases_and_seeds_alone() -> None:
    eligible = np.arange(50, dtype=np.int32)
    first = random_preference(eligible, -5, 1)
    assert (first == random_preference(eligible, -5, 1)).all()
    assert (first != random_preference(eligible, -5, 2)).any()
    assert (first != random_preference(eligible, -6, 1)).any()


def test_take_first() -> None:
    assert as_lists(take_first(rows([3, 1, 2], [3], []), 2)) == [[3, 1], [3], []]


def test_rounds_give_everybody_one_before_anybody_gets_two() -> None:
    preferences = rows(list(range(300)), list(range(300)), [299])
    drawn = take_in_rounds(preferences, np.array([1, 2, 3]), 400, 300, 0)
    taken = sorted(itertools.chain(*as_lists(drawn)))
    assert taken == list(range(300))
    assert sorted(map(len, drawn[:2])) in ([149, 150], [150, 150])
    assert {int(drawn[0][0]), int(drawn[1][0])} == {0, 1}


preference_lists = st.lists(st.permutations(range(6)).map(lambda p: p[: p[0] + 1]), max_size=5)


@given(preference_lists, st.integers(1, 4), st.integers(0, 9))
def test_rounds_by_their_rules(lists: list[list[int]], ratio: int, seed: int) -> None:
    subjects = np.arange(len(lists)) * 7 - 3
    drawn = as_lists(take_in_rounds(rows(*lists), subjects, ratio, 6, seed))
    taken = list(itertools.chain(*drawn))
    assert len(set(taken)) == len(taken)
    for preference, controls in zip(lists, drawn, strict=True):
        assert controls == [row for row in preference if row in controls]  # in order of preference
        assert len(controls) <= ratio
        # Who has fewer than ratio found all others taken.
        assert len(controls) == ratio or set(preference) <= set(taken)
    # Nobody has two more than another to whom one of them would have been eligible.
    for (wanted, few), many in itertools.product(zip(lists, drawn, strict=True), drawn):
        late = many[len(few) + 1 :]
        assert not set(late) & set(wanted)


@given(preference_lists.filter(bool), st.integers(1, 4), st.randoms(use_true_random=False))
def test_rounds_do_not_depend_on_the_order_of_the_cases(
    lists: list[list[int]], ratio: int, random: Random
) -> None:
    order = list(range(len(lists)))
    random.shuffle(order)
    subjects = np.arange(len(lists)) * 7
    straight = as_lists(take_in_rounds(rows(*lists), subjects, ratio, 6, 1))
    shuffled = as_lists(
        take_in_rounds(rows(*(lists[case] for case in order)), subjects[order], ratio, 6, 1)
    )
    assert shuffled == [straight[case] for case in order]


def score(
    eligible: list[list[int]], distances: list[list[float]], drawn: list[list[int]]
) -> tuple[int, int, float]:
    """What optimal matching minimises, in its order."""
    total = sum(
        distances[case][eligible[case].index(control)]
        for case, controls in enumerate(drawn)
        for control in controls
    )
    return -sum(map(bool, drawn)), -sum(map(len, drawn)), round(total, 9)


def best_score(
    eligible: list[list[int]], distances: list[list[float]], ratio: int
) -> tuple[int, int, float]:
    """Try all ways to give the cases up to ``ratio`` controls each."""
    choices = [
        [set(some) for size in range(ratio + 1) for some in itertools.combinations(wanted, size)]
        for wanted in eligible
    ]
    return min(
        score(eligible, distances, [sorted(some) for some in drawn])
        for drawn in itertools.product(*choices)
        if sum(map(len, drawn)) == len(set().union(*drawn))
    )


instances = st.lists(
    st.dictionaries(st.integers(0, 4), st.sampled_from([0.0, 0.5, 1.0, 2.5, 9.0]), max_size=4),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(instances, st.integers(1, 3))
def test_optimal_against_brute_force(pairs: list[dict[int, float]], ratio: int) -> None:
    eligible = [sorted(pair) for pair in pairs]
    distances = [[pair[row] for row in sorted(pair)] for pair in pairs]
    arrays = [np.array(values, dtype=np.float64) for values in distances]
    drawn = as_lists(assign_controls(rows(*eligible), arrays, ratio, 5))
    taken = list(itertools.chain(*drawn))
    assert len(set(taken)) == len(taken)
    assert all(len(controls) <= ratio for controls in drawn)
    assert score(eligible, distances, drawn) == best_score(eligible, distances, ratio)


def test_optimal_reaches_a_case_that_greed_would_leave_alone() -> None:
    eligible, distances = rows([0, 1], [0]), [np.array([0.1, 5.0]), np.array([0.2])]
    assert as_lists(assign_controls(eligible, distances, 1, 2)) == [[1], [0]]


def test_pieces_that_share_no_control_are_bounded_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "LARGEST_MATRIX", 2 * 2 * 8)
    apart, distances = rows([0, 1], [2, 3]), [np.zeros(2), np.zeros(2)]
    assert as_lists(assign_controls(apart, distances, 2, 4)) == [[0, 1], [2, 3]]
    with pytest.raises(UserError, match=r"2 cases \(4 places\) that compete for 3 controls"):
        assign_controls(rows([0, 1], [1, 2]), distances, 2, 4)
