"""The oracle on cohorts whose hazards are written out, and in simulated sites."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from test_cohort_build import INDEX, Hospital, case, configuration, control

from visitseq.cohort.build import build_cohort
from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.oracle import Truth, score_oracle
from visitseq.evaluate.oracle_rows import SIMULATION_ERRORS, estimate_oracle, simulation_error
from visitseq.ingest.site import ingest_site
from visitseq.simulate.site import simulate_site
from visitseq.simulate.truth import TRUTH
from visitseq.tables import ORACLE, write_parquet

ROOT = Path(__file__).resolve().parents[2]
PHENOTYPE = ROOT / "workflow/phenotypes/heart_failure.yaml"
COHORT: dict[str, Any] = {
    "kind": "case_control", "phenotype": "heart_failure", "qualifying_encounters": 3,
    "qualifying_months": 12, "age": [40, 85], "eligibility_months": 18, "min_visits": 1,
    "washout_months": 0, "free_days_after_index": 182, "last_contact_days": 30,
    "lookback_months": 0,
    "matching": {
        "method": "random", "ratio": 4, "exact": ["sex"], "age_years": 5, "first_visit_days": 365,
        "visits": None, "span_days": None, "reuse_controls": False,
    },
}  # fmt: skip
TASK = {"observation_months": 12, "prediction_months": 0}


class Site:
    """A small simulated site as far as its cohort."""

    def __init__(self, folder: Path, preset: str, persons: int) -> None:
        self.folder = folder
        self.section = {"preset": preset, "persons": persons, "seed": 4, "order_effect": 0.5}
        simulate_site({**self.section, "messy": False}, folder)
        omop = {"path": str(folder / "omop"), "schema": "main", "domains": ["condition"]}
        ingest_site(name="site", site={**omop, "latest_date": None}, folder=folder)
        names = ("events", "persons", "observation_periods", "codes")
        self.tables = {name: folder / f"{name}.parquet" for name in names}
        build_cohort(
            site="site", name="hf", cohort=COHORT, phenotype=PHENOTYPE, **self.tables,
            folder=folder, seed=0, parts=3,
        )  # fmt: skip

    def score(self, truth: str = "truth.parquet", **task: Any) -> pa.Table:
        path = self.folder / "oracle.parquet"
        score_oracle(
            site=self.section, cohort=COHORT, task={**TASK, **task}, phenotype=PHENOTYPE,
            rows=self.folder / "cohort.parquet", truth=self.folder / truth, tables=self.tables,
            seed=0, parts=3, path=path,
        )  # fmt: skip
        return pq.read_table(path)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("hospital"), "intensive_care", 2000)


@pytest.fixture(scope="module")
def gapped(hospital: Site) -> pa.Table:
    """Scores of the hospital's rows half a year ahead."""
    return hospital.score(prediction_months=6)


def test_a_hazard_holds_until_the_next_change(tmp_path: Path) -> None:
    day = date(2010, 1, 1)
    rows = [
        {"subject_id": 3, "hazard_day": [day, day + timedelta(5)], "log_hazard": [0.0, 1.0]},
        {"subject_id": 8, "hazard_day": [day], "log_hazard": [2.0]},
    ]
    write_parquet(pa.Table.from_pylist(rows, TRUTH), tmp_path / "truth.parquet")
    truth = Truth.read(tmp_path / "truth.parquet")
    first = (day - date(1970, 1, 1)).days
    days = np.array([first, first + 4, first + 5, first + 900, first, first - 1, first - 900])
    hazards = truth.hazards(np.array([3, 3, 3, 3, 8, 3, 8]), days)
    np.testing.assert_allclose(np.log(hazards), [0, 0, 1, 1, 2, 0, 2], atol=1e-6)


def test_two_pools_by_hand(tmp_path: Path) -> None:
    """One control of two is drawn, and whoever is no control counts for nothing.

    The women's hazards are twice the men's, so their scores are the same.
    """
    woman = {"sex": 8532}
    persons = {1: case(), 2: control(), 3: control(), 4: control(birth="1930-06-15")}
    persons |= {11: case(**woman), 12: control(**woman), 13: control(**woman)}
    hazard = {1: 0.5, 2: 0.1, 3: 0.3, 4: 100.0, 11: 1.0, 12: 0.2, 13: 0.6}
    site, cohort = Hospital(tmp_path, persons), configuration({"ratio": 1})
    site.build(cohort)
    days = [INDEX - timedelta(14), INDEX, INDEX + timedelta(1)]
    told = [
        {"subject_id": key, "hazard_day": days, "log_hazard": np.log([7.0, value, 9.0])}
        for key, value in hazard.items()
    ]
    write_parquet(pa.Table.from_pylist(told, TRUTH), tmp_path / "truth.parquet")
    names = ("events", "persons", "observation_periods", "codes")
    score_oracle(
        site={"preset": "primary_care"}, cohort=cohort, task=TASK, phenotype=PHENOTYPE,
        rows=tmp_path / "cohort/cohort.parquet", truth=tmp_path / "truth.parquet",
        tables={name: tmp_path / f"{name}.parquet" for name in names}, seed=0, parts=1,
        path=tmp_path / "oracle.parquet",
    )  # fmt: skip
    rows = pq.read_table(tmp_path / "oracle.parquet").to_pylist()
    assert len(rows) == 4
    for row in rows:
        mean = 0.3 if row["subject_id"] < 10 else 0.6
        assert row["oracle"] == pytest.approx(hazard[row["subject_id"]] / mean, rel=1e-6)


