"""The audit of the windows and of the matching: each fails for the right reason alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audit_site import (
    COHORT,
    DRAWS,
    ENCODING,
    MINIMUM,
    PHENOTYPE,
    SEED,
    TASK,
    copy_of,
    make_site,
    rewrite,
    verdicts,
)

from visitseq.audit.differences import differences, set_weights
from visitseq.audit.findings import Finding
from visitseq.audit.matching import check_matching
from visitseq.audit.windows import check_windows
from visitseq.cohort.windows import months_to_days
from visitseq.encode.layout import write_record_batch
from visitseq.encode.sequences import open_batch

GAP = months_to_days(TASK["prediction_months"])
COHORT_FILE = "2_cohort/here/failure/cohort.parquet"
VISITS = "3_encode/here/onset/one_hot/visits.arrow"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site") / "results")


def windows_of(results: Path, cohort: dict[str, Any] = COHORT) -> dict[str, Finding]:
    ingest, encoded = results / "1_ingest/here", results / "3_encode/here/onset/one_hot"
    check_windows(
        task=TASK,
        encoding=ENCODING,
        cohort=cohort,
        phenotype=PHENOTYPE,
        rows=results / COHORT_FILE,
        visits=results / VISITS,
        vocabulary=encoded / "vocabulary.parquet",
        events=ingest / "events.parquet",
        persons=ingest / "persons.parquet",
        codes=ingest / "codes.parquet",
        draws=DRAWS,
        seed=SEED,
        minimum_cell=MINIMUM,
        folder=results / "audit/windows",
    )
    return verdicts(results / "audit/windows")


def matching_of(results: Path) -> dict[str, Finding]:
    cohort = results / "2_cohort/here/failure"
    check_matching(
        cohort=COHORT,
        rows=cohort / "cohort.parquet",
        matches=cohort / "matches.parquet",
        attrition=cohort / "attrition.csv",
        balance=cohort / "balance.csv",
        events=results / "1_ingest/here/events.parquet",
        persons=results / "1_ingest/here/persons.parquet",
        draws=DRAWS,
        seed=SEED,
        minimum_cell=MINIMUM,
        folder=results / "audit/matching",
    )
    return verdicts(results / "audit/matching")


def failed(found: dict[str, Finding]) -> set[str]:
    return {question for question, finding in found.items() if finding.verdict == "fail"}


def plant(results: Path, change: Any) -> None:
    """Let ``change`` alter the visits and days to the index of a row that has some of both."""
    path = results / VISITS
    batch = open_batch(path)
    columns = {name: batch.column(name).to_pylist() for name in ("visits", "days_to_index")}
    row = next(place for place, own in enumerate(columns["visits"]) if len(own) > 1)
    change(columns["visits"][row], columns["days_to_index"][row])
    arrays = [
        pa.array(columns[name], batch.schema.field(name).type) if name in columns else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    own = pa.RecordBatch.from_arrays(arrays, schema=batch.schema)
    path.unlink()  # which is mapped
    write_record_batch(own, path)


def test_an_honest_site_fails_nothing(site: Path) -> None:
    found = windows_of(site)
    assert not failed(found)
    assert found["input_explained"].numbers["entries"] > 500
    assert found["input_complete"].verdict == "pass"
    assert found["straddling"].numbers["straddling"] > 0
    assert found["shared_index_date"].verdict == found["index_year"].verdict == "pass"
    assert not failed(matching_of(site))


def test_the_alignment_is_counted_and_small_cells_are_not(site: Path) -> None:
    windows_of(site)
    table = pd.read_csv(site / "audit/windows/alignment.csv", dtype=str)
    cohort = pq.read_table(site / COHORT_FILE).to_pandas()
    years = cohort.loc[cohort["label"], "index_time"].dt.year.value_counts()
    shown = table[(table["variable"] == "index_year") & (table["cases"] != "suppressed")]
    assert len(shown)
    for year, cases in zip(shown["year"].astype(int), shown["cases"].astype(int), strict=True):
        assert cases == years[year]
        assert cases >= MINIMUM


def test_an_event_at_the_windows_end_is_found(site: Path, tmp_path: Path) -> None:
    results = copy_of(site, tmp_path)

    def at_the_end(visits: list[Any], days: list[float]) -> None:
        days[-1] = GAP

    plant(results, at_the_end)
    assert {"window_end", "input_explained"} <= failed(windows_of(results))


def test_a_code_from_outside_the_window_is_found(site: Path, tmp_path: Path) -> None:
    """On a day that is in the window, so that the days tell nothing."""
    results = copy_of(site, tmp_path)

    def another_code(visits: list[Any], days: list[float]) -> None:
        visits[0] = sorted({*range(6)} ^ {*visits[0]})

    plant(results, another_code)
    assert failed(windows_of(results)) == {"input_explained"}


def test_a_missing_code_is_told(site: Path, tmp_path: Path) -> None:
    results = copy_of(site, tmp_path)

    def nothing_left(visits: list[Any], days: list[float]) -> None:
        visits[0] = []

    plant(results, nothing_left)
    found = windows_of(results)
    assert not failed(found)
    assert found["input_complete"].verdict == "warn"


def test_a_moved_index_date_is_found(site: Path, tmp_path: Path) -> None:
    results = copy_of(site, tmp_path)
    cohort = pq.read_table(results / COHORT_FILE).to_pandas()
    moved = cohort["index_time"] + pd.to_timedelta(30 * cohort["label"], unit="D")
    rewrite(results / COHORT_FILE, index_time=moved)
    found = windows_of(results)
    assert "index_date_of_cases" in failed(found)
    assert "index_date_of_controls" not in failed(found)
    assert found["shared_index_date"].verdict == "warn"


def test_a_control_that_is_a_case_is_found(site: Path, tmp_path: Path) -> None:
    results = copy_of(site, tmp_path)
    cohort = pq.read_table(results / COHORT_FILE).to_pandas()
    cohort.loc[np.flatnonzero(cohort["label"])[:1], "label"] = False
    rewrite(results / COHORT_FILE, label=cohort["label"])
    found = windows_of(results)
    assert failed(found) == {"index_date_of_controls"}
    assert found["index_date_of_controls"].evidence.startswith(f"<{MINIMUM} of ")


def test_of_a_landmark_nobody_is_ill_before_it(site: Path, tmp_path: Path) -> None:
    cohort = {**COHORT, "kind": "landmark"}
    assert windows_of(site, cohort=cohort)["free_at_landmark"].verdict == "pass"
    results = copy_of(site, tmp_path)
    index = pq.read_table(results / COHORT_FILE).to_pandas()["index_time"]
    rewrite(results / COHORT_FILE, index_time=index + pd.Timedelta(days=400))
    assert "free_at_landmark" in failed(windows_of(results, cohort=cohort))


def test_random_controls_are_no_match(site: Path, tmp_path: Path) -> None:
    """The youngest persons in the place of the controls: pairs and balance fail."""
    results = copy_of(site, tmp_path)
    folder = results / "2_cohort/here/failure"
    persons = pq.read_table(results / "1_ingest/here/persons.parquet").to_pandas()
    youngest = persons.sort_values("birth_date", ascending=False)["subject_id"].tolist()
    cohort = pq.read_table(results / COHORT_FILE).to_pandas()
    others = dict(zip(cohort.loc[~cohort["label"], "subject_id"].unique(), youngest, strict=False))
    drawn = cohort["subject_id"].map(others).where(~cohort["label"], cohort["subject_id"])
    rewrite(results / COHORT_FILE, subject_id=drawn.astype(int))
    matches = pq.read_table(folder / "matches.parquet").to_pandas()
    rewrite(folder / "matches.parquet", control=matches["control"].map(others))
    found = matching_of(results)
    assert {"pairs_sex", "pairs_age_years", "balance_age"} <= failed(found)
    assert not {"same_sets", "balance_visits", "reuse"} & failed(found)
    assert found["balance_age"].numbers["low"] > 0.1


def test_a_control_that_serves_twice_is_found(site: Path, tmp_path: Path) -> None:
    results = copy_of(site, tmp_path)
    cohort = pq.read_table(results / COHORT_FILE).to_pandas()
    first, second = np.flatnonzero(~cohort["label"])[:2]
    cohort.loc[second, "subject_id"] = cohort.loc[first, "subject_id"]
    rewrite(results / COHORT_FILE, subject_id=cohort["subject_id"])
    assert {"reuse", "same_sets"} <= failed(matching_of(results))


def test_the_difference_is_that_of_balance_csv(site: Path) -> None:
    """The cohort's own table, which takes another way to the same numbers."""
    found = matching_of(site)
    table = pd.read_csv(site / "2_cohort/here/failure/balance.csv")
    after = table[(table["measure"] == "smd") & (table["when"] == "after")].set_index("variable")
    for name, own in {"age": "age", "visits": "visits", "female": "sex"}.items():
        expected = after.loc[own, "value"]
        assert found[f"balance_{name}"].numbers["value"] == pytest.approx(expected, abs=1e-9)


def test_the_interval_covers_what_it_should() -> None:
    """Of pairs whose difference is known: half a standard deviation."""
    draw, sets = np.random.default_rng(1), 400
    label = np.tile([True, False, False], sets)
    unit = np.repeat(np.arange(sets), 3)
    values = {"x": draw.normal(size=3 * sets) + 0.5 * label, "constant": np.ones(3 * sets)}
    weights = set_weights(unit, label)
    found = differences(values, label, unit, weights, draws=300, seed=1)
    assert found["x"].low < 0.5 < found["x"].high
    assert found["x"].high - found["x"].low == pytest.approx(
        2 * 1.96 * np.sqrt(1.5 / sets), rel=0.2
    )
    assert found["constant"][2:] == (0, 0, 0)
