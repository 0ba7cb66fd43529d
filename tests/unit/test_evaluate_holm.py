import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visitseq.evaluate.holm import holm


def test_by_hand() -> None:
    # 0.01 x 4, 0.02 x 3, 0.03 x 2 = 0.06 (no less than the one before), 0.2 x 1.
    assert holm([0.03, 0.2, 0.01, 0.02]) == pytest.approx([0.06, 0.2, 0.04, 0.06])
    assert holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_rejects_what_holms_steps_reject(p_values: list[float], level: float) -> None:
    """Holm 1979: in rising order, until the first p is over level / tests left."""
    rejected: set[int] = set()
    for place in sorted(range(len(p_values)), key=lambda place: p_values[place]):
        if p_values[place] * (len(p_values) - len(rejected)) > level:
            break
        rejected.add(place)
    assert set(np.flatnonzero(holm(p_values) <= level)) == rejected


@pytest.mark.skipif(importlib.util.find_spec("statsmodels") is None, reason="no statsmodels")
def test_is_that_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415

    generator = np.random.default_rng(0)
    for tests in (1, 2, 7, 40):
        p_values = generator.random(tests).round(2) ** 3  # some are equal, some 0
        expected = multipletests(p_values, method="holm")[1]
        np.testing.assert_allclose(holm(p_values), expected, rtol=1e-12)