@pytest.mark.parametrize("gap", [False, True])
def test_a_pools_scores_average_to_one(hospital: Site, gapped: pa.Table, gap: bool) -> None:
    """The controls stand for all the eligible: where all were drawn, exactly."""
    matches = pq.read_table(hospital.folder / "matches.parquet").to_pandas()
    sizes = matches.drop_duplicates("set_id").set_index("set_id")
    table = (gapped if gap else hospital.score()).to_pandas()
    own = table[table["label"]].set_index("set_id")["oracle"]
    drawn = table[~table["label"]].groupby("set_id")["oracle"].mean()
    eligible = sizes["n_eligible"].loc[drawn.index]
    means = (own + eligible * drawn) / (eligible + 1)
    whole = means[eligible == sizes["n_sampled"]]
    assert len(whole) > 2
    np.testing.assert_allclose(whole, 1)
    assert abs(means.mean() - 1) < 2 * means.sem() < 0.3


def test_scores_are_hazards_up_to_a_factor_of_the_set(hospital: Site) -> None:
    table = hospital.score()
    assert table.schema.equals(ORACLE)
    rows = table.to_pylist()
    told = pq.read_table(hospital.folder / "truth.parquet").to_pylist()
    truth = {row["subject_id"]: row for row in told}

    def hazard(subject: int, index: datetime) -> float:
        person = truth[subject]
        held = [
            value
            for day, value in zip(person["hazard_day"], person["log_hazard"], strict=True)
            if day <= index.date()
        ]
        return float(np.exp(held[-1]))

    assert rows
    for row in rows:
        case = next(r for r in rows if r["set_id"] == row["set_id"] and r["label"])
        own, other = (hazard(r["subject_id"], r["index_time"]) for r in (row, case))
        ratio = own / other
        assert row["oracle"] / case["oracle"] == pytest.approx(ratio, rel=1e-5)
        assert row["oracle"] == row["oracle_latent"]
        assert row["oracle_standard_error"] == 0


def test_doubling_every_hazard_changes_nothing(hospital: Site) -> None:
    before = hospital.score()
    truth = pq.read_table(hospital.folder / "truth.parquet")
    doubled = [[value + np.log(2) for value in row] for row in truth["log_hazard"].to_pylist()]
    place, field = truth.schema.get_field_index("log_hazard"), truth.schema.field("log_hazard")
    table = truth.set_column(place, field, pa.array(doubled, field.type))
    write_parquet(table, hospital.folder / "doubled.parquet")
    after = hospital.score("doubled.parquet")
    np.testing.assert_allclose(after["oracle"], before["oracle"], rtol=1e-5)


def test_metrics_are_those_of_any_score(hospital: Site) -> None:
    table = hospital.score()
    part = table.filter(np.array(table["part"]) == 1)
    estimates = estimate_oracle(hospital.folder / "oracle.parquet", draws=100, seed=0, fold=1)
    expected = roc_auc_score(part["label"].to_numpy(), part["oracle"].to_numpy())
    auroc: Estimate = estimates["oracle"]["auroc"]
    assert auroc.value == pytest.approx(expected)
    assert auroc.low < auroc.value < auroc.high
    assert auroc.value > 0.6
    assert estimates["oracle_latent"]["auroc"] == auroc


def test_a_gap_costs_the_oracle_and_not_the_latent_one(hospital: Site, gapped: pa.Table) -> None:
    latent = hospital.score()["oracle_latent"].to_numpy()
    np.testing.assert_allclose(gapped["oracle_latent"], latent)
    assert np.min(gapped["oracle_standard_error"]) >= 0
    write_parquet(gapped, hospital.folder / "gapped.parquet")
    error = simulation_error(hospital.folder / "gapped.parquet", 0)["standard_error"]
    assert error is not None
    assert 0 < error < 0.15
    label = gapped["label"].to_numpy()
    assert 0.55 < roc_auc_score(label, gapped["oracle"]) < roc_auc_score(label, latent)


