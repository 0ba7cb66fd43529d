"""The score as it would be used, drawn and in numbers: as measured, hidden where few fell ill."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from arrow_visits import Row, write_visits, write_vocabulary
from figure_words import overlaps, shown_words
from scipy.special import expit
from study_results import PARTS, study_of, write_cohort, write_results

from visitseq import tables
from visitseq.encode.sequences import Sequences
from visitseq.evaluate import as_used as stage
from visitseq.evaluate.as_used_rows import Landmark
from visitseq.figures.as_used import draw_as_used
from visitseq.figures.as_used_results import read_as_used
from visitseq.figures.as_used_table import as_used_table
from visitseq.figures.small_cells import SUPPRESSED
from visitseq.figures.study import Study
from visitseq.figures.style import house_style
from visitseq.train.trained import TrainedModel

ONSET = {"kind": "onset", "cohort": "heart_failure", "observation_months": 18}
ONSET |= {"prediction_months": 0}
TASKS = {"heart_failure": ONSET, "as_used": {**ONSET, "cohort": "each_january"}}
MODELS, PERSONS, DRAWS = ("logistic", "gru"), 3000, 40
#: Log odds of an onset by person.
TRUTH = np.random.default_rng(1).normal(-4, 1.5, PERSONS)


def mapping_of() -> dict[str, Any]:
    pairs = [("heart_failure", "as_used", "one_hot", model) for model in MODELS]
    return study_of(tasks=TASKS, models=list(MODELS), as_used=pairs, draws=DRAWS)


def known_model(model: str) -> TrainedModel:
    """A model that knows the truth, but for what the case-control sample makes of it."""
    noise = np.random.default_rng(len(model)).normal(0, 0.7, PERSONS)

    def score(sequences: Sequences) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(expit(TRUTH + noise + 2)[sequences.subject_id])

    return TrainedModel(
        card={}, known=np.arange(3, dtype=np.int32), score=score, gives_probabilities=True
    )


def write_landmark(results: Path, often: float) -> Landmark:
    """A cohort of which about ``often`` times as many fall ill as the truth says."""
    draw = np.random.default_rng(2)
    onset = draw.random(PERSONS) < often * expit(TRUTH)
    censored = ~onset & (draw.random(PERSONS) < 0.05)
    death = ~onset & ~censored & (draw.random(PERSONS) < 0.03)
    outcome = np.select([onset, censored, death], ["onset", "censored", "death"], "free")
    days = np.where(outcome == "free", 366, draw.integers(0, 366, PERSONS))
    rows = [
        Row([[0]], label=bool(ill), part=number % 2, subject_id=number)
        for number, ill in enumerate(onset)
    ]
    folder = results / "landmark"
    write_cohort(rows, results / "2_cohort/riverside/each_january")
    columns = {"subject_id": range(PERSONS), "index_time": [row.index_time for row in rows]}
    table = pa.table({**columns, "days": days, "outcome": outcome}).cast(tables.OUTCOMES)
    tables.write_parquet(table, folder / "outcomes.parquet")
    return Landmark(
        write_visits(rows, folder / "visits.arrow"),
        write_vocabulary(rows, 3, PARTS, folder / "vocabulary.parquet"),
        folder / "outcomes.parquet",
        None,
    )


def write_as_used(results: Path, often: float) -> Study:
    """Results of the study; of the models trained on the landmark cohort, those of the others."""
    mapping = mapping_of()
    write_results(mapping, results, sets=120)
    landmark = write_landmark(results, often)
    for model in MODELS:
        evaluated = results / "5_evaluate/riverside/heart_failure/one_hot" / model / "fold0"
        metrics = json.loads((evaluated / "metrics.json").read_text("utf-8"))
        tested = pd.read_parquet(evaluated / "predictions.parquet")
        metrics |= {"n": len(tested), "cases": int(tested["boolean_value"].sum())}
        metrics["threshold"] = {"value": 0.2}
        (evaluated / "metrics.json").write_text(json.dumps(metrics), "utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage, "load_model", lambda _, name=model: known_model(name))
            stage.evaluate_as_used(
                trained=results,
                vocabulary=landmark.vocabulary,
                evaluated=evaluated,
                landmarks={"as_used": landmark},
                fold=0,
                parts=PARTS,
                seed=0,
                draws=DRAWS,
                folder=evaluated,
            )
    return Study.from_mapping(mapping, results)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_as_used(tmp_path_factory.mktemp("as_used"), often=1)


def test_table_says_what_was_measured(study: Study) -> None:
    results = read_as_used(study)
    table = as_used_table(study, results)
    assert table["model"].tolist() == ["logistic"] * 3 + ["gru"] * 3
    content = results[0].folds[0]
    line = table.iloc[1]
    assert (line["measured_on"], line["probability"]) == ("as_used", "raw")
    auroc = content["raw"]["auroc"]
    assert line["auroc"] == f"{auroc['value']:.3f} [{auroc['low']:.3f}, {auroc['high']:.3f}]"
    assert line["rows"] == f"{content['test']['n']:,}" == "1,500"
    assert line["onsets"] == str(content["test"]["onset"])
    assert line["records"] == "synthetic"
    assert content["raw"]["calibration_intercept"]["high"] < 0
    assert float(table.iloc[2]["calibration_intercept"].split()[0]) == pytest.approx(0, abs=0.3)


def test_a_rate_with_a_small_cell_is_not_shown(study: Study) -> None:
    table = as_used_table(study, read_as_used(study))
    content = read_as_used(study)[0].folds[0]
    onsets, thresholds = content["test"]["onset"], content["raw"]["thresholds"]
    missed = {
        at: round(onsets * (1 - rates["sensitivity"]["value"])) for at, rates in thresholds.items()
    }
    assert any(0 < number < 10 for number in missed.values())
    for at, number in missed.items():
        assert number == 0 or (table.iloc[1][f"ppv_at_{at}"] == SUPPRESSED) == (number < 10)


def test_figure_shows_each_model_and_nothing_overlaps(study: Study) -> None:
    results = read_as_used(study)
    with house_style():
        figure = draw_as_used(study, results)
    assert overlaps(figure) == []
    words = shown_words(figure)
    assert any(word.startswith("logistic: AUROC drop") for word in words)
    assert "synthetic records" in words
    dots, calibration, decision = figure.axes[:3]
    values = [x[0] for line in dots.lines if len(x := np.asarray(line.get_xdata())) == 1]
    expected = [
        result.folds[0][where]["auroc"]["value"]
        for result in results
        for where in ("case_control", "raw")
    ]
    assert values == pytest.approx(expected)
    assert calibration.get_xscale() == calibration.get_yscale() == "log"
    assert np.max(np.asarray(decision.lines[0].get_ydata())) > 0


def test_few_onsets_show_nothing(tmp_path: Path) -> None:
    study = write_as_used(tmp_path, often=0.1)
    results = read_as_used(study)
    assert 0 < results[0].total("onset") < 10
    table = as_used_table(study, results)
    used = table[table["measured_on"] == "as_used"]
    assert set(used["auroc"]) == set(used["auroc_drop"]) - {""} == {SUPPRESSED}
    assert "<10" not in set(used["onsets"])  # nor is the other half of the cohort as small
    assert set(used["rows"]) == {"not shown"}
    with house_style():
        figure = draw_as_used(study, results)
    assert overlaps(figure) == []
    words = shown_words(figure)
    assert any("fewer than 10 onsets" in word for word in words)
    assert not any("1,500" in word for word in words)


def test_nobody_who_falls_ill_is_drawn_as_nothing(tmp_path: Path) -> None:
    study = write_as_used(tmp_path, often=0)
    with house_style():
        figure = draw_as_used(study, read_as_used(study))
    assert overlaps(figure) == []
    assert any("fewer than 10 onsets" in word for word in shown_words(figure))
    used = as_used_table(study, read_as_used(study)).iloc[1]
    assert used["auroc"] == "undefined (no case in the test part)"


def test_without_a_model_the_figure_says_so(study: Study) -> None:
    nothing = replace(study, as_used=())
    with house_style():
        assert "no case-control model" in " ".join(shown_words(draw_as_used(nothing, [])))
    assert as_used_table(nothing, []).empty
