import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_training import ENCODING, FOLD, GRU, LOGISTIC, PARTS, cohort, inputs, train

from visitseq.evaluate import scoring_time
from visitseq.evaluate.scoring_time import time_scoring
from visitseq.train import training_time
from visitseq.train.training_data import TrainingData, read_training_data
from visitseq.train.training_time import nested_rows, time_training


def ticking() -> Any:
    """A clock that goes on by a second whenever it is looked at."""
    seconds: Iterator[int] = count()
    return lambda: float(next(seconds))


def test_scoring_takes_a_second_a_call(tmp_path: Path) -> None:
    rows = cohort()
    trained = train(rows, tmp_path, LOGISTIC)
    place: dict[str, Any] = {"visits": tmp_path / "visits.arrow", "trained": trained, "fold": FOLD}
    time_scoring(**place, table=tmp_path / "new/seconds.csv", clock=ticking())
    tested = sum(row.part == FOLD for row in rows)
    table = pd.read_csv(tmp_path / "new/seconds.csv").set_index("way")
    lines = table.to_numpy().tolist()
    assert table.index.tolist() == ["one", "batch"]
    assert lines[0] == [tested, 1, 1.0, 1.0, 1.0]
    assert lines[1] == pytest.approx([5, tested, *[1 / tested] * 3])


def test_patients_scored_alone_are_spread_over_the_test_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring_time, "ONES", 4)
    trained = train(cohort(), tmp_path, LOGISTIC)
    place: dict[str, Any] = {"visits": tmp_path / "visits.arrow", "trained": trained, "fold": FOLD}
    time_scoring(**place, table=tmp_path / "seconds.csv", clock=ticking())
    assert pd.read_csv(tmp_path / "seconds.csv")["timed"].tolist() == [4, 5]


def test_an_empty_test_part_has_no_seconds(tmp_path: Path) -> None:
    trained = train([row for row in cohort() if row.part != FOLD], tmp_path, LOGISTIC)
    place: dict[str, Any] = {"visits": tmp_path / "visits.arrow", "trained": trained, "fold": FOLD}
    time_scoring(**place, table=tmp_path / "seconds.csv", clock=ticking())
    assert (tmp_path / "seconds.csv").read_text() == "way,timed,rows,median,low,high\n"


def in_sets(rows: int) -> list[Any]:
    """Rows of matched sets of three, each in a part of its own."""
    return [
        replace(row, set_id=number // 3, part=number // 3 % PARTS, label=number % 3 == 0)
        for number, row in enumerate(cohort(rows))
    ]


def data_of(folder: Path, rows: list[Any]) -> TrainingData:
    return read_training_data(**inputs(rows, folder), encoding=ENCODING, fold=0, parts=PARTS)


def test_subsets_are_whole_sets_of_the_training_part_and_nested(tmp_path: Path) -> None:
    data = data_of(tmp_path, in_sets(210))
    subsets = [nested_rows(data, size, seed=1) for size in (10, 60, 150)]
    # Sets of three: 9 are the most that 10 hold; 150 are all that are trained on.
    assert [len(rows) for rows in subsets] == [9, 60, 150]
    for smaller, larger in pairwise(subsets):
        assert set(smaller) <= set(larger)
    sets = data.sequences.set_id.to_numpy()
    assert set(np.bincount(sets[subsets[1]])) == {0, 3}
    assert set(data.sequences.part[subsets[2]]) == {2, 3, 4, 5, 6}
    assert set(nested_rows(data, 60, seed=2)) != set(subsets[1])


def test_training_is_timed_for_ten_epochs_of_each_subset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="visitseq")
    done = []
    fit = vars(training_time)["fit"]

    def watched(objective: Any, model: Any, generator: Any) -> Any:
        history, chosen = fit(objective, model, generator)
        done.append((len(objective.training), len(objective.validation), len(history)))
        return history, chosen

    monkeypatch.setattr(training_time, "fit", watched)
    small = {**GRU, "epochs": 2, "patience": 1}
    place: dict[str, Any] = {**inputs(in_sets(210), tmp_path), "table": tmp_path / "seconds.csv"}
    settings: dict[str, Any] = {"model": small, "encoding": ENCODING, "parts": PARTS, "seed": 0}
    time_training(**place, **settings, sizes=[151, 60, 2, 31], clock=ticking())
    # One epoch goes before, for nothing.
    assert done == [(30, 0, 1), (30, 0, 10), (60, 0, 10)]
    assert (tmp_path / "seconds.csv").read_text().split() == [
        "asked,patients,hidden,epochs,seconds",
        "31,30,8,10,1.0",
        "60,60,8,10,1.0",
    ]
    assert "151 patients are left out: there are 150" in caplog.messages
    assert "2 patients are left out: they lack cases or controls" in caplog.messages


def test_of_a_search_the_first_point_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    build = vars(training_time)["build_network"]

    def watched(model: Any, codes: int) -> Any:
        built.append((model["hidden"], model["dropout"]))
        return build(model, codes)

    monkeypatch.setattr(training_time, "build_network", watched)
    searched = {**GRU, "search": {"hidden": [4, 16], "dropout": [0.3, 0.6]}}
    place: dict[str, Any] = {**inputs(in_sets(210), tmp_path), "table": tmp_path / "seconds.csv"}
    settings: dict[str, Any] = {"model": searched, "encoding": ENCODING, "parts": PARTS, "seed": 0}
    time_training(**place, **settings, sizes=[30], clock=ticking())
    assert built == [(4, 0.3), (4, 0.3)]
    assert pd.read_csv(tmp_path / "seconds.csv")["hidden"].tolist() == [4]
