import numpy as np
from sklearn.metrics import roc_auc_score

from visitseq.train.search import (
    Trial,
    area_under_roc,
    choose_trial,
    grid_points,
    search_json,
)


def test_the_grid_is_the_product_in_its_order() -> None:
    model = {"search": {"hidden": [8, 16], "dropout": [0.0, 0.5]}, "hidden": 128}
    assert grid_points(model) == [
        {"hidden": 8, "dropout": 0.0},
        {"hidden": 8, "dropout": 0.5},
        {"hidden": 16, "dropout": 0.0},
        {"hidden": 16, "dropout": 0.5},
    ]
    assert grid_points({"search": {}}) == [{}]


def test_auroc_decides_then_the_loss_then_the_order() -> None:
    trials = [
        Trial({"l2": 1}, 0.7, 0.3),
        Trial({"l2": 2}, 0.8, 0.5),
        Trial({"l2": 3}, 0.8, 0.4),
        Trial({"l2": 4}, 0.8, 0.4),
        Trial({"l2": 5}, 0.8, None),
    ]
    assert choose_trial(trials) == 2
    assert choose_trial([Trial({}, None, None), Trial({}, None, None)]) == 0


def test_every_trial_is_recorded() -> None:
    trials = [Trial({"l2": 1}, 0.7, None), Trial({"l2": 2}, 0.8, 0.5)]
    assert search_json(trials, 1) == {
        "chosen_by": "AUROC of the validation part",
        "chosen": 1,
        "trials": [
            {"l2": 1, "validation_auroc": 0.7, "validation_loss": None},
            {"l2": 2, "validation_auroc": 0.8, "validation_loss": 0.5},
        ],
    }
    by_loss = search_json([Trial({}, None, 0.1)], 0)
    assert by_loss["chosen_by"].startswith("loss")
    without = search_json([Trial({}, None, None)], 0)
    assert without["chosen_by"].startswith("order")


def test_validation_auroc_is_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    labels = generator.random(200) < 0.2
    scores = np.round(generator.normal(size=200) + labels, 1)  # with ties
    found = area_under_roc(labels, scores)
    assert found is not None
    assert np.isclose(found, roc_auc_score(labels, scores), rtol=1e-12)
    assert area_under_roc(np.ones(3, dtype=bool), np.arange(3.0)) is None
