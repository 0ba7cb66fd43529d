"""Numbers of nested windows: no small one by subtraction, and none is hidden for nothing."""

from hypothesis import given
from hypothesis import strategies as st

from visitseq.figures.nested_windows import Part, Window, hidden_windows, window_of
from visitseq.figures.small_cells import may_show

TOTAL = 60
WINDOWS = st.tuples(st.integers(1, 6), st.integers(0, 3)).map(
    lambda months: window_of({"observation_months": months[0], "prediction_months": months[1]})
)
NUMBERS = st.lists(st.tuples(WINDOWS, st.integers(0, TOTAL)), max_size=9)


def days(window: Window) -> set[int]:
    return set(range(window.start, window.end))


@given(NUMBERS, st.integers(1, 12))
def test_no_numbers_shown_of_nested_windows_differ_by_few(
    numbers: list[tuple[Window, int]], minimum: int
) -> None:
    windows = [window for window, _ in numbers]
    parts = [Part(number, TOTAL) for _, number in numbers]
    hidden = hidden_windows(windows, parts, minimum)
    shown = [
        (days(window), part.number)
        for window, part, is_hidden in zip(windows, parts, hidden, strict=True)
        if not is_hidden and part.may_show(minimum)
    ]
    for longer, number in shown:
        for shorter, other in shown:
            assert not (shorter <= longer and 0 < abs(number - other) < minimum)
    for window, part, is_hidden in zip(windows, parts, hidden, strict=True):
        near = [0 < abs(part.number - n) < minimum for around, n in shown if days(window) <= around]
        assert is_hidden == (part.may_show(minimum) and any(near))  # none is hidden for nothing


@given(st.lists(st.integers(0, TOTAL), min_size=2, max_size=8).map(sorted), st.integers(1, 12))
def test_of_a_chain_no_two_numbers_differ_by_few(without: list[int], minimum: int) -> None:
    """Windows with the same end: the shorter one is, the more persons have no visit in it."""
    windows = [Window(-1000 + 30 * place, -183) for place in range(len(without))]
    hidden = hidden_windows(windows, [Part(number, TOTAL) for number in without], minimum)
    parts = zip(without, hidden, strict=True)
    shown = [n for n, is_hidden in parts if not is_hidden and Part(n, TOTAL).may_show(minimum)]
    assert all(may_show(abs(a - b), minimum) for a in shown for b in shown)


def test_a_window_contains_those_that_begin_and_end_in_it() -> None:
    year = window_of({"observation_months": 12, "prediction_months": 6})
    assert year == (-(183 + 366), -183)
    assert year.contains(year)
    assert year.contains(window_of({"observation_months": 3, "prediction_months": 6}))
    assert year.contains(window_of({"observation_months": 3, "prediction_months": 9}))
    assert not year.contains(window_of({"observation_months": 3, "prediction_months": 4}))
    assert not year.contains(window_of({"observation_months": 12, "prediction_months": 7}))


def test_the_longest_window_is_kept_whatever_the_order() -> None:
    windows = [Window(-300, -183), Window(-549, -183), Window(-400, 0)]
    parts = [Part(25, 100), Part(20, 100), Part(22, 100)]
    assert hidden_windows(windows, parts, 10) == [True, False, False]
    assert hidden_windows(windows[::-1], parts[::-1], 10) == [False, False, True]
