"""MEDS out: what other programs accept, and what comes back is what went."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from meds import schema as meds
from meds_evaluation.evaluate import evaluate_binary_classification
from meds_evaluation.schema import PredictionSchema
from sklearn.metrics import roc_auc_score

from visitseq import tables
from visitseq.cohort import build_cohort
from visitseq.cohort.parts import assign_parts
from visitseq.encode import encode_visits
from visitseq.export import meds as export
from visitseq.export import write_meds, write_meds_labels, write_meds_predictions
from visitseq.ingest import ingest_meds, ingest_site
from visitseq.simulate import simulate_site

ROOT = Path(__file__).resolve().parents[2]
PHENOTYPE = ROOT / "workflow/phenotypes/heart_failure.yaml"
FOLD, SEED, PARTS = 2, 0, 7
TABLES = ("events", "persons", "observation_periods", "codes", "ancestors")
TASK = {"observation_months": 18, "prediction_months": 1, "phenotype_codes": "drop"}


def tables_in(folder: Path) -> dict[str, Path]:
    return {name: folder / f"{name}.parquet" for name in TABLES}


def export_site(home: Path, folder: Path, **changes: Any) -> Path:
    settings = {"synthetic": True, "fold": FOLD, "seed": SEED, "parts": PARTS, **changes}
    write_meds(name="home", **tables_in(home), folder=folder, **settings)
    return folder


def ingest_back(exported: Path, folder: Path) -> Path:
    section: dict[str, Any] = {
        "path": str(exported),
        "domains": {},
        "sex_codes": {},
        "latest_date": None,
    }
    ingest_meds(name="back", site=section, folder=folder)
    return folder


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A messy hospital (home), what is exported of it (meds), and that read again (back)."""
    folder = tmp_path_factory.mktemp("sites")
    hospital = {"preset": "primary_care", "persons": 400, "seed": 3, "order_effect": 0.5}
    simulate_site({**hospital, "messy": True}, folder)
    domains = ["condition", "drug", "procedure", "measurement"]
    section = {"path": str(folder / "omop"), "domains": domains, "latest_date": "2012-12-31"}
    ingest_site(name="home", site=section, folder=folder / "home")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export, "SHARD", 100)
        export_site(folder / "home", folder / "meds")
    ingest_back(folder / "meds", folder / "back")
    return folder


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "data").rglob("*.parquet"))


def read(path: Path) -> pa.Table:
    """One file, whatever the names of its folders."""
    return pq.ParquetFile(path).read()


def test_the_package_meds_accepts_it(sites: Path) -> None:
    folder = sites / "meds"
    for path in shards(folder):
        meds.DataSchema.validate(read(path))
    meds.CodeMetadataSchema.validate(read(folder / meds.code_metadata_filepath))
    meds.SubjectSplitSchema.validate(read(folder / meds.subject_splits_filepath))
    dataset = json.loads((folder / meds.dataset_metadata_filepath).read_text("utf-8"))
    meds.DatasetMetadataSchema.validate(dataset)
    assert dataset["dataset_name"] == "home (synthetic records)"
    assert dataset["meds_version"].startswith("0.4")


def test_shards_are_as_meds_asks(sites: Path) -> None:
    folder = sites / "meds"
    split_of = {
        r["subject_id"]: r["split"] for r in read(folder / meds.subject_splits_filepath).to_pylist()
    }
    persons = np.sort(pq.read_table(sites / "home/persons.parquet")["subject_id"].to_numpy())
    part = assign_parts(persons, SEED, PARTS)
    names = {FOLD: "held_out", FOLD + 1: "tuning"}
    assert split_of == {
        p: names.get(q, "train") for p, q in zip(persons.tolist(), part, strict=True)
    }
    seen: set[int] = set()
    codes: set[str] = set()
    for path in shards(folder):
        rows = read(path).to_pandas()
        own = rows.subject_id.drop_duplicates().tolist()
        assert not seen & set(own)
        assert own == sorted(own)
        assert len(own) <= 100
        assert {split_of[subject] for subject in own} == {path.parent.name}
        for _, times in rows.groupby("subject_id").time:
            known = times.dropna()
            assert times.isna()[: len(times) - len(known)].all()
            assert known.is_monotonic_increasing
        seen |= set(own)
        codes |= set(rows.code)
    assert seen == set(split_of)
    assert set(read(folder / meds.code_metadata_filepath)["code"].to_pylist()) == codes
    assert {"observation_period/start", "observation_period/end", "birth_precision/day"} < codes


def test_what_comes_back_is_what_went(sites: Path) -> None:
    for name in TABLES:
        home, back = (sites / f"{folder}/{name}.parquet" for folder in ("home", "back"))
        schema = getattr(tables, name.upper())
        assert pq.read_table(home).cast(schema).equals(pq.read_table(back).cast(schema)), name
        assert home.read_bytes() == back.read_bytes(), name
    summaries = [
        json.loads((sites / f"{f}/summary.json").read_text("utf-8")) for f in ("home", "back")
    ]
    for key in ("persons", "visits", "events", "last_year"):
        assert summaries[0][key] == summaries[1][key]
    exported = sum(pq.ParquetFile(path).metadata.num_rows for path in shards(sites / "meds"))
    assert summaries[1]["tables"] == {"data": {"read": exported, "kept": exported, "dropped": {}}}


