"""Canaries: they pass at an honest site, and each fails where what it watches for is there."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_tables import event, write_events
from small_site import ENCODING, INDEX, MODEL, PARTS, TASK, by_chance, write_site, write_tables
from small_training import GRU

from visitseq.audit import pipeline, sample
from visitseq.audit.canaries import permute_labels, reduced, run_canaries
from visitseq.audit.canary_verdicts import (
    Counts,
    order_finding,
    permuted_finding,
    planted_finding,
)
from visitseq.audit.findings import Finding, read_findings
from visitseq.audit.planting import last_free_days, planted, window_ends
from visitseq.audit.planting import write_events as write_event_tables
from visitseq.audit.sample import draw_sets, set_of
from visitseq.encode.encode import encode_visits
from visitseq.evaluate.estimate import Estimate
from visitseq.tables import EVENTS

COUNTS = Counts(sets=48, training_cases=24, cases=20, rows=80, minimum_cell=10)
UNKNOWN = Estimate(0.5, math.nan, math.nan, "no interval")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_site(tmp_path_factory.mktemp("site"), by_chance())


def run(
    site: dict[str, Any], folder: Path, model: dict[str, Any] = MODEL, **changes: Any
) -> dict[str, Finding]:
    settings = {"fold": 0, "parts": PARTS, "seed": 0, "draws": 200, "minimum_cell": 10}
    sections = {"task": TASK, "encoding": ENCODING, "model": model}
    path = folder / "findings.json"
    run_canaries(**site, **{**sections, **settings, **changes}, findings=path)
    assert [file.name for file in folder.iterdir()] == ["findings.json"]
    return {finding.question: finding for finding in read_findings(path)}


def leak(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    """Have the visits encoded from arguments that are another."""

    def encode(**arguments: Any) -> None:
        change(arguments)
        encode_visits(**arguments)

    monkeypatch.setattr(pipeline, "encode_visits", encode)


def verdicts(found: dict[str, Finding]) -> dict[str, str]:
    return {question: finding.verdict for question, finding in found.items()}


def test_all_pass_at_an_honest_site(site: dict[str, Path], tmp_path: Path) -> None:
    found = run(site, tmp_path, GRU)
    assert verdicts(found) == dict.fromkeys(
        ["labels_permuted", "index_day_code", "planted_code", "order"], "pass"
    )
    order = {key: own["value"] for key, own in found["order"].numbers.items() if key in ORDER}
    assert order["difference"] == pytest.approx(order["in_order"] - order["shuffled"])
    assert found["planted_code"].numbers["planted"]["low"] > 0.9
    assert found["planted_code"].numbers["unplanted"]["low"] < 0.6
    assert (found["order"].numbers["training_cases"], found["order"].numbers["cases"]) == (24, 20)


ORDER = ("in_order", "shuffled", "difference")


def test_a_second_run_writes_the_same_bytes(site: dict[str, Path], tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        assert verdicts(run(site, folder))["planted_code"] == "pass"
    first, second = ((folder / "findings.json").read_bytes() for folder in folders)
    assert first == second
    assert str(tmp_path.parent).encode() not in first


def test_an_encoder_that_reads_the_labels_is_found(
    site: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(arguments: dict[str, Any]) -> None:
        rows = pq.read_table(arguments["cohort"])
        told = rows.filter(rows["label"])
        days = window_ends(told, TASK) - np.timedelta64(3, "D")
        added = planted(told["subject_id"].to_numpy(), days, "condition/label")
        events = pq.read_table(arguments["events"]).cast(EVENTS)
        arguments["events"] = write_event_tables([events, added], tmp_path.parent / "told.parquet")

    leak(monkeypatch, tell)
    found = run(site, tmp_path)
    assert found["labels_permuted"].verdict == "fail"
    assert len(found["labels_permuted"].numbers["concordance_within_sets"]) == 2
    assert "Trained and tested on labels that changed places" in found["labels_permuted"].evidence
    assert found["index_day_code"].verdict == "pass"


def test_an_encoder_that_forgets_the_gap_is_found(
    site: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak(monkeypatch, lambda arguments: arguments.update(task={**TASK, "prediction_months": 0}))
    found = run(site, tmp_path)["index_day_code"]
    assert found.verdict == "fail"
    assert "stands in what models read" in found.evidence
    assert found.numbers["auroc"]["low"] > 0.9


def test_an_encoder_that_reads_the_index_day_is_found(
    site: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shift(arguments: dict[str, Any]) -> None:
        rows = pq.read_table(arguments["cohort"])
        later = rows["index_time"].to_numpy() + np.timedelta64(1, "D")
        place = rows.schema.get_field_index("index_time")
        rows = rows.set_column(place, rows.schema.field(place), pa.array(later))
        arguments["cohort"] = tmp_path.parent / "shifted.parquet"
        pq.write_table(rows, arguments["cohort"])

    leak(monkeypatch, shift)
    found = run(site, tmp_path, task={**TASK, "prediction_months": 0})
    assert found["index_day_code"].verdict == "fail"
    assert found["labels_permuted"].verdict != "fail"


def test_a_model_that_cannot_see_the_planted_code_fails(
    site: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = {**ENCODING, "domains": ["drug"]}
    leak(monkeypatch, lambda arguments: arguments.update(encoding=blind))
    found = run(site, tmp_path)["planted_code"]
    assert found.verdict == "fail"
    assert "would not find a leak either" in found.advice


def test_too_few_cases_are_a_warning(site: dict[str, Path], tmp_path: Path) -> None:
    found = run(site, tmp_path, encoding={**ENCODING, "min_count": 25})
    assert set(verdicts(found).values()) == {"warn"}
    assert all(finding.evidence.startswith("Too few cases: ") for finding in found.values())


def test_metrics_of_fewer_than_may_be_shown_are_not_computed() -> None:
    assert not COUNTS.too_few(min_count=24)
    assert COUNTS.too_few(min_count=25)
    assert COUNTS._replace(minimum_cell=21).too_few(2)
    assert COUNTS._replace(rows=29).too_few(2)


def test_a_small_number_of_cases_is_not_shown() -> None:
    few = COUNTS._replace(cases=9)
    finding = permuted_finding([Estimate(0.5, 0.4, 0.6)], few, MODEL)
    assert "<10 among the 80 rows" in finding.evidence
    assert finding.numbers["cases"] is None
    assert finding.numbers["rows"] == 80


def test_verdicts() -> None:
    def permuted(*lows: float) -> str:
        found = [Estimate(low + 0.1, low, low + 0.2) for low in lows]
        return permuted_finding(found, COUNTS, MODEL).verdict

    assert permuted(0.45) == "pass"
    assert permuted(0.55, 0.6) == "fail"
    assert permuted(0.55, 0.45) == "pass"
    assert permuted(0.2) == "warn"
    few = COUNTS._replace(cases=19)
    assert permuted_finding([Estimate(0.7, 0.6, 0.8)] * 2, few, MODEL).verdict == "warn"
    assert planted_finding(Estimate(0.6, 0.5, 0.7), UNKNOWN, 0, few).verdict == "warn"
    assert permuted_finding([UNKNOWN], COUNTS, MODEL).verdict == "warn"
    found, chance = Estimate(0.95, 0.91, 0.99), Estimate(0.5, 0.4, 0.6)
    assert planted_finding(found, chance, 0, COUNTS).verdict == "pass"
    assert planted_finding(Estimate(0.8, 0.7, 0.9), chance, 0, COUNTS).verdict == "pass"
    assert planted_finding(Estimate(0.7, 0.5, 0.95), chance, 0, COUNTS).verdict == "warn"
    assert planted_finding(Estimate(0.6, 0.5, 0.7), chance, 0, COUNTS).verdict == "fail"
    assert order_finding(Estimate(-0.2, -0.3, -0.1), chance, found, COUNTS).verdict == "warn"
    assert order_finding(Estimate(-0.2, -0.4, 0.1), chance, found, COUNTS).verdict == "pass"
    assert order_finding(UNKNOWN, chance, found, COUNTS).verdict == "warn"


def test_labels_change_places_within_their_sets(site: dict[str, Path]) -> None:
    rows = pq.read_table(site["cohort"])
    permuted = permute_labels(rows, 0)
    assert permuted.drop_columns(["label"]).equals(rows.drop_columns(["label"]))
    before, after = (table.to_pandas()["label"] for table in (rows, permuted))
    assert (after.groupby(set_of(rows)).sum() == 1).all()
    # Of 48 cases one in four stays one: 12 ± 3.
    assert 3 <= (before & after).sum() <= 21
    assert not permute_labels(rows, 1).equals(permuted)


def test_sets_are_drawn_whole_whoever_else_is_there(site: dict[str, Path]) -> None:
    rows = pq.read_table(site["cohort"])
    drawn = draw_sets(rows, 15, seed=3)
    assert (np.unique(set_of(drawn), return_counts=True)[1] == 4).all()
    assert len(np.unique(set_of(drawn))) == 15
    without = rows.filter(pa.array(~np.isin(set_of(rows), set_of(draw_sets(rows, 5, seed=3)))))
    assert set(set_of(draw_sets(without, 10, seed=3))) <= set(set_of(drawn))
    assert draw_sets(rows, 1000, seed=3).equals(rows)
    assert len(sample.events_of(drawn, site["events"])["subject_id"].unique()) == 60


def test_a_planted_event_has_a_day_of_its_own(tmp_path: Path) -> None:
    """Window: 2014-05-01 up to and with 2015-05-01 (366 days), as the gap is 31 days."""
    end = INDEX - timedelta(days=31)
    stay = [
        event(1, end - timedelta(days=4), "visit/9201", 7),
        event(1, end - timedelta(days=3), "condition/1", 7),
        event(1, end - timedelta(days=1), "visit_end/9201", 7),
        # Without a condition it is no visit of the encoding's.
        event(1, end - timedelta(days=5), "drug/1"),
        event(2, end, "condition/1"),
    ]
    always = [event(3, end - timedelta(days=day), "condition/1") for day in range(1, 367)]
    rows = [
        {"set_id": 1, "subject_id": person, "index_time": INDEX, "label": False, "part": 0}
        for person in (1, 2, 3, 4)
    ]
    files = write_tables(tmp_path, rows, stay + always)
    cohort = pq.read_table(files["cohort"])
    encoding = {**ENCODING, "domains": ["condition"]}
    free = last_free_days(cohort, files["events"], TASK, encoding)
    # The stay is a visit from its first condition on.
    days = [np.datetime64(end - timedelta(days=back), "D") for back in (4, 1)]
    assert free[:2].tolist() == [day.item() for day in days]
    assert np.isnat(free[2])
    assert free[3] == days[1]
    added = planted(cohort["subject_id"].to_numpy(), free, "condition/planted")
    assert added["subject_id"].to_pylist() == [1, 2, 4]
    path = write_event_tables([pq.read_table(files["events"]).cast(EVENTS), added], tmp_path / "e")
    order = [(name, "ascending", "at_start") for name in EVENTS.names]
    written = pq.read_table(path)
    assert written.equals(written.sort_by([order[0], order[1], order[2]]))


def test_events_without_a_time_come_first(tmp_path: Path) -> None:
    events = [event(1, datetime(2015, 1, 1), "condition/1"), event(2, INDEX, "condition/1")]
    table = pq.read_table(write_events(tmp_path / "events.parquet", events)).cast(EVENTS)
    birth = pa.table({"subject_id": [1], "time": [None], "code": ["sex/8507"]})
    columns = {name: pa.nulls(1) for name in EVENTS.names if name not in birth.column_names}
    birth = pa.table({**{n: birth[n] for n in birth.column_names}, **columns})
    added = birth.select(EVENTS.names).cast(EVENTS)
    path = write_event_tables([table, added], tmp_path / "all.parquet")
    assert pq.read_table(path)["code"].to_pylist() == ["sex/8507", "condition/1", "condition/1"]


def test_a_network_is_made_small_and_searches_nothing() -> None:
    small = reduced({**GRU, "hidden": 512, "search": {"hidden": [1, 2]}, "visits": "last"})
    assert set(small) == set(GRU)
    assert (small["hidden"], small["search"], small["visits"]) == (16, {}, "in_order")
    assert reduced({**MODEL, "search": {"inverse_penalty": [1, 2]}}) == MODEL
