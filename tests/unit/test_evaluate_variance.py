import math

import numpy as np
import pytest
from scipy.stats import chi2

from visitseq.evaluate.variance import deviations


def test_by_hand() -> None:
    # Two seeds (rows) and three folds: variances over seeds 2, 0.5 and 0; means 1, 2.5 and 4.
    values = np.array([[0.0, 2.0, 4.0], [2.0, 3.0, 4.0]])
    found = deviations(values, np.array([[1.0, 1.0, 2.0], [2.0, 1.0, 1.0]]))
    assert found.over_seeds.value == pytest.approx(math.sqrt(2.5 / 3))
    assert found.over_folds.value == pytest.approx(1.5)
    assert found.folds_alone.value == pytest.approx(math.sqrt(2.25 - 2.5 / 3 / 2))
    assert found.sampling.value == pytest.approx(math.sqrt(12 / 6))
    # Degrees of freedom 3 x (2 - 1) and 3 - 1.
    for estimate, freedom in ((found.over_seeds, 3), (found.over_folds, 2)):
        sum_of_squares = freedom * estimate.value**2
        limits = np.sqrt(sum_of_squares / chi2.ppf([0.975, 0.025], freedom))
        assert [estimate.low, estimate.high] == pytest.approx(limits)


def test_recovers_the_components_that_were_put_in() -> None:
    generator = np.random.default_rng(0)
    seeds, folds = 4, 2000
    of_folds = 0.03 * generator.normal(size=folds)
    values = 0.7 + of_folds + 0.02 * generator.normal(size=(seeds, folds))
    found = deviations(values, np.full((seeds, folds), 0.01))
    assert found.over_seeds.value == pytest.approx(0.02, rel=0.05)
    assert found.folds_alone.value == pytest.approx(0.03, rel=0.05)
    assert found.over_folds.value == pytest.approx(math.hypot(0.03, 0.02 / 2), rel=0.05)


def test_what_cannot_be_known_says_why() -> None:
    one_fold = deviations(np.array([[0.7], [0.8]]), np.full((2, 1), 0.02))
    assert one_fold.over_seeds.value == pytest.approx(math.sqrt(0.005))
    assert (one_fold.over_folds.reason, one_fold.folds_alone.reason) == ("one fold", "one fold")
    one_seed = deviations(np.array([[0.7, 0.8]]), np.full((1, 2), 0.02))
    assert (one_seed.over_seeds.reason, one_seed.folds_alone.reason) == ("one seed", "one seed")
    # Seeds that vary more than the folds' means leave nothing for the folds.
    assert deviations(np.array([[0.0, 1.0], [1.0, 0.0]]), np.ones((2, 2))).folds_alone.value == 0
