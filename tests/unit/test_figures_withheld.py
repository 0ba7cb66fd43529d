"""What rests on few persons: no metric of a fold, no mean that tells one, nothing beside them."""

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_results import study_of, write_results

from visitseq.evaluate.estimate import Estimate
from visitseq.export.public_files import MEASURES, public_metrics
from visitseq.figures import draw_figures
from visitseq.figures.comparisons import comparison_table, delong_table
from visitseq.figures.metrics_table import metrics_table
from visitseq.figures.model_results import read_ceilings, read_results
from visitseq.figures.small_cells import SUPPRESSED, may_show
from visitseq.figures.study import Study
from visitseq.figures.variance_table import variance_table
from visitseq.figures.withheld import withheld_folds

#: An estimate that has a value: "0.712 [0.690, 0.731]", "0.08 (no interval)".
VALUE = re.compile(r"^-?\d+\.\d+ [\[(]")


def test_which_folds_are_withheld_by_hand() -> None:
    assert withheld_folds([(20, 200), (30, 300)], 10) == ((False, False), False)
    assert withheld_folds([(6, 60)], 10) == ((True,), True)
    # 5 are too few alone, 5 + 12 are enough; the third fold shows.
    assert withheld_folds([(5, 60), (12, 90), (40, 90)], 10) == ((True, True, False), False)
    assert withheld_folds([(3, 60), (4, 60)], 10) == ((True, True), True)
    # Who has no case at all is no small number: the metrics say why they are undefined.
    assert withheld_folds([(0, 60), (40, 90)], 10) == ((False, False), False)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1), st.integers(1, 20))
def test_no_fold_is_had_by_subtraction(cells: list[tuple[int, int]], minimum: int) -> None:
    withheld = withheld_folds(cells, minimum)
    hidden = [own for own, is_hidden in zip(cells, withheld.folds, strict=True) if is_hidden]
    shown = [own for own, is_hidden in zip(cells, withheld.folds, strict=True) if not is_hidden]
    assert all(may_show(number, minimum) for own in shown for number in own)
    if hidden and not withheld.mean:
        assert all(may_show(sum(column), minimum) for column in zip(*hidden, strict=True))
    if len(hidden) == 1:
        assert withheld.mean


def test_a_mean_beside_withheld_folds_has_two_decimals() -> None:
    withheld = withheld_folds([(6, 60), (10, 100)], 10)
    share = (2 / 6 + 3 / 10) / 2
    assert withheld.of_mean(Estimate(share, 0.091, 0.676))[:3] == (0.32, 0.09, 0.68)


def written(folder: Path, folds: list[int]) -> dict[str, Any]:
    """A study with 6 cases and 24 controls in each test part."""
    study = study_of(folds=folds, reference="gru", draws=100)
    write_results(study, folder, sets=42)
    return study


@pytest.fixture(scope="module")
def one_fold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    study = written(folder, [0])
    draw_figures(study=study, results=folder, folder=folder / "7_figures")
    return folder / "7_figures"


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"table_{name}.csv", dtype=str, keep_default_na=False)


def test_six_cases_show_nothing(one_fold: Path) -> None:
    metrics = pq.read_table(one_fold / "metrics.parquet").to_pandas()
    assert len(metrics) > 20
    assert metrics[["value", "low", "high"]].isna().all(axis=None)
    for name in ("metrics", "comparisons", "delong", "variance", "strata", "subgroups"):
        shown = table(one_fold, name)
        assert len(shown)
        assert not shown.map(lambda text: bool(VALUE.match(text))).any(axis=None), name
        assert SUPPRESSED in set(shown.to_numpy().flat), name
    assert set(table(one_fold, "metrics")["cases"]) == {"<10"}


def test_no_figure_has_an_estimate_of_six_cases(one_fold: Path) -> None:
    """The estimate is written in a comment of the SVG beside the glyphs."""
    for name in ("roc", "calibration", "encodings", "strata", "subgroups"):
        text = (one_fold / f"fig_{name}.svg").read_text("utf-8")
        written = re.findall(r"<!-- (.*?) -->", text)
        assert any("fewer than 10" in words or SUPPRESSED in words for words in written), name
        assert not [words for words in written if re.search(r"\d\.\d+ \[", words)], name


def test_twelve_cases_in_two_folds_show_their_mean_alone(tmp_path: Path) -> None:
    study = Study.from_mapping(written(tmp_path, [0, 1]), tmp_path)
    results = read_results(study)
    metrics = metrics_table([*results, *read_ceilings(study)], [], 10).to_pandas()
    of_folds = metrics[metrics["fold"].notna()]
    assert of_folds["value"].isna().all()
    means = metrics[metrics["fold"].isna() & (metrics["metric"] == "auroc")]
    assert len(means) == 4  # two models, two oracles
    assert means["value"].between(0, 1).all()
    assert (means["value"] == means["value"].round(2)).all()
    assert set(delong_table(study, results)["difference"]) == {SUPPRESSED}
    assert set(variance_table(study, results)["sd_over_folds"]) == {SUPPRESSED}
    assert VALUE.match(comparison_table(study, results)["difference"].iloc[0])


def test_measures_of_few_cases_do_not_leave_the_house() -> None:
    value = {"value": 2 / 3, "low": 0.31, "high": 0.9}
    content = {**dict.fromkeys(MEASURES, value), "n": 60, "cases": 6, "unknown_codes": 0.123456}
    own = public_metrics(content, 10)
    assert own["cases"] is None
    assert own["unknown_codes"] == 0.12
    assert {own[name]["value"] for name in MEASURES} == {None}
    assert all("fewer than 10" in own[name]["reason"] for name in MEASURES)
    many = public_metrics({**content, "n": 600, "cases": 60}, 10)
    assert math.isclose(many["auroc"]["value"], 2 / 3)