def test_what_came_true_in_the_gap_leaves_the_score_alone(hospital: Site, gapped: pa.Table) -> None:
    """Neither a case's score nor its pool's mean is drawn to how the case's hazard turned out.

    And the same seed simulates the same futures.
    """
    truth = pq.read_table(hospital.folder / "truth.parquet")
    rows = [row for row in gapped.to_pylist() if row["label"]]
    begins = {row["subject_id"]: row["index_time"].date() - timedelta(183) for row in rows}
    turned = [
        [
            value + 3 * (place > 0 and day > begins.get(row["subject_id"], date.max))
            for place, (day, value) in enumerate(
                zip(row["hazard_day"], row["log_hazard"], strict=True)
            )
        ]
        for row in truth.to_pylist()
    ]
    place, field = truth.schema.get_field_index("log_hazard"), truth.schema.field("log_hazard")
    table = truth.set_column(place, field, pa.array(turned, field.type))
    write_parquet(table, hospital.folder / "turned.parquet")
    after = hospital.score("turned.parquet", prediction_months=6)
    assert not after["oracle_latent"].equals(gapped["oracle_latent"])
    assert after.drop("oracle_latent").equals(gapped.drop("oracle_latent"))


def test_the_simulations_error_is_told_by_its_halves(hospital: Site) -> None:
    """Two halves whose errors cancel, and whose AUROCs are known."""
    labels, whole = [True, False, False, False], [4.0, 1.0, 2.0, 3.0]
    halves = [[2.0, 1.0, 1.5, 3.0], [6.0, 1.0, 2.5, 3.0]]  # AUROC 2/3 and 1
    site = hospital.score()
    table = site.slice(0, 4).to_pandas()
    table["label"], table["part"], table["oracle"] = labels, 0, whole
    table["oracle_first_half"], table["oracle_second_half"] = halves
    table["oracle_standard_error"] = [0.4, 0.1, 0.4, 0.3]
    path = hospital.folder / "halves.parquet"
    write_parquet(pa.Table.from_pandas(table, ORACLE, preserve_index=False), path)
    found = simulation_error(path, 0)
    assert list(found) == list(SIMULATION_ERRORS)
    assert found["standard_error"] == pytest.approx((0.1 + 0.1 + 0.2 + 0.1) / 4)
    assert found["auroc_standard_error"] == pytest.approx(1 / 6)
    assert found["auroc_bias"] == pytest.approx(-1 / 6)
    assert simulation_error(path, 1) == dict.fromkeys(SIMULATION_ERRORS)


def test_half_of_the_draws_are_worth_nearly_as_much(gapped: pa.Table) -> None:
    label = gapped["label"].to_numpy()
    names = ("oracle", "oracle_first_half", "oracle_second_half")
    whole, *halves = (roc_auc_score(label, gapped[name].to_numpy()) for name in names)
    assert np.abs(whole - np.array(halves)).max() < 0.02
    middle = (gapped["oracle_first_half"].to_numpy() + gapped["oracle_second_half"].to_numpy()) / 2
    assert np.median(np.abs(middle / gapped["oracle"].to_numpy() - 1)) < 0.05


def test_order_decides_all_where_only_order_decides(tmp_path: Path) -> None:
    site = Site(tmp_path, "order_only", 2000)
    for months in (0, 6):
        table = site.score(prediction_months=months)
        assert roc_auc_score(table["label"].to_numpy(), table["oracle"].to_numpy()) == 1


def test_what_a_gap_leaves_unknown_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, "counts_only", 2000)
    assert site.score().column("oracle").null_count == 0
    assert site.score(prediction_months=6).column("oracle").null_count > 0
    estimate = estimate_oracle(tmp_path / "oracle.parquet", draws=100, seed=0, fold=0)
    content = estimate["oracle"]["auroc"].to_json()
    assert content["value"] is None
    assert "gap" in json.dumps(content)
    assert not any(simulation_error(tmp_path / "oracle.parquet", 0).values())


def test_no_stage_that_a_model_passes_through_knows_the_truth() -> None:
    for stage in ("ingest", "cohort", "encode", "models", "train"):
        for path in (ROOT / "src/visitseq" / stage).rglob("*"):
            if path.suffix in (".py", ".sql"):
                text = path.read_text(encoding="utf-8")
                assert "truth" not in text, path
                assert "visitseq.simulate" not in text, path
    rules = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow/rules").glob("*.smk"))
    )
    users = [
        block.split(":")[0] for block in rules.split("\nrule ")[1:] if "truth.parquet" in block
    ]
    assert users == ["simulate_site", "score_oracle"]
    assert rules.count("truth.parquet") == len(users)
    scripts = (ROOT / "workflow/scripts").glob("*.py")
    named = sorted(path.stem for path in scripts if "truth" in path.read_text(encoding="utf-8"))
    assert named == ["score_oracle", "simulate_site"]