def test_the_same_cohort_and_the_same_visits(sites: Path) -> None:
    configuration = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    cohort = {**configuration["cohorts"]["heart_failure"], "qualifying_encounters": 1}
    encoding = {
        "vocabulary": "groups",
        "level": 2,
        "sequence": "visit",
        "domains": ["condition", "drug"],
    }
    for site in ("home", "back"):
        own, folder = tables_in(sites / site), sites / f"studied_{site}"
        read_by_cohort = {name: own[name] for name in TABLES if name != "ancestors"}
        drawn = {"seed": SEED, "parts": PARTS}
        build_cohort(
            site=site,
            name="heart_failure",
            cohort=cohort,
            phenotype=PHENOTYPE,
            folder=folder,
            **read_by_cohort,
            **drawn,
        )
        encoded = {name: own[name] for name in ("events", "codes", "ancestors")}
        encode_visits(
            task=TASK,
            encoding=encoding,
            phenotype=PHENOTYPE,
            folder=folder,
            cohort=folder / "cohort.parquet",
            **encoded,
            **drawn,
        )
    names = sorted(path.name for path in (sites / "studied_home").iterdir())
    assert {"cohort.parquet", "matches.parquet", "visits.arrow"} < set(names)
    for name in names:
        home, back = (sites / f"studied_{site}/{name}" for site in ("home", "back"))
        assert home.read_bytes() == back.read_bytes(), name
    assert pq.ParquetFile(sites / "studied_home/cohort.parquet").metadata.num_rows > 20


def test_the_same_records_are_the_same_bytes(sites: Path, tmp_path: Path) -> None:
    again = [
        export_site(sites / "back", tmp_path / str(threads), threads=threads) for threads in (1, 2)
    ]
    written = [
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in again
    ]
    assert written[0] == written[1]
    assert len(written[0]) == 6


def test_persons_of_whom_next_to_nothing_is_known_come_back(tmp_path: Path) -> None:
    nobody = dict.fromkeys(tables.PERSONS.names)
    persons = [
        {**nobody, "subject_id": 1, "sex": 0, "race": 0, "ethnicity": 0},
        {**nobody, "subject_id": 2, "race": 8527, "care_site": 5},
    ]
    given = {
        "events": pa.table({name: [] for name in tables.EVENTS.names}, schema=tables.EVENTS),
        "persons": pa.Table.from_pylist(persons, schema=tables.PERSONS),
        "observation_periods": tables.OBSERVATION_PERIODS.empty_table(),
        "codes": tables.CODES.empty_table(),
        "ancestors": tables.ANCESTORS.empty_table(),
    }
    for name, table in given.items():
        tables.write_parquet(table, tmp_path / f"home/{name}.parquet")
    export_site(tmp_path / "home", tmp_path / "meds", synthetic=False)
    ingest_back(tmp_path / "meds", tmp_path / "back")
    for name, table in given.items():
        assert pq.read_table(tmp_path / f"back/{name}.parquet").cast(table.schema).equals(table), (
            name
        )
    dataset = json.loads((tmp_path / "meds/metadata/dataset.json").read_text("utf-8"))
    assert dataset["dataset_name"] == "home"


def cohort_rows(path: Path, rows: int = 40) -> pa.Table:
    table = pa.table(
        {
            "set_id": np.arange(rows) // 4,
            "subject_id": np.arange(rows),
            "index_time": np.datetime64("2012-03-01", "us")
            + np.arange(rows).astype("timedelta64[D]"),
            "label": np.arange(rows) % 4 == 0,
            "part": np.zeros(rows),
        }
    ).cast(tables.COHORT)
    tables.write_parquet(table, path)
    return table


def test_labels_are_asked_for_before_the_window_ends(tmp_path: Path) -> None:
    rows = cohort_rows(tmp_path / "cohort.parquet")
    write_meds_labels(task=TASK, cohort=tmp_path / "cohort.parquet", folder=tmp_path)
    labels = read(tmp_path / "labels.parquet")
    meds.LabelSchema.validate(labels)
    assert labels["boolean_value"].to_pylist() == rows["label"].to_pylist()
    # One month of prediction is 31 days: from 1 March back to 30 January, less a microsecond.
    assert str(labels["prediction_time"][0]) == "2012-01-29 23:59:59.999999"


def test_the_meds_evaluation_reads_the_predictions(tmp_path: Path) -> None:
    rows, draw = cohort_rows(tmp_path / "cohort.parquet"), np.random.default_rng(0)
    probability = draw.random(len(rows)).astype(np.float32)
    columns = {
        "set_id": rows["set_id"],
        "score": draw.random(len(rows)),
        "subject_id": rows["subject_id"],
        "prediction_time": rows["index_time"],
        "boolean_value": rows["label"],
        "predicted_boolean_value": probability > 0.5,
        "predicted_boolean_probability": probability,
    }
    tables.write_parquet(pa.table(columns).cast(tables.PREDICTIONS), tmp_path / "given.parquet")
    write_meds_predictions(predictions=tmp_path / "given.parquet", folder=tmp_path)
    written = read(tmp_path / "predictions.parquet")
    PredictionSchema.validate(written)
    values = evaluate_binary_classification(polars.DataFrame(written))["samples_equally_weighted"]
    expected = roc_auc_score(rows["label"].to_numpy(zero_copy_only=False), probability)
    assert values["roc_auc_score"] == pytest.approx(expected)
